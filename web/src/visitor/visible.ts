// Whether a person sees this page.
import { on } from "../native";

export function isShown(): boolean {
  const prerendering = "prerendering" in document && document.prerendering;
  return document.visibilityState === "visible" && !prerendering;
}

/** Once a person sees this page: it is in front, and no longer only prerendered. */
export function whenShown(act: () => void): void {
  const waiting = new AbortController();
  const options = { signal: waiting.signal };
  const shown = () => {
    if (!isShown()) return;
    waiting.abort();
    act();
  };
  // Of two windows side by side, both visible, the one that is used has the session.
  on(window, "focus", shown, options);
  on(document, "visibilitychange", shown, options);
  on(document, "prerenderingchange", shown, options);
}
