// Ways into the DOM that a page cannot bend: a form's fields may be named "attributes" or "parentNode",
// and libraries put their own methods on the prototypes.

type Getter<Of, Value> = (node: Of) => Value;

function getter<Of, Value>(prototype: object, name: string): Getter<Of, Value> {
  const native = Object.getOwnPropertyDescriptor(prototype, name)?.get as () => Value;
  return (node) => native.call(node as never);
}

export const firstChild = getter<Node, ChildNode | null>(Node.prototype, "firstChild");
export const lastChild = getter<Node, ChildNode | null>(Node.prototype, "lastChild");
export const nextSibling = getter<Node, ChildNode | null>(Node.prototype, "nextSibling");
export const previousSibling = getter<Node, ChildNode | null>(Node.prototype, "previousSibling");
export const parentNode = getter<Node, ParentNode | null>(Node.prototype, "parentNode");
export const nodeType = getter<Node, number>(Node.prototype, "nodeType");
export const isConnected = getter<Node, boolean>(Node.prototype, "isConnected");
export const localName = getter<Element, string>(Element.prototype, "localName");
export const namespaceOf = getter<Element, string | null>(Element.prototype, "namespaceURI");
export const baseOf = getter<Node, string>(Node.prototype, "baseURI");
export const scrollLeft = getter<Element, number>(Element.prototype, "scrollLeft");
export const scrollTop = getter<Element, number>(Element.prototype, "scrollTop");
export const documentElement = getter<Document, Element | null>(
  Document.prototype,
  "documentElement",
);
export const documentTitle = getter<Document, string>(Document.prototype, "title");
const activeInDocument = getter<Document, Element | null>(Document.prototype, "activeElement");
const activeInShadow = getter<ShadowRoot, Element | null>(ShadowRoot.prototype, "activeElement");

export function activeElement(root: Document | ShadowRoot): Element | null {
  return nodeType(root) === DOCUMENT_NODE
    ? activeInDocument(root as Document)
    : activeInShadow(root as ShadowRoot);
}

export const designMode = getter<Document, string>(Document.prototype, "designMode");
const openShadow = getter<Element, ShadowRoot | null>(Element.prototype, "shadowRoot");
const nativeMatches = Element.prototype.matches;
const nativeClosest = Element.prototype.closest;
const nativeNames = Element.prototype.getAttributeNames;
const nativeHas = Element.prototype.hasAttributes;
const nativeGet = Element.prototype.getAttribute;

/** Names and values by text: to ask for the Attr nodes would make them, and they stay. */
export function attributeNames(element: Element): string[] {
  return nativeNames.call(element);
}

export function hasAttributes(element: Element): boolean {
  return nativeHas.call(element);
}

export function matches(element: Element, selector: string): boolean {
  return nativeMatches.call(element, selector);
}

export function closest(element: Element, selector: string): Element | null {
  return nativeClosest.call(element, selector);
}

export function attribute(element: Element, name: string): string | null {
  return nativeGet.call(element, name);
}

const allInDocument = Document.prototype.querySelectorAll;
const allInFragment = DocumentFragment.prototype.querySelectorAll;

export function all(root: Document | ShadowRoot, selector: string): NodeListOf<Element> {
  const find = nodeType(root) === DOCUMENT_NODE ? allInDocument : allInFragment;
  return find.call(root, selector) as NodeListOf<Element>;
}

const firstInDocument = Document.prototype.querySelector;

/** It is not looked for behind the first. */
export function first(doc: Document, selector: string): Element | null {
  return firstInDocument.call(doc, selector);
}

const allInElement = Element.prototype.querySelectorAll;

export function passwordsIn(place: Element | Document): NodeListOf<Element> {
  const find = isElement(place) ? allInElement : allInDocument;
  return find.call(place, "input[type=password i]") as NodeListOf<Element>;
}

const documentSheets = getter<Document, CSSStyleSheet[]>(Document.prototype, "adoptedStyleSheets");

export function adoptedSheets(root: Document | ShadowRoot): CSSStyleSheet[] {
  return nodeType(root) === DOCUMENT_NODE
    ? [...(documentSheets(root as Document) ?? [])]
    : [...(root.adoptedStyleSheets ?? [])];
}

const nativeSelection = Document.prototype.getSelection;

export function selectionOf(page: Document): Selection | null {
  return nativeSelection.call(page);
}

/** Where the focus is, through shadow trees and frames; null for nowhere. */
export function innermostFocus(closed: WeakMap<Element, ShadowRoot>): Element | null {
  let innermost: Element | null = null;
  for (let next = activeElement(document); next; ) {
    innermost = next;
    const inner: Document | ShadowRoot | null = frameDocument(next) ?? shadowOf(next, closed);
    next = inner && activeElement(inner);
  }
  return innermost && localName(innermost) !== "body" ? innermost : null;
}

const rects = Element.prototype.getClientRects;

export function isLaidOut(element: Element): boolean {
  return rects.call(element).length > 0;
}

export const ELEMENT = 1;
export const TEXT = 3;
export const CDATA = 4;
export const DOCUMENT_NODE = 9;
export const FRAGMENT = 11;

export function isElement(node: Node): node is Element {
  return nodeType(node) === ELEMENT;
}

export function isText(node: Node): node is Text {
  const type = nodeType(node);
  return type === TEXT || type === CDATA;
}

/** The shadow root of an element, a closed one too where it was attached with our knowledge. */
export function shadowOf(
  element: Element,
  closed: WeakMap<Element, ShadowRoot>,
): ShadowRoot | null {
  return openShadow(element) ?? closed.get(element) ?? null;
}

/** The element around a node, out of shadow trees and frames. */
export function around(node: Node): Element | null {
  const parent = parentNode(node);
  if (parent && isElement(parent)) return parent;
  const root = parent ?? node;
  if (nodeType(root) === FRAGMENT) return (root as ShadowRoot).host ?? null;
  return nodeType(root) === DOCUMENT_NODE ? frameAround(root as Document) : null;
}

const find = Element.prototype.querySelector;

export function holdsSlot(element: Element): boolean {
  return localName(element) === "slot" || !!find.call(element, "slot");
}

/** The host of the shadow tree that a node is in. */
export function hostAround(node: Node): Element | null {
  let root: Node = node;
  for (let parent = parentNode(root); parent; parent = parentNode(parent)) root = parent;
  return nodeType(root) === FRAGMENT ? ((root as ShadowRoot).host ?? null) : null;
}

const frames = new WeakMap<Document, Element>();

/** Remember it: a document that has left its frame no longer tells. */
export function noteFrame(inner: Document, frame: Element): void {
  frames.set(inner, frame);
}

/** The frame element that a document is or was shown in; null for the page itself. */
export function frameAround(root: Document): Element | null {
  return frames.get(root) ?? null;
}

/** The document in a frame, if it is of this origin. */
export function frameDocument(element: Element): Document | null {
  const name = localName(element);
  if (name !== "iframe" && name !== "frame") return null;
  try {
    return (element as HTMLIFrameElement).contentDocument;
  } catch {
    return null;
  }
}
