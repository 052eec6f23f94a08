// The visitor's caret, and what is selected in a field: the copy has no focus, and paints neither itself.
import { AFTER, BEFORE } from "../ops";

const CARET_PX = 1;

interface Place {
  left: number;
  top: number;
  width: number;
  height: number;
  /** What is selected in a field: it is drawn once more. */
  text?: string;
}

/** A place in one of the copy's documents, in the viewport of the copy. */
export function placeOf(
  page: Document,
  at: { left: number; top: number },
): { left: number; top: number } {
  let { left, top } = at;
  for (let frame = page.defaultView?.frameElement; frame; ) {
    const around: Element | null = frame.ownerDocument.defaultView?.frameElement ?? null;
    if (!around) break; // the copy itself
    const box = frame.getBoundingClientRect();
    left += box.left + frame.clientLeft;
    top += box.top + frame.clientTop;
    frame = around;
  }
  return { left, top };
}

export class Caret {
  /** Drawn over the copy. */
  readonly mark = document.createElement("div");
  private node: Node | undefined;
  private start = 0;
  private end = 0;
  private isAsked = false;

  constructor() {
    this.mark.className = "caret";
    this.mark.hidden = true;
  }

  /** In a field from and to which character, elsewhere behind so many of a text. Undefined: nowhere. */
  place(node: Node | undefined, start: number, end: number): void {
    this.node = node;
    this.start = start;
    this.end = end;
    this.refresh();
  }

  /** The page may have moved. */
  refresh(): void {
    if ((!this.node && this.mark.hidden) || this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.draw();
    });
  }

  private draw(): void {
    const { node, mark } = this;
    const at = node?.isConnected ? this.rectangle(node) : undefined;
    mark.hidden = !at;
    if (!node || !at) return;
    const page = node.ownerDocument as Document;
    const { left, top } = placeOf(page, at);
    const isCaret = at.width === 0;
    mark.dataset.kind = isCaret ? "caret" : "selected";
    mark.textContent = at.text ?? "";
    const style = page.defaultView?.getComputedStyle(elementOf(node));
    const colour = style?.caretColor ?? "";
    mark.style.cssText = `left: ${isCaret ? left - CARET_PX / 2 : left}px; top: ${top}px; height: ${at.height}px;
      width: ${isCaret ? CARET_PX : at.width}px; ${isCaret ? `background: ${colour}` : `font: ${style?.font}`}; line-height: ${at.height}px`;
  }

  private rectangle(node: Node): Place | undefined {
    const field = node as HTMLInputElement;
    if (field.localName === "input" || field.localName === "textarea") {
      return inField(field, this.start, this.end);
    }
    const range = (node.ownerDocument as Document).createRange();
    if (this.start === BEFORE) range.setStartBefore(node);
    else if (this.start === AFTER) range.setStartAfter(node);
    else range.setStart(node, Math.min(this.start, node.textContent?.length ?? 0));
    range.collapse(true);
    const [rect] = range.getClientRects();
    if (rect) return rect;
    const box = elementOf(node).getBoundingClientRect();
    return new DOMRect(box.left, box.top, 0, Math.min(box.height, 20));
  }
}

function elementOf(node: Node): Element {
  return node.nodeType === Node.ELEMENT_NODE ? (node as Element) : (node.parentElement as Element);
}

/** Worked out from the text's width: browsers do not tell. Lines that are wrapped are not known. */
function inField(field: HTMLInputElement, start: number, end: number): Place | undefined {
  const page = field.ownerDocument;
  const style = page.defaultView?.getComputedStyle(field);
  const context = page.createElement("canvas").getContext("2d");
  if (!style || !context) return undefined;
  context.font = style.font;
  context.letterSpacing = style.letterSpacing;
  const value = field.type === "password" ? "•".repeat(field.value.length) : field.value;
  const lines = value.slice(0, start).split("\n");
  const before = lines[lines.length - 1] ?? "";
  const selected = value.slice(start, end).split("\n")[0] ?? "";
  const pixels = (name: string) => Number.parseFloat(style.getPropertyValue(name)) || 0;
  const line = pixels("line-height") || pixels("font-size") * 1.2;
  const box = field.getBoundingClientRect();
  const inner = box.height - pixels("border-top-width") - pixels("border-bottom-width");
  const isLine = field.localName === "input";
  const top = isLine
    ? (inner - line) / 2
    : pixels("padding-top") + (lines.length - 1) * line - field.scrollTop;
  const { width } = context.measureText(before);
  const drawn = context.measureText(selected);
  const left = pixels("border-left-width") + pixels("padding-left") + width - field.scrollLeft;
  const least = pixels("border-left-width");
  if (left < least || left > box.width || top < -line || top > box.height) return undefined;
  // A caret is as high as the letters, what is selected as the line.
  const letters = drawn.fontBoundingBoxAscent + drawn.fontBoundingBoxDescent;
  const height = Math.floor(selected ? line : Math.min(letters, line));
  return {
    left: box.left + left,
    top: box.top + pixels("border-top-width") + top + (line - height) / 2,
    width: Math.min(drawn.width, box.width - left),
    height,
    text: selected,
  };
}
