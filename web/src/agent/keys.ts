// The viewer's shortcuts, and the dialog that lists them.
import { element } from "./socket";

/** What each key does, by the element of the bar that does the same. */
const BUTTONS: Record<string, string> = {
  f: "fit",
  "1": "full",
  p: "pointer",
  h: "highlight",
  c: "copy",
};

/** onEscape: the key was pressed, and no dialog was open. */
export function watchShortcuts(onEscape: () => void): void {
  const help = element("helpbox") as HTMLDialogElement;
  element("help").addEventListener("click", () => help.showModal());
  element("helpclose").addEventListener("click", () => help.close());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
    if (event.target instanceof HTMLInputElement) return;
    if (event.key === "?") help.showModal();
    else if (event.key === "Escape") onEscape();
    else {
      const button = BUTTONS[event.key.toLowerCase()];
      if (!button || element(button).hidden) return;
      element(button).click();
    }
    event.preventDefault();
  });
}
