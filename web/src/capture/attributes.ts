// What may leave of an element's attributes.
import { HTML } from "../ops";
import { withAddresses, withoutWords } from "./css";
import { baseOf, localName, namespaceOf } from "./dom";
import type { Privacy } from "./privacy";

/** What says nothing and is needed to look the same. Of a hidden element only this leaves. */
const SHAPE = names(`dir hidden disabled readonly required open multiple rows cols size width height
  colspan rowspan span align valign border cellpadding cellspacing nowrap wrap type inert part
  contenteditable reversed start clear noshade hspace vspace frameborder scrolling popover`);
/** Of an element that is shown, this leaves too. */
const PLAIN = names(`title alt placeholder label lang role translate spellcheck bgcolor color face
  background-color min max step value low high optimum kind media rel name usemap shape coords ismap
  controls loop muted playsinline datetime abbr scope headers exportparts is maxlength minlength
  checked selected char charoff compact axis summary rules frame marginwidth marginheight text link
  alink vlink for tabindex accesskey draggable inputmode enterkeyhint list pattern
  behavior direction scrollamount scrolldelay truespeed`);
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
/** Elements that show a file from the first, beside images, and the attribute that names it. */
const SHOWN: { [tag: string]: string } = { video: "poster", input: "src" };
/** Foreign elements that show what they refer to. */
const DRAWN = names("image use feImage");
/** Elements that do nothing in the copy. */
const IDLE = names("script meta base");

/** Attributes with a way of their own, by name. */
const OWN: { [name: string]: (look: Look) => string | undefined } = {
  style: ({ element, value, hidden, privacy }) => {
    if (hidden) return shapeOnly(element);
    const lead = privacy.lead(baseOf(element));
    return privacy.hidesWords ? withoutWords(value, lead) : withAddresses(value, lead);
  },
  class: ({ value, hidden, privacy }) => (hidden ? privacy.knownTokens(value, ".") : value),
  id: ({ value, hidden, privacy }) =>
    hidden ? privacy.knownTokens(value, "#") || undefined : value,
  slot: ({ element, value, privacy }) =>
    privacy.slotName(value, privacy.slotOf(element, value) ?? element),
};

interface Look {
  element: Element;
  tag: string;
  name: string;
  value: string;
  hidden: boolean;
  privacy: Privacy;
}

/** What stands for an attribute; undefined for what does not leave. */
export function shownAttribute(
  element: Element,
  name: string,
  value: string,
  privacy: Privacy,
): string | undefined {
  const tag = localName(element);
  const look: Look = { element, tag, name, value, hidden: privacy.isHidden(element), privacy };
  if (Object.hasOwn(OWN, name)) return OWN[name]?.(look);
  if (name.startsWith("on") || IDLE.has(tag)) return undefined;
  return namespaceOf(element) === HTML ? ofHtml(look) : ofForeign(look);
}

function ofHtml({ element, tag, name, value, hidden, privacy }: Look): string | undefined {
  if (name === "name" && tag === "slot") return privacy.slotName(value, element);
  if (name === "href" && (tag === "a" || tag === "area")) return "#"; // :any-link
  if (name === SHOWN[tag] || name === "background") {
    return hidden || !value ? undefined : privacy.lead(baseOf(element))(value);
  }
  if (NEVER.has(name)) return undefined;
  if (name === "media" && (tag === "style" || tag === "link")) return undefined; // it is in the rules
  if (SHAPE.has(name)) return !hidden || KEYWORD.test(value) ? value : undefined;
  if (hidden) return undefined;
  if (STATEFUL.has(name) && (HAS_VALUE.has(tag) || tag.includes("-"))) return undefined;
  if (PLAIN.has(name) || name.startsWith("aria-")) {
    return HAS_VALUE.has(tag) ? privacy.value(element, value) : value;
  }
  // What a page copies from a field to show it elsewhere.
  if (privacy.secrets.holdsSecret(value)) return undefined;
  return privacy.isKnown(name, "[") ? value : undefined;
}

/** SVG and MathML. */
function ofForeign({ element, tag, name, value, hidden, privacy }: Look): string | undefined {
  if (REFERENCE.has(name)) {
    if (hidden || (!value.startsWith("#") && !DRAWN.has(tag))) return undefined;
    return privacy.lead(baseOf(element))(value);
  }
  if (NEVER.has(name.toLowerCase())) return undefined;
  if (hidden) return GEOMETRY.has(name.toLowerCase()) && MEASURE.test(value) ? value : undefined;
  if (STATE.test(name) && !privacy.isKnown(name, "[")) return undefined;
  if (ANIMATED.has(name) && /[:/?]/.test(value)) return undefined;
  return withAddresses(value, privacy.lead(baseOf(element)));
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

function names(text: string): Set<string> {
  return new Set(text.split(/\s+/));
}
