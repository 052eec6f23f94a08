// The page's own buttons and keys that call the API.

import { on } from "../native";

export const BUTTON_METHODS = [
  "startSession",
  "showTerms",
  "showButton",
  "toggleButton",
  "stopSession",
];
const ATTRIBUTES = ["glance_button", "data-glancebutton"];
const SELECTOR = ATTRIBUTES.map((name) => `[${name}]`).join(",");

/** Call the method that the clicked element, or one around it, names; also on elements to come. */
export function watchButtons(call: (method: string) => void): void {
  // On the window and before anybody else, so that no page can keep it from us by accident.
  on<MouseEvent>(
    window,
    "click",
    (event) => {
      for (const target of event.composedPath()) {
        if (!(target instanceof Element) || !target.matches(SELECTOR)) continue;
        const name = ATTRIBUTES.map((name) => target.getAttribute(name)).find(Boolean) ?? "";
        if (!BUTTON_METHODS.includes(name)) continue;
        // A link or a form around it is there for its looks.
        event.preventDefault();
        call(name);
        return;
      }
    },
    { capture: true },
  );
}

/**
 * Hot keys: JSON that maps "ctrl-13" (or alt, shift; a decimal key code) to a method.
 * What is not of this form means nothing.
 */
export function watchKeys(json: string | undefined, call: (method: string) => void): void {
  let keys: unknown;
  try {
    keys = JSON.parse(json ?? "null");
  } catch {
    return;
  }
  if (typeof keys !== "object" || keys === null) return;
  const methods = new Map(Object.entries(keys));
  on<KeyboardEvent>(
    window,
    "keydown",
    (event) => {
      const pressed = ["ctrl", "alt", "shift"].filter((name) => event[`${name as "ctrl"}Key`]);
      const method = methods.get(`${pressed.join("-")}-${event.keyCode}`);
      if (!BUTTON_METHODS.includes(method)) return;
      event.preventDefault();
      call(method);
    },
    { capture: true },
  );
}
