// The loader: takes over from the stub and brings the API to life.
import type { CobrowseWindow, Seen } from "../globals";
import { createApi } from "./api";

declare const CAPTURE_INTEGRITY: string;
declare const UI_INTEGRITY: string;

const page = window as CobrowseWindow;
const cobrowse = page.GLANCE?.Cobrowse;
const internal = cobrowse?._internal;
const visitor = cobrowse?.Visitor;
if (visitor && internal && !internal.ready) {
  internal.ready = true;
  const seen: Seen = { passwords: new WeakSet(), ignored: new WeakSet() };
  watchPasswords(seen);
  const { methods, session } = createApi(internal, seen, CAPTURE_INTEGRITY, UI_INTEGRITY, visitor);
  Object.assign(visitor, methods);
  // Before the page's calls: a session that is on must not be started again, and can be stopped.
  session.resumeWhenShown();
  for (const [method, args] of internal.calls.splice(0)) {
    (visitor[method] as ((...args: unknown[]) => unknown) | undefined)?.(...args);
  }
}

/** A field that shows its password for a while must stay hidden in a session that starts meanwhile. */
function watchPasswords({ passwords }: Seen): void {
  new MutationObserver((records) => {
    for (const { oldValue, target } of records) {
      if (oldValue?.toLowerCase() === "password") passwords.add(target);
    }
  }).observe(document, { attributeFilter: ["type"], attributeOldValue: true, subtree: true });
}
