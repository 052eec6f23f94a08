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
    this.mark.className = "carets";
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
    const places = node?.isConnected ? this.places(node) : [];
    mark.hidden = !places.length;
    if (!node || !places.length) return;
    const page = node.ownerDocument as Document;
    const style = page.defaultView?.getComputedStyle(elementOf(node));
    mark.style.font = style?.font ?? "";
    mark.replaceChildren(
      ...places.map((at) => {
        const { left, top } = placeOf(page, at);
        const isCaret = at.width === 0;
        const part = document.createElement("div");
        part.className = isCaret ? "caret" : "selected";
        part.textContent = at.text ?? "";
        part.style.cssText = `left: ${isCaret ? left - CARET_PX / 2 : left}px; top: ${top}px;
          width: ${isCaret ? CARET_PX : at.width}px; height: ${at.height}px;
          line-height: ${at.height}px`;
        if (isCaret) part.style.background = style?.caretColor ?? "";
        return part;
      }),
    );
  }

  private places(node: Node): Place[] {
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
    if (rect) return [rect];
    const box = elementOf(node).getBoundingClientRect();
    return [{ left: box.left, top: box.top, width: 0, height: Math.min(box.height, 20) }];
  }
}

function elementOf(node: Node): Element {
  return node.nodeType === Node.ELEMENT_NODE ? (node as Element) : (node.parentElement as Element);
}

/** Worked out from the text's width, as browsers do not tell. */
function inField(field: HTMLInputElement, start: number, end: number): Place[] {
  const page = field.ownerDocument;
  const style = page.defaultView?.getComputedStyle(field);
  const context = page.createElement("canvas").getContext("2d");
  if (!style || !context) return [];
  context.font = style.font;
  context.letterSpacing = style.letterSpacing;
  const measure = (text: string) => context.measureText(text).width;
  const pixels = (name: string) => Number.parseFloat(style.getPropertyValue(name)) || 0;
  const { fontBoundingBoxAscent, fontBoundingBoxDescent } = context.measureText("");
  const letters = Math.round(fontBoundingBoxAscent + fontBoundingBoxDescent);
  const line = Math.round(pixels("line-height")) || letters;
  const box = field.getBoundingClientRect();
  const isArea = field.localName === "textarea";
  const inner = box.height - pixels("border-top-width") - pixels("border-bottom-width");
  const value = field.type === "password" ? "•".repeat(field.value.length) : field.value;
  const room = field.clientWidth - pixels("padding-left") - pixels("padding-right");
  const lines = isArea ? wrapped(value, room, measure) : [{ from: 0, text: value }];
  const places: Place[] = [];
  for (const [at, { from, text }] of lines.entries()) {
    const next = lines[at + 1]?.from ?? value.length + 1;
    if (start >= next || (start === end ? start < from : end <= from)) continue;
    const before = text.slice(0, Math.max(0, start - from));
    const selected = text.slice(before.length, Math.max(0, end - from));
    const isCaret = start === end;
    const height = isCaret ? Math.min(letters, line) : line;
    const top = isArea ? pixels("padding-top") + at * line : (inner - line) / 2;
    const left = field.clientLeft + pixels("padding-left") + measure(before) - field.scrollLeft;
    const y = pixels("border-top-width") + top + (line - height) / 2 - field.scrollTop;
    if (left < 0 || left > box.width || y < 0 || y + height > box.height + 1) continue;
    // The break at the end of a line counts as a character.
    const more = end > next && lines[at + 1] ? measure(" ") : 0;
    const width = isCaret ? 0 : Math.min(measure(selected) + more, box.width - left);
    places.push({ left: box.left + left, top: box.top + y, width, height, text: selected });
  }
  return places;
}

interface Line {
  /** How many characters stand before it. */
  from: number;
  text: string;
}

/** The lines of a text in so much room, broken at spaces as browsers do. */
function wrapped(value: string, room: number, measure: (text: string) => number): Line[] {
  const lines: Line[] = [];
  let from = 0;
  for (const paragraph of value.split("\n")) {
    let text = "";
    for (const word of paragraph.match(/\S*\s*/g) ?? []) {
      if (text && measure((text + word).trimEnd()) > room) {
        lines.push({ from, text });
        from += text.length;
        text = "";
      }
      text += word;
    }
    lines.push({ from, text });
    from += text.length + 1;
  }
  return lines;
}
