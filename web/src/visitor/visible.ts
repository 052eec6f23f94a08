// Whether a person sees this page.

export function isShown(): boolean {
  const prerendering = "prerendering" in document && document.prerendering;
  return document.visibilityState === "visible" && !prerendering;
}

/** Once a person sees this page: it is in front, and no longer only prerendered. */
export function whenShown(act: () => void): void {
  const shown = () => {
    if (!isShown()) return;
    document.removeEventListener("visibilitychange", shown);
    document.removeEventListener("prerenderingchange", shown);
    removeEventListener("focus", shown);
    act();
  };
  // Of two windows side by side, both visible, the one that is used has the session.
  addEventListener("focus", shown);
  document.addEventListener("visibilitychange", shown);
  document.addEventListener("prerenderingchange", shown);
}
