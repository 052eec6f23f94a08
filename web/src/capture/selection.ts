// What the visitor has selected, where the caret is, and what the page itself highlights.
import type { Op, Point } from "../ops";
import { AFTER, BEFORE, SELECTION } from "../ops";
import * as dom from "./dom";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";

const MAX_RANGES = 200;
/** Fields that have a caret which scripts may ask for. */
const TEXT = /^(?:text|search|url|tel|password|textarea)$/;

const NAME = /^[\w-]{1,64}$/;

type Span = Pick<AbstractRange, "startContainer" | "startOffset" | "endContainer" | "endOffset">;

export class Selections {
  private told = new Map<string, string>();

  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly roots: () => Iterable<Document | ShadowRoot>,
    private readonly closed: WeakMap<Element, ShadowRoot>,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  reset(): void {
    this.told = new Map();
  }

  sweep(): void {
    for (const root of this.roots()) {
      if (dom.nodeType(root) !== dom.DOCUMENT_NODE) continue;
      const number = this.numbers.of(root);
      if (!number) continue;
      this.selected(root as Document, number);
      this.highlighted(root as Document, number);
    }
    this.caret();
  }

  private selected(page: Document, number: number): void {
    const selection = dom.selectionOf(page);
    const ranges: [Point, Point][] = [];
    for (let at = 0; selection && at < selection.rangeCount && at < MAX_RANGES; at++) {
      const range = selection.getRangeAt(at);
      const span = range.collapsed ? undefined : this.span(range);
      if (span) ranges.push(span);
    }
    this.say(["highlight", number, SELECTION, ranges], `highlight ${number} ${SELECTION}`);
  }

  /** The page's own highlights. */
  private highlighted(page: Document, number: number): void {
    const registry = (page.defaultView as (Window & typeof globalThis) | null)?.CSS?.highlights;
    if (!registry || typeof registry.forEach !== "function") return;
    const about = `highlight ${number} `;
    const gone = new Set([...this.told.keys()].filter((known) => known.startsWith(about)));
    gone.delete(about + SELECTION);
    registry.forEach((highlight, name) => {
      if (!NAME.test(name)) return;
      const ranges: [Point, Point][] = [];
      highlight.forEach((range) => {
        const span = ranges.length < MAX_RANGES && this.span(range);
        if (span) ranges.push(span);
      });
      gone.delete(about + name);
      this.say(["highlight", number, name, ranges], about + name);
    });
    for (const known of gone) {
      this.say(["highlight", number, known.slice(about.length), []], known);
    }
  }

  /** In a field by its offsets, elsewhere as a point; of hidden content nothing. */
  private caret(): void {
    const element = dom.innermostFocus(this.closed);
    const number = this.numbers.of(element);
    if (!element || !number || this.privacy.isHidden(element)) {
      this.say(["caret", 0, 0, 0], "caret");
      return;
    }
    const field = element as HTMLInputElement;
    if (TEXT.test(dom.localName(field) === "textarea" ? "textarea" : field.type)) {
      const { selectionStart: start, selectionEnd: end, value } = field;
      // Of a value that is masked not even the length is told.
      if (this.privacy.value(field, value) !== value) this.say(["caret", 0, 0, 0], "caret");
      else this.say(["caret", number, start ?? 0, end ?? 0], "caret");
      return;
    }
    const selection = dom.selectionOf(element.ownerDocument);
    const node = selection?.isCollapsed ? selection.focusNode : null;
    const point = node && this.point(node, selection?.focusOffset ?? 0);
    if (point && (element as HTMLElement).isContentEditable) {
      this.say(["caret", ...point, point[1]], "caret");
    } else {
      this.say(["caret", 0, 0, 0], "caret");
    }
  }

  private span(range: Span): [Point, Point] | undefined {
    const from = this.point(range.startContainer, range.startOffset);
    const to = this.point(range.endContainer, range.endOffset);
    return from && to && [from, to];
  }

  private point(node: Node, offset: number): Point | undefined {
    if (dom.isText(node)) {
      const number = this.numbers.of(node);
      const parent = dom.parentNode(node);
      if (!number || !parent || this.privacy.hidesInside(parent)) return undefined;
      return [number, offset];
    }
    let at = dom.firstChild(node) as Node | null;
    for (let left = offset; at && left > 0; left--) at = dom.nextSibling(at);
    while (at && !this.numbers.of(at)) at = dom.nextSibling(at);
    if (at) return [this.numbers.of(at), BEFORE];
    for (at = dom.lastChild(node); at; at = dom.previousSibling(at)) {
      if (this.numbers.of(at)) return [this.numbers.of(at), AFTER];
    }
    return undefined;
  }

  private say(op: Op, about: string): void {
    const text = op.slice(1).join();
    const isNothing = op[0] === "caret" ? !op[1] : op[0] === "highlight" && !op[3].length;
    if (text === this.told.get(about) || (isNothing && !this.told.has(about))) return;
    this.told.set(about, text);
    this.op(op, about);
  }
}
