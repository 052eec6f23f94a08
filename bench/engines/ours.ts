// Our recorder with a sink that only counts.
import { Recorder } from "../../web/src/capture/recorder";

const counts = { bytes: 0, frames: 0, complete: false };
const sink = {
  isOpen: () => true,
  pendingBytes: () => 0,
  tell: () => {},
  send(frame: Uint8Array) {
    counts.bytes += frame.length;
    counts.frames++;
  },
};
const rules = { mask: "none", selectors: [], pages: [], title: false, query: false } as const;
const seen = { passwords: new WeakSet<Node>(), ignored: new WeakSet<Node>() };
Object.assign(window, {
  counts,
  startEngine() {
    const recorder = new Recorder(sink, { ...rules, selectors: [], pages: [] }, seen, new WeakMap());
    return () => recorder.stop();
  },
});
