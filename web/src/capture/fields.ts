// The state of form fields, which attributes do not tell.
import type { Field } from "../ops";
import { attribute, localName } from "./dom";
import type { Privacy } from "./privacy";

const NO_VALUE = /^(?:hidden|file|image|checkbox|radio)$/;

export function isField(element: Element): boolean {
  return /^(?:input|textarea|select)$/.test(localName(element));
}

/** What may leave of a field's state. */
export function fieldState(element: Element, privacy: Privacy): Field {
  const hidden = privacy.isHidden(element);
  if (localName(element) === "select") {
    if (hidden) return {};
    const selected: number[] = [];
    const { options } = element as HTMLSelectElement;
    for (let at = 0; at < options.length; at++) if (options[at]?.selected) selected.push(at);
    return { s: selected };
  }
  const type = attribute(element, "type")?.toLowerCase() ?? "text";
  const input = element as HTMLInputElement;
  if (type === "checkbox" || type === "radio") {
    return hidden ? {} : { c: input.checked ? 1 : 0, i: input.indeterminate ? 1 : 0 };
  }
  // A button without a value shows the browser's own word.
  if (NO_VALUE.test(type)) return {};
  return { v: privacy.value(element, input.value) };
}
