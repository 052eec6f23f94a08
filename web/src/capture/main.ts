// The capture script: loaded only for a session. Records the page and sends it as frames.
import type { Capture, CobrowseWindow, Internal } from "../globals";
import { Messages } from "../messages";
import { Recorder } from "./recorder";
import { FRAME, type FromFrame, isBehindProxy, type ToFrame } from "./remote";

const internal = (window as CobrowseWindow).GLANCE?.Cobrowse?._internal;
if (internal) {
  internal.startMessages = (handlers, key) => new Messages(handlers, tabStorage(), key);
  internal.startCapture = (sink, rules, seen) =>
    new Recorder(sink, rules, seen, internal.closed, internal.config);
  internal.record = recordFor(internal);
  internal.record();
}

function tabStorage(): Storage | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined; // a sandboxed page has none
  }
}

/** Record this page, which fills a frame, where a page of a site behind the same proxy asks for it. */
function recordFor(internal: Internal): () => void {
  const { closed, config, asked } = internal;
  let recorder: Capture | undefined;
  const obey = ({ data, origin, source }: MessageEvent): void => {
    const isOurs = isBehindProxy(new URL(origin), config.hosts ?? []);
    if (source !== parent || parent === window || !isOurs) return;
    const wanted = data[FRAME] as ToFrame;
    const say = (message: FromFrame) => parent.postMessage({ [FRAME]: message }, origin);
    if ("stop" in wanted) {
      recorder?.stop();
      recorder = internal.capture = undefined;
    } else if (recorder) {
      recorder.keyframe();
    } else {
      const nothing = () => {};
      const sink = {
        isOpen: () => true,
        pendingBytes: () => 0,
        send: nothing,
        tell: nothing,
        failed: nothing,
        ops: say,
        files: say,
      };
      const seen = { passwords: new WeakSet<Node>(), ignored: new WeakSet<Node>() };
      recorder = internal.capture = new Recorder(sink, wanted.rules, seen, closed, config);
    }
  };
  return () => {
    for (const event of asked.splice(0)) {
      try {
        obey(event);
      } catch {
        // from no page that has an origin, or not what such a page says
      }
    }
  };
}
