// What is in the top layer: modal dialogs and popovers. Attributes tell of neither.
import type { Op } from "../ops";
import { isConnected, matches } from "./dom";
import type { Numbers } from "./numbers";

type Top = "modal" | "popover" | "";

export class Tops {
  /** In the order in which they were seen to open. */
  private known = new Map<Element, Top>();

  constructor(
    private readonly numbers: Numbers,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  /** A keyframe begins: what is open is told again, in the order in which it was opened. */
  reset(): void {
    const open = [...this.known].filter(([, top]) => top);
    this.known = new Map(open.map(([element]) => [element, ""]));
  }

  /** A dialog, or an element that can be a popover. */
  watch(element: Element): void {
    if (!this.known.has(element)) this.known.set(element, "");
  }

  /** It is about to open: above all that is open. */
  opening(element: Element): void {
    const known = this.known.get(element) ?? "";
    this.known.delete(element);
    this.known.set(element, known);
  }

  sweep(): void {
    for (const [element, known] of [...this.known]) {
      const number = this.numbers.of(element);
      const top = number && isConnected(element) ? topOf(element) : "";
      if (!number) {
        if (!isConnected(element)) this.known.delete(element);
        continue;
      }
      if (top === known) continue;
      // Behind what was opened before.
      this.known.delete(element);
      this.known.set(element, top);
      this.op(["top", number, top], `top ${number}`);
    }
  }
}

function topOf(element: Element): Top {
  if (is(element, ":modal")) return is(element, ":fullscreen") ? "" : "modal";
  return is(element, ":popover-open") ? "popover" : "";
}

function is(element: Element, selector: string): boolean {
  try {
    return matches(element, selector);
  } catch {
    return false; // this browser has none
  }
}
