// Hidden text: how wide its lines are, so that the copy keeps the page's layout without a character of it.
import type { Hidden } from "../ops";
import { ELEMENT, nodeType, parentNode } from "./dom";

/** Lines told of one text; a longer one is rarely seen whole. */
const MAX_LINES = 200;

/** "" and spaces tell nothing and stay as they are. */
export function hiddenText(text: Text): string | Hidden {
  const { data } = text;
  if (!/\S/.test(data)) return data;
  const range = new Range(); // a form may be named createRange
  range.selectNodeContents(text);
  const widths: number[] = [];
  let top = Number.NaN;
  for (const rect of range.getClientRects()) {
    if (rect.top === top && widths.length) {
      widths[widths.length - 1] = rounded((widths[widths.length - 1] as number) + rect.width);
    } else if (widths.length < MAX_LINES) {
      widths.push(rounded(rect.width));
    }
    top = rect.top;
  }
  return keepsBreaks(text) ? { widths, pre: 1 } : { widths };
}

function keepsBreaks(text: Text): boolean {
  const parent = parentNode(text);
  if (!parent || nodeType(parent) !== ELEMENT || !text.data.includes("\n")) return false;
  return getComputedStyle(parent as Element).whiteSpace.startsWith("pre");
}

function rounded(pixels: number): number {
  return Math.round(pixels * 100) / 100;
}
