// The page's nodes as trees for the wire, in slices that leave the page room to breathe.
import {
  type Attributes,
  type ElementTree,
  type Extra,
  type Field,
  type FrameDocument,
  HTML,
  NAMESPACES,
  type Tree,
} from "../ops";
import { shownAttribute } from "./attributes";
import { ownSheetText, sheetText } from "./css";
import * as dom from "./dom";
import { fieldState, isField } from "./fields";
import { hiddenText } from "./hidden";
import { naturalSize } from "./images";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";

/** Elements whose content is not shown, or is told in another way. */
const LEAVES = new Set(
  `script noscript style link meta base template textarea title iframe frame object embed audio video
   canvas img input`.split(/\s+/),
);
/** Fields that are as wide as what is in them: of a hidden one nothing in the copy would tell. */
const SIZED = /^(?:submit|button|reset|select-one|select-multiple)$/;
/** Deeper nodes follow in a slice of their own: recursion has an end. */
const MAX_DEPTH = 200;
/** How many nodes are made between two looks at the clock. */
const CLOCK_NODES = 32;

/** What else begins where nodes are made. */
export interface Finds {
  shadow(root: ShadowRoot): void;
  frame(element: Element, inner: Document | null): void;
  field(element: Element, state: Field): void;
  sheet(element: Element): void;
  picture(element: Element): void;
  hiddenText(text: Text, laidOut: boolean): void;
  scrolled(element: Element): void;
  /** A canvas or a film. */
  moving(element: Element): void;
  /** A dialog, or an element that can be a popover. */
  top(element: Element): void;
}

export class Serializer {
  /** The documents that frames showed when they were made: one that is taken out shows none. */
  readonly shownIn = new WeakMap<Element, Document>();
  /** Nodes whose children, or the last of them, have not been made yet. */
  readonly pending = new Set<Node>();
  private deadline = 0;
  private spent = false;
  private made = 0;
  private depth = 0;
  /** Texts of sheets that were read before the elements that they speak of. */
  private readonly ready = new Map<CSSStyleSheet, string>();

  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly closed: WeakMap<Element, ShadowRoot>,
    private readonly ignored: WeakSet<Node>,
    private readonly finds: Finds,
  ) {}

  /** Until when, by performance.now(), nodes may be made; then parents are left pending. */
  begin(deadline: number): void {
    this.deadline = deadline;
    this.spent = false;
  }

  get isSpent(): boolean {
    this.spent ||= performance.now() > this.deadline;
    return this.spent;
  }

  /** Whether a node has a place in the copy at all. */
  counts(node: Node): boolean {
    return (dom.isElement(node) && !this.ignored.has(node)) || dom.isText(node);
  }

  /** Whether the children of a node are made one by one. */
  hasChildren(parent: Node): boolean {
    if (!dom.isElement(parent)) return true;
    const name = dom.localName(parent);
    if ((name === "select" || name === "datalist") && this.privacy.isHidden(parent)) return false;
    if (name === "style" || name === "script") return false; // SVG has them too
    return !LEAVES.has(name) || dom.namespaceOf(parent) !== HTML;
  }

  /**
   * The nodes from first to before until. When time is up, parent is left pending; where until is a
   * node, the rest is made without what is in it, so that there is never a gap among siblings.
   */
  siblings(parent: Node, first: Node | null, until: Node | null, hidden: boolean): Tree[] {
    const trees: Tree[] = [];
    if (first && this.depth >= MAX_DEPTH) {
      this.pending.add(parent);
      return trees;
    }
    this.depth++;
    for (let node = first; node && node !== until; node = dom.nextSibling(node)) {
      if ((this.spent || (++this.made % CLOCK_NODES === 0 && this.isSpent)) && !until) {
        this.pending.add(parent);
        break;
      }
      if (this.counts(node)) trees.push(this.tree(node, hidden));
    }
    this.depth--;
    return trees;
  }

  private tree(node: Node, hidden: boolean): Tree {
    this.numbers.give(node);
    if (dom.isElement(node)) return this.element(node, hidden);
    return this.text(node as Text, hidden || this.privacy.isSlottedIntoHidden(node));
  }

  text(text: Text, hidden: boolean): Tree {
    if (!hidden) {
      return this.privacy.text(text);
    }
    const parent = dom.parentNode(text);
    // Foreign text has no boxes of its own.
    if (parent && dom.isElement(parent) && dom.namespaceOf(parent) !== HTML) {
      return /\S/.test(text.data) ? { widths: [] } : text.data;
    }
    const shown = hiddenText(text);
    if (typeof shown !== "string") this.finds.hiddenText(text, shown.widths.length > 0);
    return shown;
  }

  private element(element: Element, insideHidden: boolean): ElementTree {
    const hidden = this.privacy.decide(element, insideHidden);
    const tag = dom.localName(element);
    const extra: Extra = {};
    const namespace = dom.namespaceOf(element);
    if (namespace === NAMESPACES.svg) extra.ns = "svg";
    else if (namespace === NAMESPACES.math) extra.ns = "math";
    const attributes = this.attributes(element);
    const shadow = dom.shadowOf(element, this.closed);
    if (shadow) {
      this.numbers.give(shadow);
      this.finds.shadow(shadow);
      this.readSheets(shadow);
      extra.shadow = {
        adopted: adoptedTexts(shadow, this.privacy),
        nodes: this.siblings(shadow, dom.firstChild(shadow), null, hidden),
      };
      if (shadow.slotAssignment === "manual") extra.shadow.manual = 1;
    }
    if (tag === "dialog" || dom.attribute(element, "popover") !== null) this.finds.top(element);
    if (namespace === HTML || tag === "style") this.special(element, tag, hidden, extra);
    let nodes: Tree[] | 0 = 0;
    if (this.hasChildren(element)) {
      nodes = this.siblings(element, dom.firstChild(element), null, hidden);
      if (!nodes.length) nodes = 0;
    }
    if (dom.scrollTop(element) || dom.scrollLeft(element)) this.finds.scrolled(element);
    for (const _ in extra) return [tag, attributes, nodes, extra];
    return [tag, attributes, nodes];
  }

  /** The document in a frame, if it is of this origin and none of the hidden pages. */
  documentIn(frame: Element): Document | null {
    const inner = dom.frameDocument(frame);
    return inner && !this.privacy.hidesPage(inner.URL) ? inner : null;
  }

  private attributes(element: Element): Attributes | 0 {
    if (!dom.hasAttributes(element)) return 0;
    let out: Attributes | 0 = 0;
    for (const name of dom.attributeNames(element)) {
      const shown = shownAttribute(element, name, dom.attribute(element, name) ?? "", this.privacy);
      if (shown === undefined) continue;
      out ||= {};
      out[name] = shown;
    }
    return out;
  }

  private special(element: Element, tag: string, hidden: boolean, extra: Extra): void {
    switch (tag) {
      case "style":
      case "link": {
        const { sheet } = element as HTMLStyleElement;
        if (
          tag === "link" &&
          !/(?:^|\s)stylesheet(?:\s|$)/i.test((element as HTMLLinkElement).rel)
        ) {
          break;
        }
        this.finds.sheet(element);
        if (sheet) extra.css = this.sheet(element, sheet);
        break;
      }
      case "meta":
        // What it says of the page's colours is a rule in the copy.
        if (/^color-scheme$/i.test(dom.attribute(element, "name") ?? "")) {
          const scheme = this.privacy.media.scheme(dom.attribute(element, "content") ?? "");
          if (/^[\w\s-]+$/.test(scheme)) extra.css = `:where(:root) { color-scheme: ${scheme} }`;
        }
        break;
      case "iframe":
      case "frame": {
        const inner = this.documentIn(element);
        this.finds.frame(element, inner);
        if (inner) {
          dom.noteFrame(inner, element);
          this.shownIn.set(element, inner);
          extra.frame = this.frame(inner, hidden);
        }
        break;
      }
      case "canvas":
      case "img":
      case "video": {
        if (tag !== "img") this.finds.moving(element);
        const natural = naturalSize(element);
        if (natural) extra.natural = natural;
        if (!hidden && tag !== "canvas") this.finds.picture(element);
        break;
      }
    }
    if (isField(element)) {
      extra.field = fieldState(element, this.privacy);
      this.finds.field(element, extra.field);
    }
    if (hidden && isField(element) && SIZED.test((element as HTMLInputElement).type)) {
      const { offsetWidth, offsetHeight } = element as HTMLElement;
      if (offsetWidth) extra.size = [offsetWidth, offsetHeight];
    }
  }

  /** Read a root's sheets before its elements: which attributes leave depends on them. */
  readSheets(root: Document | ShadowRoot): void {
    for (const sheet of root.styleSheets) {
      const owner = sheet.ownerNode;
      if (owner && dom.isElement(owner)) this.ready.set(sheet, this.sheetNow(owner, sheet));
    }
  }

  /** A style or link element's rules. */
  sheet(element: Element, sheet: CSSStyleSheet): string {
    const text = this.ready.get(sheet) ?? this.sheetNow(element, sheet);
    this.ready.delete(sheet);
    return text;
  }

  private sheetNow(element: Element, sheet: CSSStyleSheet): string {
    if (sheet.disabled) return "";
    const text = ownSheetText(element, sheet, this.privacy);
    this.privacy.learn(text);
    const media = sheet.media.mediaText;
    return media ? `@media ${this.privacy.media.query(media)} {${text}}` : text;
  }

  /** A frame's document; its nodes are given numbers behind the document's own. */
  private frame(inner: Document, hidden: boolean): FrameDocument {
    this.numbers.give(inner);
    this.readSheets(inner);
    return {
      doctype: doctypeOf(inner),
      adopted: adoptedTexts(inner, this.privacy),
      nodes: this.siblings(inner, dom.firstChild(inner), null, hidden),
    };
  }
}

export function adoptedTexts(root: Document | ShadowRoot, privacy: Privacy): string[] {
  const texts: string[] = [];
  for (const sheet of dom.adoptedSheets(root)) {
    const text = sheet.disabled ? "" : sheetText(sheet, privacy, root);
    privacy.learn(text);
    texts.push(text);
  }
  return texts;
}

export function doctypeOf({ doctype, compatMode }: Document): string {
  // A document of srcdoc has none, and is laid out as if it had.
  if (!doctype) return compatMode === "CSS1Compat" ? "<!DOCTYPE html>" : "";
  const { name, publicId, systemId } = doctype;
  const id = publicId ? ` PUBLIC "${publicId}"` : systemId ? " SYSTEM" : "";
  return `<!DOCTYPE ${name}${id}${systemId ? ` "${systemId}"` : ""}>`;
}
