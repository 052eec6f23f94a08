// Our recorder with a sink that only counts.
import { Recorder } from "../../web/src/capture/recorder";
import type { Config, Sink } from "../../web/src/globals";
import type { Rules } from "../../web/src/wire";

const counts = { bytes: 0, frames: 0, complete: false };
const sink: Sink = {
  isOpen: () => true,
  pendingBytes: () => 0,
  tell: () => {},
  failed: () => {},
  send(frame: Uint8Array) {
    counts.bytes += frame.length;
    counts.frames++;
  },
};
const rules: Rules = {
  mask: "none",
  selectors: [],
  pages: [],
  title: false,
  query: false,
  assets: "",
  canvas_fps: 0,
};
const config: Config = { base: "/", group: "1", site: "production", socket: "", identity: {} };
const seen = { passwords: new WeakSet<Node>(), ignored: new WeakSet<Node>() };
Object.assign(window, {
  counts,
  startEngine() {
    const recorder = new Recorder(sink, rules, seen, new WeakMap(), config);
    return () => recorder.stop();
  },
});
