// What may leave the visitor's page. Everything that is sent was let through here.

import { HTML } from "../ops";
import type { Rules } from "../wire";
import { matchesAddress } from "./address";
import { withoutAddresses, withoutWords } from "./css";
import {
  all,
  around,
  attribute,
  closest,
  designMode,
  isElement,
  localName,
  matches,
  namespaceOf,
  parentNode,
  shadowOf,
} from "./dom";
import { looksLikeCard, Secrets } from "./secrets";

/** Stands for any hidden value, so that its length tells nothing. */
const MASK = "••••••••";
/** Characters of an editor that are looked through for a card number. */
const MAX_EDITOR = 20_000;
const MARKED = ".glance_masked,[glance_masked]:not([glance_masked=false i])";
const ALWAYS = "input[type=hidden i],input[type=file i]";
const FIELDS =
  "input,textarea,select,option,optgroup,datalist,output,progress,meter," +
  "[role=textbox],[role=searchbox],[role=combobox],[role=spinbutton],[role=slider]";
const EDITABLE =
  "[contenteditable]:not([contenteditable=false i]),[style*=user-modify i]:not([style*=read-only i])";

/** What says nothing and is needed to look the same. Of a hidden element only this leaves. */
const SHAPE = names(`dir hidden disabled readonly required open multiple rows cols size width height
  colspan rowspan span align valign border cellpadding cellspacing nowrap wrap type inert part
  contenteditable reversed start clear noshade hspace vspace frameborder scrolling popover`);
/** Of an element that is shown, this leaves too. */
const PLAIN = names(`title alt placeholder label lang role translate spellcheck bgcolor color face
  background-color min max step value low high optimum kind media rel name usemap shape coords ismap
  controls loop muted playsinline datetime abbr scope headers exportparts is maxlength minlength
  checked selected char charoff compact axis summary rules frame marginwidth marginheight text link
  alink vlink for tabindex accesskey draggable inputmode enterkeyhint list pattern`);
/** Addresses and code: they stay whatever a style sheet says about them. */
const NEVER =
  names(`src srcset srcdoc data action formaction poster background ping cite longdesc manifest
  codebase classid archive profile content nonce integrity imagesrcset lowsrc dynsrc href
  definitionurl`);
/** Form elements keep their values in properties, where a stale attribute would leak or lie. */
const STATEFUL = names("value checked selected");
const HAS_VALUE = names("input textarea select option button param data");
const REFERENCE = names("href xlink:href");
/** What programs keep on elements for themselves. */
const STATE = /^(?:data-|x-|v-|ng-|[:@#*_([])/;
/** The values that an animation gives to another attribute, perhaps an address. */
const ANIMATED = names("to from by values");

/** Of hidden drawings: where and how large, in numbers. */
const GEOMETRY = names(`d x y x1 y1 x2 y2 cx cy r rx ry width height viewbox points transform
  preserveaspectratio offset opacity stroke-width fill stroke`);
const MEASURE =
  /^(?:[MmLlHhVvCcSsQqTtAaZzEe\d\s.,+%-]*|none|currentColor|#[\da-f]{3,8}|(?:(?:translate|rotate|scale|matrix|skew[XY])\([\d\s.,+e-]*\)\s*)+)$/;
/** Layout of a hidden element, in properties that take no names. */
const LAYOUT =
  /^(?:display|position|float|clear|top|right|bottom|left|inset.*|(?:min-|max-)?(?:width|height|inline-size|block-size)|margin.*|padding.*|border-.*(?:width|style|radius|color|collapse|spacing)|box-sizing|overflow.*|flex-(?:grow|shrink|basis|direction|wrap)|justify-.*|align-.*|order|(?:row-|column-)?gap|font-(?:size|weight|style)|line-height|text-(?:align|indent)|white-space.*|vertical-align|visibility|opacity|z-index|transform|color|background-color|letter-spacing|word-spacing|aspect-ratio|direction|writing-mode|table-layout)$/;
const KEYWORD =
  /^(?:|\d{1,5}(?:\.\d+)?%?|ltr|rtl|auto|left|right|center|top|bottom|middle|baseline|justify|hard|soft|off|true|false|plaintext-only|until-found|manual|hint|yes|no|text|search|tel|url|email|password|date|month|week|time|datetime-local|number|range|color|checkbox|radio|file|submit|image|reset|button|hidden|disabled|readonly|required|open|multiple|nowrap|inert|reversed|noshade)$/i;

/** What a style rule is about, as far as hiding goes. */
export type About = "hidden" | "shown" | "nothing";

function names(text: string): Set<string> {
  return new Set(text.split(/\s+/));
}

export class Privacy {
  /** Elements that the rules themselves name, without what is in them. */
  readonly selector: string;
  /** Whether an element can become hidden by what happens elsewhere in the page. */
  readonly dependsOnOthers: boolean;
  readonly secrets: Secrets;
  private readonly hidden = new WeakSet<Element>();
  private readonly knownNames = new Map<string, boolean>();
  private readonly slots = new Map<string, number>();
  private sheets: string[] = [];
  /** Names that were held back and have a meaning since: "." or "#" or "[", and the name. */
  readonly news: string[] = [];

  constructor(
    readonly rules: Rules,
    passwords: WeakSet<Node>,
    private readonly closed: WeakMap<Element, ShadowRoot>,
  ) {
    this.secrets = new Secrets(passwords);
    this.hidesWords = rules.mask !== "none" || rules.selectors.length > 0 || isMarked(document);
    const own = rules.selectors.filter(isSelector);
    const parts = [MARKED, ALWAYS, ...own];
    if (rules.mask === "inputs") parts.push(FIELDS, EDITABLE);
    this.selector = parts.join(",");
    this.dependsOnOthers = own.some((selector) => /[\s>+~:]/.test(selector.trim()));
    // A rule that this browser does not understand may not be let fall: then everything is hidden.
    if (own.length < rules.selectors.length) this.rules = { ...rules, mask: "text" };
  }

  /** Whether words that style sheets put into the page may belong to something hidden. */
  hidesWords: boolean;
  /** Words have left before that was so: the page must be sent afresh. */
  isLate = false;

  /** Whether a page at this address is hidden whole. */
  hidesPage(address: string): boolean {
    return this.rules.pages.some((pattern) => matchesAddress(pattern, address));
  }

  /** Whether the title is hidden, by a rule of its own or as an element. */
  hidesTitle(): boolean {
    if (this.rules.title || this.rules.mask === "text") return true;
    const title = all(document, "title")[0];
    return !!title && !!closest(title, this.selector);
  }

  // -- elements --------------------------------------------------------------------------------

  /** Decide about an element. insideHidden: whether what it is in is hidden. */
  decide(element: Element, insideHidden: boolean): boolean {
    const hidden = insideHidden || this.isNamed(element) || this.isSlottedIntoHidden(element);
    if (hidden && !this.hidesWords && matches(element, MARKED)) {
      this.hidesWords = this.isLate = true;
    }
    if (hidden) this.hidden.add(element);
    else this.hidden.delete(element);
    return hidden;
  }

  /** As it was decided. */
  isHidden(element: Element | null): boolean {
    return this.rules.mask === "text" || (!!element && this.hidden.has(element));
  }

  /** Whether what is directly in this node is hidden, as decided for the element around. */
  hidesInside(parent: Node): boolean {
    if (this.rules.mask === "text") return true;
    if (isElement(parent)) return this.hidden.has(parent);
    return parent !== document && this.hidesAround(parent);
  }

  /** Whether what a node is in is hidden. A document that came out of nowhere is. */
  private hidesAround(node: Node): boolean {
    const outside = around(node);
    return outside ? this.hidden.has(outside) : node.ownerDocument !== document;
  }

  /** Whether a child of a shadow tree's host is shown in a slot that is hidden. */
  isSlottedIntoHidden(node: Node): boolean {
    const host = parentNode(node);
    const root = host && isElement(host) && shadowOf(host, this.closed);
    if (!root) return false;
    const name = isElement(node) ? (attribute(node, "slot") ?? "") : "";
    const slot = this.slotIn(root, name);
    return !!slot && this.hidden.has(slot);
  }

  private slotIn(root: ShadowRoot, name: string): Element | undefined {
    return all(
      root,
      name ? `slot[name="${CSS.escape(name)}"]` : "slot:not([name]),slot[name='']",
    )[0];
  }

  /** Whether a change of an attribute has changed what was decided for the element. */
  isStale(element: Element): boolean {
    const now =
      this.hidesAround(element) || this.isNamed(element) || this.isSlottedIntoHidden(element);
    return now !== this.hidden.has(element);
  }

  private isNamed(element: Element): boolean {
    if (this.rules.mask === "text") return true;
    return (
      this.secrets.isSecret(element) ||
      matches(element, this.selector) ||
      (this.rules.mask === "inputs" && localName(element) === "html" && isDesigned(element))
    );
  }

  /** Someone writes into this: whatever made it editable, it is a field. True if it was not one. */
  isNewField(element: Element): boolean {
    if (this.rules.mask !== "inputs" || this.hidden.has(element)) return false;
    this.secrets.add(element);
    return true;
  }

  // -- values ----------------------------------------------------------------------------------

  /** What stands for a field's value. */
  value(field: Element, value: string): string {
    if (!value) return value;
    if (this.isHidden(field)) return MASK;
    return looksLikeCard(value) ? MASK : value;
  }

  /** A text that is not hidden by where it stands. */
  text(text: Text): string {
    const { data } = text;
    if (!/\p{Nd}/u.test(data) || !text.parentElement?.isContentEditable) return data;
    // A number may be spread over several elements.
    const whole = editorAround(text.parentElement).textContent ?? "";
    return looksLikeCard(whole.length > MAX_EDITOR ? data : whole) ? MASK : data;
  }

  /** What stands for an attribute; undefined for what does not leave. */
  attribute(element: Element, name: string, value: string): string | undefined {
    const hidden = this.isHidden(element);
    const tag = localName(element);
    switch (name) {
      case "style":
        return hidden ? shapeOnly(element) : this.inlineStyle(value);
      case "class":
        return hidden ? this.knownTokens(value, ".") : value;
      case "id":
        return hidden ? this.knownTokens(value, "#") || undefined : value;
      case "slot":
        return this.slotName(value, this.slotOf(element, value) ?? element);
      case "name":
        if (tag === "slot") return this.slotName(value, element);
    }
    if (namespaceOf(element) === HTML && name === "href" && (tag === "a" || tag === "area"))
      return "#"; // :any-link
    if (
      name.startsWith("on") ||
      (NEVER.has(name.toLowerCase()) && !(namespaceOf(element) !== HTML && REFERENCE.has(name))) ||
      tag === "script" ||
      tag === "meta" ||
      tag === "base"
    )
      return undefined;
    if (namespaceOf(element) !== HTML) return this.foreign(name, value, hidden);
    if (SHAPE.has(name)) return !hidden || KEYWORD.test(value) ? value : undefined;
    if (hidden) return undefined;
    if (STATEFUL.has(name) && (HAS_VALUE.has(tag) || tag.includes("-"))) return undefined;
    if (PLAIN.has(name) || name.startsWith("aria-")) {
      return HAS_VALUE.has(tag) ? this.value(element, value) : value;
    }
    return this.isKnown(name, "[") ? value : undefined;
  }

  /** The slot of this name that an element's content is shown in. */
  private slotOf(element: Element, name: string): Element | undefined {
    const host = around(element);
    const root = host && shadowOf(host, this.closed);
    return (root && this.slotIn(root, name)) || undefined;
  }

  /** The name of a hidden slot: another word, and the same for what belongs into it. */
  private slotName(name: string, slot: Element): string {
    if (!this.isHidden(slot)) return name;
    const number = this.slots.get(name) ?? this.slots.size;
    this.slots.set(name, number);
    return `slot-${number}`;
  }

  private inlineStyle(value: string): string {
    return this.hidesWords ? withoutWords(value) : withoutAddresses(value);
  }

  private foreign(name: string, value: string, hidden: boolean): string | undefined {
    if (REFERENCE.has(name)) return !hidden && value.startsWith("#") ? value : undefined;
    if (hidden) return GEOMETRY.has(name.toLowerCase()) && MEASURE.test(value) ? value : undefined;
    if (STATE.test(name) && !this.isKnown(name, "[")) return undefined;
    if (ANIMATED.has(name) && /[:/?]/.test(value)) return undefined;
    return withoutAddresses(value);
  }

  // -- style sheets ----------------------------------------------------------------------------

  /** A sheet's text has been sent, and with it the names in it. */
  learn(text: string): void {
    if (!text) return;
    this.sheets.push(text);
    for (const [key, known] of this.knownNames) {
      if (known || !mentions(text, key)) continue;
      this.knownNames.set(key, true);
      this.news.push(key);
    }
  }

  forgetSheets(): void {
    this.sheets = [];
    this.knownNames.clear();
    this.news.length = 0;
  }

  /** What a rule of a root's sheet is about. */
  subject(selector: string, root: Document | ShadowRoot | undefined): About {
    if (this.rules.mask === "text") return "hidden";
    if (!root || /&|:scope|::part|::slotted|:host/.test(selector)) return "nothing";
    const outside = around(root);
    if (outside && this.hidden.has(outside)) return "hidden";
    if (root === document && /^(?::root|html|body|\*)$/.test(selector.trim())) return "shown";
    try {
      const found = all(root, selector.replace(/::[\w-]+(?:\([^)]*\))?/g, ""));
      const isHidden = (element: Element) =>
        this.hidden.has(element) || closest(element, this.selector);
      if (found.length === 0) return "nothing";
      return [...found].some(isHidden) ? "hidden" : "shown";
    } catch {
      return "nothing";
    }
  }

  private knownTokens(value: string, sign: "." | "#"): string {
    const tokens = value.split(/\s+/).filter((token) => token && this.isKnown(token, sign));
    return tokens.join(" ");
  }

  /** Whether a style sheet speaks of this name: otherwise it cannot matter to the copy. */
  private isKnown(name: string, sign: string): boolean {
    const key = sign + name;
    let known = this.knownNames.get(key);
    if (known === undefined) {
      known = this.sheets.some((text) => mentions(text, key));
      this.knownNames.set(key, known);
    }
    return known;
  }
}

/** Whether a sheet's text has a class (.), an id (#) or an attribute ([) of this name. */
function mentions(text: string, key: string): boolean {
  const name = key.slice(1);
  if (key.startsWith("[") && hasWord(text, `attr(${name}`)) return true;
  return hasWord(text, key.charAt(0) + CSS.escape(name));
}

/** Whether a text has this, and no name goes on behind it. */
function hasWord(text: string, wanted: string): boolean {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    if (!/[\w\\-]/.test(text.charAt(at + wanted.length))) return true;
  }
  return false;
}

/** Of an inline style, as the browser has read it, what gives shape and says nothing. */
function shapeOnly(element: Element): string {
  const { style } = element as HTMLElement;
  const out: string[] = [];
  for (let at = 0; at < style.length; at++) {
    const name = style[at] as string;
    const value = style.getPropertyValue(name);
    if (!LAYOUT.test(name) || /url\(|var\(|--|["'\\]/i.test(value)) continue;
    const important = style.getPropertyPriority(name);
    out.push(`${name}: ${value}${important ? " !important" : ""}`);
  }
  return out.join("; ");
}

/** The outermost element that is written into together with this one. */
function editorAround(element: HTMLElement): HTMLElement {
  let outermost = element;
  while (outermost.parentElement?.isContentEditable) outermost = outermost.parentElement;
  return outermost;
}

/** Whether a document's root element belongs to a page that is one editor. */
function isDesigned(root: Element): boolean {
  return designMode(root.ownerDocument) === "on";
}

function isMarked(page: Document): boolean {
  return !!page.querySelector(MARKED);
}

function isSelector(selector: string): boolean {
  try {
    // What is left open, a bracket or a comment, would swallow the selectors behind it.
    return document.createElement("a").matches(`${selector},a`);
  } catch {
    return false;
  }
}
