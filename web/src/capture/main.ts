// The capture script: loaded only for a session. Records the page and sends it as frames.
import type { CobrowseWindow } from "../globals";
import { Recorder } from "./recorder";

const internal = (window as CobrowseWindow).GLANCE?.Cobrowse?._internal;
if (internal) {
  internal.startCapture = (sink, rules, seen) => new Recorder(sink, rules, seen, internal.closed);
}
