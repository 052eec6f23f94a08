// The capture script: loaded only for a session. Records the page and sends it as frames.
import type { CobrowseWindow } from "../globals";
import { Messages } from "../messages";
import { Recorder } from "./recorder";

const internal = (window as CobrowseWindow).GLANCE?.Cobrowse?._internal;
if (internal) {
  internal.startMessages = (handlers, key) => new Messages(handlers, tabStorage(), key);
  internal.startCapture = (sink, rules, seen) =>
    new Recorder(sink, rules, seen, internal.closed, internal.config.base);
}

function tabStorage(): Storage | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined; // a sandboxed page has none
  }
}
