// The agent's copy of the visitor's page. Whatever a frame says, nothing in the copy runs, asks for
// anything, or takes the agent's focus.
import { FrameDecoder } from "../codec";
import {
  DOCUMENT,
  type ElementTree,
  type Extra,
  type Field,
  type FrameDocument,
  type Hidden,
  NAMESPACES,
  type Op,
  type Tree,
} from "../ops";
import { HOVER, Styles } from "./sheets";

/** Attributes that would fetch, lead away, run, or take the focus. */
const NEVER =
  /^(?:on.*|src|srcset|srcdoc|data|action|formaction|ping|poster|background|http-equiv|content|sandbox|allow|autofocus|target|is|nonce|manifest|profile|codebase|archive|classid|lowsrc|dynsrc|imagesrcset|integrity)$/i;
/** Attributes that show a file of the session. */
const FILES =
  /^(?:img src|input src|video poster|\w+ background|(?:image|use|feImage) (?:xlink:)?href)$/;
const REFERENCE = /^(?:href|xlink:href)$/i;
const HIDDEN_TEXT = "cobrowse-hidden";
const HIDDEN_LINE = "cobrowse-line";

/** Rules that stand before the page's own. */
const OWN_RULES = `
noscript { display: none !important }
video::-webkit-media-controls { display: none !important }
${HIDDEN_TEXT} { white-space: inherit }
${HIDDEN_LINE} { display: inline-block; opacity: 0.3;
  background: linear-gradient(currentColor, currentColor) center / 100% 0.7em no-repeat }
`;
/** Of hidden text that the visitor does not see either. */
const UNKNOWN_WIDTH = 48;

export interface CopyHandlers {
  /** The visitor's viewport in CSS pixels. */
  size(width: number, height: number): void;
  /** All of a page is there. */
  complete(): void;
  /** The page is one that must not be seen. */
  hidden(): void;
}

type Parent = Document | ShadowRoot | Element;

export class Copy {
  readonly iframe: HTMLIFrameElement;
  readonly cursor: HTMLElement;
  /** Where the session's files are. */
  styles = new Styles("");
  private readonly decoder = new FrameDecoder<Op>();
  private nodes = new Map<number, Node>();
  private numbers = new WeakMap<Node, number>();
  private hovered: Element[] = [];
  /** How often a style element's text was set: what comes late for an earlier one is dropped. */
  private readonly written = new WeakMap<Element, number>();

  constructor(
    root: HTMLElement,
    private readonly handlers: CopyHandlers,
  ) {
    this.iframe = emptyFrame(document);
    this.iframe.title = "The visitor's page";
    this.iframe.inert = true;
    this.cursor = document.createElement("div");
    this.cursor.className = "cursor";
    this.cursor.hidden = true;
    const page = document.createElement("div");
    page.className = "page";
    page.append(this.iframe, this.cursor);
    root.append(page);
  }

  /** Do what a frame says. Throws for bytes that are no frame of ours. */
  apply(bytes: Uint8Array): void {
    const frame = this.decoder.decode(bytes);
    for (const op of frame?.ops ?? []) this.run(op);
  }

  private run(op: Op): void {
    switch (op[0]) {
      case "start":
        this.start(op[1].doctype);
        this.resize(op[1].width, op[1].height);
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
        this.withElement(op[1], (element) => element.append(this.styles.shown(op[2])));
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
        this.mouse(op[1], op[2], op[3]);
        break;
      case "viewport":
        this.resize(op[1], op[2]);
        break;
      case "complete":
        this.handlers.complete();
        break;
    }
  }

  // -- the tree --------------------------------------------------------------------------------

  private start(doctype: string): void {
    this.nodes = new Map();
    this.numbers = new WeakMap();
    this.hovered = [];
    const page = this.iframe.contentDocument;
    if (!page) throw new Error("the copy's frame has no document");
    empty(page, doctype);
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
      const shadow = attachShadow(element);
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
    if (size) hold(element as HTMLElement, ...size);
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
      this.nodes.delete(this.numbers.get(at) ?? 0);
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
    try {
      if (name === "xlink:href") {
        element.setAttributeNS("http://www.w3.org/1999/xlink", name, shown);
      } else {
        element.setAttribute(name, shown);
      }
      const size = name === "style" && held.get(element);
      if (size) hold(element as HTMLElement, ...size);
    } catch {
      // a name that only the parser can make
    }
  }

  /** Undefined for what the copy must not have. */
  private attributeValue(element: Element, name: string, value: string): string | undefined {
    const { localName } = element;
    if (FILES.test(`${localName} ${name}`)) {
      const isOwn = /^data:(?:image\/|,$)/.test(value) || value.startsWith("#");
      return isOwn ? value : this.styles.address(value);
    }
    if (NEVER.test(name) || (REFERENCE.test(name) && !value.startsWith("#"))) return undefined;
    return value.includes("asset:") ? this.styles.shown(value) : value;
  }

  /** The rules of a style element. */
  private setCss(element: Element, text: string): void {
    const written = (this.written.get(element) ?? 0) + 1;
    this.written.set(element, written);
    element.textContent = this.styles.text(text, (whole) => {
      if (this.written.get(element) === written) element.textContent = whole;
    });
  }

  /** A root's adopted sheets, behind our own rules. */
  private adopt(root: Node | undefined, texts: readonly string[]): void {
    adopt(root, [OWN_RULES, ...texts.map((text) => this.styles.shown(text))]);
  }

  private withElement(number: number, act: (element: Element) => void): void {
    const node = this.nodes.get(number);
    if (node?.nodeType === Node.ELEMENT_NODE) act(node as Element);
  }

  // -- what is not in the tree -----------------------------------------------------------------

  private resize(width: number, height: number): void {
    this.iframe.width = String(width);
    this.iframe.height = String(height);
    this.handlers.size(width, height);
  }

  private scroll(number: number, left: number, top: number): void {
    const node = this.nodes.get(number);
    const box = (node as Document | undefined)?.defaultView ?? (node as Element | undefined);
    box?.scrollTo?.({ left, top, behavior: "instant" });
  }

  private mouse(x: number, y: number, over: number): void {
    this.cursor.hidden = false;
    this.cursor.style.left = `${x}px`;
    this.cursor.style.top = `${y}px`;
    const chain: Element[] = [];
    for (let node = this.nodes.get(over) ?? null; node; node = around(node)) {
      if (node.nodeType === Node.ELEMENT_NODE) chain.push(node as Element);
    }
    for (const element of this.hovered) {
      if (!chain.includes(element)) element.removeAttribute(HOVER);
    }
    for (const element of chain) {
      if (!element.hasAttribute(HOVER)) element.setAttribute(HOVER, "");
    }
    this.hovered = chain;
  }
}

/** The parent, over the edges of shadow trees and frames. */
function around(node: Node): Node | null {
  const { host } = node as ShadowRoot;
  if (node.parentNode) return node.parentNode;
  return host instanceof Object && node.nodeType === Node.DOCUMENT_FRAGMENT_NODE
    ? host
    : ((node as Document).defaultView?.frameElement ?? null);
}

function count(trees: readonly Tree[]): number {
  let nodes = 0;
  for (const tree of trees) {
    nodes++;
    if (!Array.isArray(tree)) continue;
    const [, , children, extra] = tree as ElementTree;
    if (extra?.shadow) nodes += 1 + count(extra.shadow.nodes);
    if (extra?.frame) nodes += 1 + count(extra.frame.nodes);
    nodes += count(children || []);
  }
  return nodes;
}

function emptyFrame(page: Document): HTMLIFrameElement {
  const frame = page.createElement("iframe");
  frame.setAttribute("sandbox", "allow-same-origin");
  return frame;
}

/** A document with a doctype, which gives it its layout mode, and our own rules. */
function empty(page: Document, doctype: string): void {
  page.open();
  page.write(/^<!DOCTYPE [^<>]*>$/.test(doctype) ? doctype : "");
  page.close();
  page.documentElement?.remove();
  page.addEventListener("error", ({ target }) => setMissing(target as Element), true);
  adopt(page, [OWN_RULES]);
}

function createElement(page: Document, tag: string, { ns, frame, css }: Extra): Element {
  if (frame || (!ns && /^i?frame$/.test(tag))) return emptyFrame(page);
  // Rules come as text; a link would want to fetch them.
  if (css !== undefined || (!ns && tag === "link")) return page.createElement("style");
  try {
    return page.createElementNS(NAMESPACES[ns ?? "html"], tag);
  } catch {
    return page.createElement("cobrowse-unknown"); // a name that only the parser can make
  }
}

function attachShadow(element: Element): ShadowRoot | DocumentFragment {
  try {
    return element.shadowRoot ?? element.attachShadow({ mode: "open" });
  } catch {
    return document.createDocumentFragment();
  }
}

function adopt(root: Node | undefined, texts: readonly string[]): void {
  if (!root || !("adoptedStyleSheets" in root)) return;
  const page = (root.ownerDocument ?? root) as Document;
  const view = page.defaultView as (Window & typeof globalThis) | null;
  if (!view) return;
  (root as Document).adoptedStyleSheets = texts.map((text) => {
    const sheet = new view.CSSStyleSheet();
    sheet.replaceSync(text);
    return sheet;
  });
}

function hiddenText(page: Document, { widths, pre }: Hidden): Node {
  const text = page.createElement(HIDDEN_TEXT);
  for (const [at, width] of (widths.length ? widths : [UNKNOWN_WIDTH]).entries()) {
    if (at) text.append(pre ? "\n" : " ");
    const line = page.createElement(HIDDEN_LINE);
    line.style.width = `${width}px`;
    line.textContent = "\u200b"; // a character, and with it the height of a line
    text.append(line);
  }
  return text;
}

function setField(element: Element, { v, c, i, s }: Field): void {
  const field = element as HTMLInputElement;
  if (v !== undefined && field.value !== v) {
    field.value = v;
    // Some kinds of field take no mask.
    if (field.value !== v && field.type !== "color" && field.type !== "range") {
      field.type = "text";
      field.value = v;
    }
  }
  if (c !== undefined) field.checked = !!c;
  if (i !== undefined) field.indeterminate = !!i;
  if (s) {
    const { options } = element as HTMLSelectElement;
    for (let at = 0; at < options.length; at++)
      (options[at] as HTMLOptionElement).selected = s.includes(at);
    if (!s.length) (element as HTMLSelectElement).selectedIndex = -1;
  }
}

const naturals = new WeakMap<Element, [width: number, height: number]>();

/** A picture of the right size while the right one is not there. */
function setNatural(element: Element, width: number, height: number): void {
  naturals.set(element, [width, height]);
  const name = element.localName === "video" ? "poster" : "src";
  if (!element.hasAttribute(name)) element.setAttribute(name, drawing(width, height, ""));
}

const MISSING = "image not available";

/** What cannot be shown says so, where it has the room. */
function setMissing(element: Element): void {
  const natural = naturals.get(element);
  const shown = element.getAttribute("src");
  if (!natural || !shown || shown.startsWith("data:")) return;
  const [width, height] = natural;
  const label = `<title>${MISSING}</title>
    <rect width="100%" height="100%" fill="#8884" stroke="#888" stroke-dasharray="4"/>
    <text x="50%" y="50%" font-family="sans-serif" font-size="12" fill="#555" text-anchor="middle"
    dominant-baseline="middle">${width > 120 && height > 16 ? MISSING : ""}</text>`;
  element.setAttribute("src", drawing(width, height, label));
}

function drawing(width: number, height: number, content: string): string {
  const size = `width="${Number(width)}" height="${Number(height)}"`;
  const text = `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${content}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(text)}`;
}

/** Elements whose size is held, whatever their style attribute becomes. */
const held = new WeakMap<Element, [width: number, height: number]>();

function hold(element: HTMLElement, width: number, height: number): void {
  held.set(element, [width, height]);
  element.style.setProperty("box-sizing", "border-box", "important");
  element.style.setProperty("width", `${Number(width)}px`, "important");
  element.style.setProperty("height", `${Number(height)}px`, "important");
}
