// The agent's copy of the visitor's page. Whatever a frame says, nothing in the copy runs, asks for
// anything, or takes the agent's focus.
import {
  AFTER,
  BEFORE,
  DOCUMENT,
  type Extra,
  type FrameDocument,
  type Hidden,
  type Op,
  type Point,
  SELECTION,
  type Tree,
} from "../ops";
import type { Caret } from "./caret";
import {
  adopt,
  around,
  attachShadow,
  count,
  createElement,
  empty,
  held,
  hiddenText,
  hold,
  holdSize,
  isElement,
  setField,
  setNatural,
  setTop,
} from "./elements";
import { Moves } from "./moves";
import type { OpenList } from "./openlist";
import { ownRules } from "./ownrules";
import { MARK, type Styles } from "./sheets";

/** Attributes that would fetch, lead away, run, or take the focus. */
const NEVER =
  /^(?:on.*|src|srcset|srcdoc|data|action|formaction|ping|poster|background|http-equiv|content|sandbox|allow|autofocus|target|nonce|manifest|profile|codebase|archive|classid|lowsrc|dynsrc|imagesrcset|integrity)$/i;
const PREFIXES: { [prefix: string]: string } = {
  "xlink:": "http://www.w3.org/1999/xlink",
  "xml:": "http://www.w3.org/XML/1998/namespace",
};
/** Attributes that show a file of the session. */
const FILES =
  /^(?:img src|input src|video poster|\w+ background|(?:image|use|feImage) (?:xlink:)?href)$/;
const REFERENCE = /^(?:href|xlink:href)$/i;
export interface TreeHandlers {
  /** The viewport in CSS pixels. */
  size(width: number, height: number): void;
  /** All of a page is there. */
  complete(): void;
  /** The page is one that must not be seen. */
  hidden(): void;
  /** The visitor's mouse, in the tree's own viewport. */
  mouse(x: number, y: number): void;
}

/** What all trees of a copy have in common. */
export interface Shared {
  /** Where the session's files are. */
  styles: Styles;
  caret: Caret;
  list: OpenList;
}

type Parent = Document | ShadowRoot | Element;

export class PageTree {
  private moves = new Moves();
  private nodes = new Map<number, Node>();
  private numbers = new WeakMap<Node, number>();
  private bars: number | undefined;
  /** Elements that have an attribute in the place of a pseudo-class, by its name. */
  private marks = new Map<string, Element[]>();
  /** How often a style element's text was set: what comes late for an earlier one is dropped. */
  private readonly written = new WeakMap<Element, number>();
  private inFrames = new Map<number, PageTree>();
  isStarted = false;

  constructor(
    private readonly iframe: HTMLIFrameElement,
    private readonly shared: Shared,
    private readonly handlers: TreeHandlers,
  ) {}

  run(op: Op): void {
    switch (op[0]) {
      case "start":
        this.bars = op[1].bars;
        this.start(op[1].doctype);
        this.handlers.size(op[1].width, op[1].height);
        break;
      case "hidden":
        this.handlers.hidden();
        break;
      case "add":
        this.add(op[1], op[2], op[3], op[4]);
        break;
      case "remove":
        for (const number of op[1]) this.remove(number);
        break;
      case "text":
        this.text(op[1], op[2]);
        break;
      case "attribute":
        this.withElement(op[1], (element) => this.setAttribute(element, op[2], op[3]));
        break;
      case "css":
        this.withElement(op[1], (element) => {
          this.setCss(element, op[2]);
        });
        break;
      case "rules":
        this.withElement(op[1], (element) => element.append(this.shared.styles.shown(op[2])));
        break;
      case "adopted":
        this.adopt(this.nodes.get(op[1]), op[2]);
        break;
      case "field":
        this.withElement(op[1], (element) => setField(element, op[2]));
        break;
      case "scroll":
        this.scroll(op[1], op[2], op[3]);
        break;
      case "natural":
        this.withElement(op[1], (element) => setNatural(element, op[2], op[3]));
        break;
      case "mouse":
        this.handlers.mouse(op[1], op[2]);
        this.mark("hover", this.chain(op[3]));
        break;
      case "state":
        this.mark(op[1], op[2].map((number) => this.nodes.get(number)).filter(isElement));
        if (op[1] === "open") this.shared.list.show(this.marks.get("open") ?? []);
        break;
      case "focus": {
        const chain = this.chain(op[1]);
        this.mark("focus", chain.slice(0, 1));
        this.mark("focus-visible", op[2] ? chain.slice(0, 1) : []);
        this.mark("focus-within", chain);
        break;
      }
      case "press":
        this.mark("active", this.chain(op[1]));
        break;
      case "picture":
        this.withElement(op[1], (element) => this.setPicture(element as HTMLElement, op[2]));
        break;
      case "animate":
        this.withElement(op[1], (element) => this.moves.apply(element, op[2], op[3], op[4]));
        break;
      case "highlight":
        this.highlight(op[1], op[2], op[3]);
        break;
      case "caret":
        this.shared.caret.place(this.nodes.get(op[1]), op[2], op[3]);
        break;
      case "slots":
        this.withElement(op[1], (slot) => {
          const nodes = op[2].map((number) => this.nodes.get(number)).filter((node) => !!node);
          if ("assign" in slot) (slot as HTMLSlotElement).assign(...(nodes as Element[]));
        });
        break;
      case "top":
        this.withElement(op[1], (element) => setTop(element as HTMLDialogElement, op[2]));
        break;
      case "viewport":
        this.handlers.size(op[1], op[2]);
        break;
      case "frame":
        this.inFrame(op[1], op[2]);
        break;
      case "complete":
        this.handlers.complete();
        break;
    }
  }

  // -- the tree --------------------------------------------------------------------------------

  private start(doctype: string): void {
    this.isStarted = true;
    this.nodes = new Map();
    this.numbers = new WeakMap();
    this.marks = new Map();
    this.moves = new Moves();
    this.shared.caret.place(undefined, 0, 0);
    this.shared.list.show([]);
    const page = this.iframe.contentDocument;
    if (!page) throw new Error("the copy's frame has no document");
    this.inFrames = new Map();
    empty(page, doctype);
    this.adopt(page, []);
    page.defaultView?.scrollTo({ left: 0, top: 0, behavior: "instant" }); // the page before is gone
    this.keep(DOCUMENT, page);
  }

  private keep(number: number, node: Node): void {
    this.nodes.set(number, node);
    this.numbers.set(node, number);
  }

  private add(parentNumber: number, before: number, first: number, trees: readonly Tree[]): void {
    const parent = this.nodes.get(parentNumber) as Parent | undefined;
    if (!parent) return;
    const counter = { next: first };
    const after: (() => void)[] = [];
    const page = parent.ownerDocument ?? (parent as Document);
    const place = this.nodes.get(before) ?? null;
    for (const tree of trees) parent.insertBefore(this.build(page, tree, counter, after), place);
    // What needs to be in the document first.
    for (const act of after) act();
  }

  private build(
    page: Document,
    tree: Tree,
    counter: { next: number },
    after: (() => void)[],
  ): Node {
    const number = counter.next++;
    if (!Array.isArray(tree)) {
      const node = typeof tree === "string" ? page.createTextNode(tree) : hiddenText(page, tree);
      this.keep(number, node);
      return node;
    }
    const [tag, attributes, nodes, extra = {}] = tree;
    const element = createElement(page, tag, extra);
    this.keep(number, element);
    for (const name in attributes || {}) {
      this.setAttribute(element, name, (attributes as Record<string, string>)[name] as string);
    }
    if (extra.shadow) {
      const number = counter.next++;
      const shadow = attachShadow(element, !!extra.shadow.manual);
      this.keep(number, shadow);
      for (const child of extra.shadow.nodes) {
        shadow.append(this.build(page, child, counter, after));
      }
      const { adopted } = extra.shadow;
      this.adopt(shadow, adopted);
    }
    if (extra.frame) this.frame(element, extra.frame, counter, after);
    for (const child of nodes || []) element.append(this.build(page, child, counter, after));
    this.furnish(element, extra, after);
    return element;
  }

  private furnish(element: Element, extra: Extra, after: (() => void)[]): void {
    const { css, natural, size, field } = extra;
    if (css) this.setCss(element, css);
    if (natural) setNatural(element, ...natural);
    if (size) holdSize(element as HTMLElement, ...size);
    // Options have to be there, and radio buttons among their likes.
    if (field) after.push(() => setField(element, field));
  }

  /** A frame has a document once it is part of one; its numbers are taken at once. */
  private frame(
    element: Element,
    frame: FrameDocument,
    counter: { next: number },
    after: (() => void)[],
  ): void {
    const number = counter.next;
    counter.next += 1 + count(frame.nodes);
    after.push(() => {
      const inner = (element as HTMLIFrameElement).contentDocument;
      if (!inner) return;
      empty(inner, frame.doctype);
      this.keep(number, inner);
      this.adopt(inner, frame.adopted);
      this.add(number, 0, number + 1, frame.nodes);
    });
  }

  private remove(number: number): void {
    const node = this.nodes.get(number);
    if (!node) return;
    node.parentNode?.removeChild(node);
    const left: Node[] = [node];
    for (let at = left.pop(); at; at = left.pop()) {
      const gone = this.numbers.get(at) ?? 0;
      this.nodes.delete(gone);
      this.inFrames.delete(gone);
      left.push(...at.childNodes);
      const { shadowRoot, contentDocument } = at as HTMLIFrameElement;
      if (shadowRoot) left.push(shadowRoot);
      if (contentDocument) left.push(contentDocument);
    }
  }

  private text(number: number, text: string | Hidden): void {
    const node = this.nodes.get(number);
    if (!node?.parentNode) return;
    if (typeof text === "string" && node.nodeType === Node.TEXT_NODE) {
      (node as Text).data = text;
      return;
    }
    const page = node.ownerDocument as Document;
    const fresh = typeof text === "string" ? page.createTextNode(text) : hiddenText(page, text);
    node.parentNode.replaceChild(fresh, node);
    this.keep(number, fresh);
  }

  private setAttribute(element: Element, name: string, value: string | null): void {
    if (value === null && !(name === "style" && held.has(element))) {
      element.removeAttribute(name);
      return;
    }
    const shown = this.attributeValue(element, name, value ?? "");
    if (shown === undefined) return;
    if (name === "src") element.removeAttribute("srcset"); // ours, for the file before
    try {
      const namespace = PREFIXES[name.slice(0, name.indexOf(":") + 1)];
      if (namespace) element.setAttributeNS(namespace, name, shown);
      else element.setAttribute(name, shown);
      const kept = name === "style" && held.get(element);
      if (kept) hold(element as HTMLElement, kept);
    } catch {
      // a name that only the parser can make
    }
  }

  /** Undefined for what the copy must not have. */
  private attributeValue(element: Element, name: string, value: string): string | undefined {
    const { localName } = element;
    if (FILES.test(`${localName} ${name}`)) {
      const isOwn = /^data:(?:image\/|,$)/.test(value) || value.startsWith("#");
      return isOwn ? value : this.shared.styles.address(value);
    }
    if (NEVER.test(name) || (REFERENCE.test(name) && !value.startsWith("#"))) return undefined;
    return value.includes("asset:") ? this.shared.styles.shown(value) : value;
  }

  /** The rules of a style element. */
  private setCss(element: Element, text: string): void {
    const written = (this.written.get(element) ?? 0) + 1;
    this.written.set(element, written);
    element.textContent = this.shared.styles.text(text, (whole) => {
      if (this.written.get(element) === written) element.textContent = whole;
    });
  }

  /** A root's adopted sheets, behind our own rules. */
  private adopt(root: Node | undefined, texts: readonly string[]): void {
    adopt(root, [ownRules(this.bars), ...texts.map((text) => this.shared.styles.shown(text))]);
  }

  private withElement(number: number, act: (element: Element) => void): void {
    const node = this.nodes.get(number);
    if (isElement(node)) act(node);
  }

  // -- what is not in the tree -----------------------------------------------------------------

  private scroll(number: number, left: number, top: number): void {
    const node = this.nodes.get(number);
    const box = (node as Document | undefined)?.defaultView ?? (node as Element | undefined);
    box?.scrollTo?.({ left, top, behavior: "instant" });
  }

  /** What a frame of another origin shows is a tree of its own. */
  private inFrame(number: number, ops: readonly Op[]): void {
    const iframe = this.nodes.get(number) as HTMLIFrameElement | undefined;
    if (!iframe?.contentDocument) return;
    let tree = this.inFrames.get(number);
    if (!tree) {
      tree = new PageTree(iframe, this.shared, {
        size: () => {},
        complete: () => {},
        hidden: () => iframe.contentDocument?.documentElement?.remove(),
        mouse: (x, y) => {
          const { left, top } = iframe.getBoundingClientRect();
          this.handlers.mouse(x + left + iframe.clientLeft, y + top + iframe.clientTop);
          this.mark("hover", this.chain(number));
        },
      });
      this.inFrames.set(number, tree);
    }
    for (const op of ops) {
      // Its first word is a keyframe.
      if (!tree.isStarted && op[0] !== "start" && op[0] !== "hidden") continue;
      try {
        tree.run(op);
      } catch {
        // Another site's page has said it: what it breaks is its own.
      }
    }
  }

  private setPicture(element: HTMLElement, name: string): void {
    const address = this.shared.styles.address(name);
    if (!address) return;
    if (element.localName === "video") element.setAttribute("poster", address);
    // Scripts are off, so no canvas has pixels of its own here.
    else if (element.localName === "canvas") hold(element, { content: `url("${address}")` });
  }

  private highlight(number: number, name: string, spans: [Point, Point][]): void {
    const page = this.nodes.get(number) as Document | undefined;
    const view = page?.defaultView as (Window & typeof globalThis) | null | undefined;
    if (!page || !view) return;
    const ranges = spans.map(([from, to]) => {
      const range = page.createRange();
      this.setEdge(range, "Start", from);
      this.setEdge(range, "End", to);
      return range;
    });
    if (name === SELECTION) {
      const selection = view.getSelection();
      selection?.removeAllRanges();
      if (ranges[0]) selection?.addRange(ranges[0]);
      return;
    }
    const registry = view.CSS.highlights;
    if (ranges.length) registry?.set(name, new view.Highlight(...ranges));
    else registry?.delete(name);
  }

  private setEdge(range: Range, edge: "Start" | "End", [number, offset]: Point): void {
    const node = this.nodes.get(number);
    if (!node?.parentNode) return;
    if (offset === AFTER) range[`set${edge}After`](node);
    else if (offset === BEFORE || node.nodeType !== Node.TEXT_NODE) range[`set${edge}Before`](node);
    else range[`set${edge}`](node, Math.min(offset, (node as Text).length));
  }

  /** An element and all around it, out of shadow trees and frames. */
  private chain(number: number): Element[] {
    const chain: Element[] = [];
    for (let node = this.nodes.get(number) ?? null; node; node = around(node)) {
      if (isElement(node)) chain.push(node);
    }
    return chain;
  }

  /** Exactly these have it now. */
  private mark(name: string, elements: Element[]): void {
    const attribute = MARK + name;
    if (!/^[\w-]+$/.test(name)) return;
    for (const element of this.marks.get(name) ?? []) {
      if (!elements.includes(element)) element.removeAttribute(attribute);
    }
    for (const element of elements) {
      if (!element.hasAttribute(attribute)) element.setAttribute(attribute, "");
    }
    this.marks.set(name, elements);
  }
}
