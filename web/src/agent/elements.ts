// What a copy's documents and elements are made of.
import {
  type ElementTree,
  type Extra,
  type Field,
  type Hidden,
  NAMESPACES,
  type Tree,
} from "../ops";
import { HIDDEN_LINE, HIDDEN_TEXT } from "./ownrules";

/** Of hidden text that the visitor does not see either. */
const UNKNOWN_WIDTH = 48;

export function isElement(node: Node | undefined): node is Element {
  return node?.nodeType === Node.ELEMENT_NODE;
}

/** Modal dialogs and popovers are shown as such: nothing else puts them above everything. */
export function setTop(element: HTMLDialogElement, top: string): void {
  try {
    if (top === "modal") {
      element.close();
      element.inert = true; // else it would take the agent's focus
      element.showModal();
    } else if (top === "popover") {
      element.popover = "manual"; // none closes another: the visitor's page has said which are open
      element.showPopover();
    } else {
      if (element.matches(":modal")) {
        element.open = true; // without it a dialog takes itself for closed, and stays where it is
        element.close();
      }
      if (element.matches(":popover-open")) element.hidePopover();
    }
  } catch {
    // an element that can be no such thing
  }
}

/** The parent, over the edges of shadow trees and frames. */
export function around(node: Node): Node | null {
  if (node.parentNode) return node.parentNode;
  return node.nodeType === Node.DOCUMENT_FRAGMENT_NODE
    ? (node as ShadowRoot).host
    : ((node as Document).defaultView?.frameElement ?? null);
}

export function count(trees: readonly Tree[]): number {
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

export function emptyFrame(page: Document): HTMLIFrameElement {
  const frame = page.createElement("iframe");
  frame.setAttribute("sandbox", "allow-same-origin");
  return frame;
}

/** A document with a doctype, which gives it its layout mode, and our own rules. */
export function empty(page: Document, doctype: string): void {
  page.open();
  page.write(/^<!DOCTYPE [^<>]*>$/.test(doctype) ? doctype : "");
  page.close();
  page.documentElement?.remove();
  // The agent's Escape is about the viewer.
  page.addEventListener("cancel", (event) => event.preventDefault(), true);
  page.addEventListener("load", ({ target }) => setDensity(target as Element), true);
  page.addEventListener("error", ({ target }) => setMissing(target as Element), true);
}

export function createElement(page: Document, tag: string, { ns, frame, css }: Extra): Element {
  // A frameset lays out none but these. What is in them is sandboxed with the page around.
  if (!ns && tag === "frame") return page.createElement("frame");
  if (frame || (!ns && tag === "iframe")) return emptyFrame(page);
  // Rules come as text; a link would want to fetch them.
  if (css !== undefined || (!ns && tag === "link")) return page.createElement("style");
  try {
    return page.createElementNS(NAMESPACES[ns ?? "html"], tag);
  } catch {
    return page.createElement("cobrowse-unknown"); // a name that only the parser can make
  }
}

export function attachShadow(element: Element, manual: boolean): ShadowRoot | DocumentFragment {
  try {
    const slotAssignment = manual ? "manual" : "named";
    return element.shadowRoot ?? element.attachShadow({ mode: "open", slotAssignment });
  } catch {
    return document.createDocumentFragment();
  }
}

export function adopt(root: Node | undefined, texts: readonly string[]): void {
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

export function hiddenText(page: Document, { widths, pre }: Hidden): Node {
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

export function setField(element: Element, { v, c, i, s }: Field): void {
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
export function setNatural(element: Element, width: number, height: number): void {
  naturals.set(element, [width, height]);
  if (element.localName === "canvas") {
    hold(element as HTMLElement, { content: `url("${drawing(width, height, "")}")` });
    return;
  }
  const name = element.localName === "video" ? "poster" : "src";
  if (!element.hasAttribute(name)) element.setAttribute(name, drawing(width, height, ""));
}

const MISSING = "image not available";

/** Of several files for screens of several densities, the one that is here may be larger than it looks. */
function setDensity(element: Element): void {
  const [width] = naturals.get(element) ?? [0];
  const { localName, naturalWidth, src, srcset } = element as HTMLImageElement;
  if (localName !== "img" || !width || !naturalWidth) return;
  const known = Number(/ ([\d.]+)x$/.exec(srcset)?.[1] ?? 1);
  const density = (naturalWidth * known) / width;
  if (Math.abs(density / known - 1) > 0.01) element.setAttribute("srcset", `${src} ${density}x`);
}

/** What cannot be shown says so, where it has the room. */
export function setMissing(element: Element): void {
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

export function drawing(width: number, height: number, content: string): string {
  const size = `width="${Number(width)}" height="${Number(height)}"`;
  const text = `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${content}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(text)}`;
}

/** Properties that an element keeps, whatever its style attribute becomes. */
export const held = new WeakMap<Element, { [property: string]: string }>();

export function hold(element: HTMLElement, properties: { [property: string]: string }): void {
  const all = { ...held.get(element), ...properties };
  held.set(element, all);
  for (const [name, value] of Object.entries(all)) {
    element.style.setProperty(name, value, "important");
  }
}

export function holdSize(element: HTMLElement, width: number, height: number): void {
  const size = { width: `${Number(width)}px`, height: `${Number(height)}px` };
  hold(element, { "box-sizing": "border-box", ...size });
}
