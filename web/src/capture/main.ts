// The capture script: loaded only for a session. Records the page and sends it as frames.
import type { Capture, CobrowseWindow, Internal } from "../globals";
import { Messages } from "../messages";
import { Recorder } from "./recorder";
import { FRAME, type FromFrame, type ToFrame } from "./remote";

const internal = (window as CobrowseWindow).GLANCE?.Cobrowse?._internal;
if (internal) {
  internal.startMessages = (handlers, key) => new Messages(handlers, tabStorage(), key);
  internal.startCapture = (sink, rules, seen) =>
    new Recorder(sink, rules, seen, internal.closed, internal.config);
  internal.record = recordFor(internal);
  if (internal.asked) internal.record(internal.asked);
}

function tabStorage(): Storage | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined; // a sandboxed page has none
  }
}

/** Record this page, which fills a frame, for the page around it. */
function recordFor(internal: Internal): (event: MessageEvent) => void {
  let recorder: Capture | undefined;
  return ({ data, origin }) => {
    const asked = data[FRAME] as ToFrame;
    const say = (message: FromFrame) => parent.postMessage({ [FRAME]: message }, origin);
    if ("stop" in asked) {
      recorder?.stop();
      recorder = internal.capture = undefined;
    } else if (recorder) {
      recorder.keyframe();
    } else {
      const sink = {
        isOpen: () => true,
        pendingBytes: () => 0,
        send: () => {},
        tell: () => {},
        failed: () => {},
        ops: say,
        files: say,
      };
      const seen = { passwords: new WeakSet<Node>(), ignored: new WeakSet<Node>() };
      const { closed, config } = internal;
      recorder = internal.capture = new Recorder(sink, asked.rules, seen, closed, config);
    }
  };
}
