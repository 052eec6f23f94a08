// What may leave the visitor's page. Everything that is sent was let through here.

import type { Rules } from "../wire";
import { matchesAddress } from "./address";
import type { Assets, Source } from "./assets";
import type { Lead } from "./css";
import {
  all,
  around,
  attribute,
  closest,
  designMode,
  first,
  isElement,
  localName,
  matches,
  parentNode,
  shadowOf,
} from "./dom";
import type { Media } from "./media";
import { looksLikeCard, Secrets } from "./secrets";

/** Stands for any hidden value, so that its length tells nothing. */
const MASK = "••••••••";
/** Characters of an editor that are looked through for a card number. */
const MAX_EDITOR = 20_000;
/** Rules that wait for what they are about. */
const MAX_WAITING = 300;
const MARKED = ".glance_masked,[glance_masked]:not([glance_masked=false i])";
const ALWAYS = "input[type=hidden i],input[type=file i]";
const FIELDS =
  "input,textarea,select,option,optgroup,datalist,output,progress,meter," +
  "[role=textbox],[role=searchbox],[role=combobox],[role=spinbutton],[role=slider]";
const EDITABLE =
  "[contenteditable]:not([contenteditable=false i]),[style*=user-modify i]:not([style*=read-only i])";

/** What a style rule is about, as far as hiding goes. */
export type About = "hidden" | "shown" | "nothing";

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
  private waiting: [selectors: string, root: Document | ShadowRoot][] = [];
  /** Names that were held back and have a meaning since: "." or "#" or "[", and the name. */
  readonly news: string[] = [];

  constructor(
    readonly rules: Rules,
    passwords: WeakSet<Node>,
    private readonly closed: WeakMap<Element, ShadowRoot>,
    private readonly assets: Assets,
    readonly media: Media,
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
  /** Is given the text of each sheet that has left. */
  learned: (text: string) => void = () => {};
  /** Words have left before that was so: the page must be sent afresh. */
  isLate = false;

  /** Whether a page at this address is hidden whole. */
  hidesPage(address: string): boolean {
    return this.rules.pages.some((pattern) => matchesAddress(pattern, address));
  }

  /** Whether the title is hidden, by a rule of its own or as an element. */
  hidesTitle(): boolean {
    if (this.rules.title || this.rules.mask === "text") return true;
    const title = first(document, "title");
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

  /** Whether a child of a shadow tree's host is shown in a slot that is hidden, or will be. */
  isSlottedIntoHidden(node: Node): boolean {
    const host = parentNode(node);
    const root = host && isElement(host) && shadowOf(host, this.closed);
    if (!root) return false;
    const name = isElement(node) ? (attribute(node, "slot") ?? "") : "";
    const slot = this.slotIn(root, name, node);
    return (
      !!slot && (this.hidden.has(slot) || !!closest(slot, this.selector) || this.isPassedOn(slot))
    );
  }

  /** Whether a slot is shown in a hidden slot of another shadow tree itself. */
  private isPassedOn(slot: Element): boolean {
    for (let at: Node | null = slot; at && isElement(at); at = parentNode(at)) {
      if (this.isSlottedIntoHidden(at)) return true;
    }
    return false;
  }

  /** The slot of a name, "" for the one without, in a shadow tree; or to which a node is assigned. */
  private slotIn(root: ShadowRoot, name: string, node?: Node): Element | undefined {
    if (node && root.slotAssignment === "manual") {
      const slots = [...all(root, "slot")] as HTMLSlotElement[];
      return slots.find((slot) => slot.assignedNodes().includes(node as Element));
    }
    return all(
      root,
      name ? `slot[name="${CSS.escape(name)}"]` : "slot:not([name]),slot[name='']",
    )[0];
  }

  /** The name of a slot: of a hidden one another word, the same for what belongs into it. */
  slotName(name: string, slot: Element): string {
    if (!this.isHidden(slot)) return name;
    const number = this.slots.get(name) ?? this.slots.size;
    this.slots.set(name, number);
    return `slot-${number}`;
  }

  /** The slot of this name that an element is shown in. */
  slotOf(element: Element, name: string): Element | undefined {
    const host = around(element);
    const root = host && shadowOf(host, this.closed);
    return (root && this.slotIn(root, name)) || undefined;
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
    if (this.rules.mask !== "inputs" || !isElement(element) || this.hidden.has(element))
      return false;
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

  // -- addresses -------------------------------------------------------------------------------

  /** What stands for the addresses in something that is shown. base: what they are relative to. */
  lead(base: string): Lead {
    return (address) => this.assets.name(address, base);
  }

  /** What stands for the address of a file of its own. source: another way to it. */
  file(address: string, base: string, source: Source): string {
    return this.assets.name(address, base, source);
  }

  // -- style sheets ----------------------------------------------------------------------------

  /** A sheet's text has been sent, and with it the names in it. */
  learn(text: string): void {
    if (!text) return;
    this.sheets.push(text);
    this.learned(text);
    for (const [key, known] of this.knownNames) {
      if (known || !mentions(text, key)) continue;
      this.knownNames.set(key, true);
      this.news.push(key);
    }
  }

  forgetSheets(): void {
    this.sheets = [];
    this.forgetWaiting();
    this.knownNames.clear();
    this.news.length = 0;
  }

  /** A rule about nothing that is there names a file, which has not left. */
  wait(selectors: string, root: Document | ShadowRoot | undefined): undefined {
    if (root && this.waiting.length < MAX_WAITING) this.waiting.push([selectors, root]);
  }

  forgetWaiting(): void {
    this.waiting = [];
  }

  /** Whether one of those rules is about something by now. */
  hasCome(): boolean {
    return this.waiting.some(([selectors, root]) => this.subject(selectors, root) !== "nothing");
  }

  /** What a rule of a root's sheet is about. */
  subject(selectors: string, root: Document | ShadowRoot | undefined): About {
    if (this.rules.mask === "text") return "hidden";
    if (!root) return "nothing";
    const outside = around(root);
    if (outside && this.hidden.has(outside)) return "hidden";
    let about: About = "nothing";
    for (const selector of selectors.split(/,(?![^([]*[)\]])/)) {
      const one = this.subjectOfOne(selector.trim(), root);
      if (one === "hidden") return one;
      if (one === "shown") about = one;
    }
    return about;
  }

  private subjectOfOne(selector: string, root: Document | ShadowRoot): About {
    if (/&|:scope|::part|::slotted/.test(selector)) return "hidden";
    if (/^:host/.test(selector)) return root === document ? "nothing" : "shown";
    if (root === document && /^(?::root|html|body|\*)$/.test(selector)) return "shown";
    try {
      const found = all(root, selector.replace(/::[\w-]+(?:\([^)]*\))?/g, ""));
      const isHidden = (element: Element) =>
        this.hidden.has(element) || closest(element, this.selector);
      if (found.length === 0) return "nothing";
      return [...found].some(isHidden) ? "hidden" : "shown";
    } catch {
      return "hidden";
    }
  }

  /** Those of some classes or ids that a style sheet speaks of. */
  knownTokens(value: string, sign: "." | "#"): string {
    const tokens = value.split(/\s+/).filter((token) => token && this.isKnown(token, sign));
    return tokens.join(" ");
  }

  /** Whether a style sheet speaks of this name: otherwise it cannot matter to the copy. */
  isKnown(name: string, sign: string): boolean {
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
