// The loader: takes over from the stub and brings the API to life.
import type { CobrowseWindow } from "../globals";
import { VisitorSession } from "./session";

declare const CAPTURE_INTEGRITY: string;

const page = window as CobrowseWindow;
const cobrowse = page.GLANCE?.Cobrowse;
const internal = cobrowse?._internal;
if (cobrowse?.Visitor && internal && !internal.ready) {
  internal.ready = true;
  const session = new VisitorSession(internal, CAPTURE_INTEGRITY);
  Object.assign(cobrowse.Visitor, session.api());
  // Before the page's calls: a session that is on must not be started again, and can be stopped.
  session.resumeWhenShown();
  for (const [method, args] of internal.calls.splice(0)) {
    (cobrowse.Visitor[method] as ((...args: unknown[]) => unknown) | undefined)?.(...args);
  }
}
