// The text of style sheets as it may leave: without addresses, and without words that rules put into
// the page.
import { baseOf, localName } from "./dom";
import type { About, Privacy } from "./privacy";

// Unrolled: an alternation for each character would overflow the stack on a string of megabytes.
const STRING = /"[^"\\\n]*(?:\\[\s\S][^"\\\n]*)*"|'[^'\\\n]*(?:\\[\s\S][^'\\\n]*)*'/;
const STRINGS = new RegExp(STRING.source, "g");
const COMMENT = /\/\*[\s\S]*?(?:\*\/|$)/;
const OPENING = /url\(|image-set\(/i;
const TOKEN = new RegExp(
  [COMMENT, STRING, /\\[\s\S]/, OPENING].map(({ source }) => source).join("|"),
  "gi",
);
/** An escaped character: its code and the space that ends it, or the character itself. */
const ESCAPE = /\\(?:([\da-f]{1,6})\s?|[^\n])/gi;
const WORD = /[\p{L}\p{N}]/u;
const GENERIC_FONT = /(?:^|[\s,])(?:sans-serif|serif|monospace|system-ui|cursive|fantasy)\b/;
// Rules of a frame's document are of other classes than ours: their numbers are the same.
const STYLE_RULE = 1;
const IMPORT_RULE = 3;
const FONT_FACE_RULE = 5;

/** What stands for an address that a style text names; undefined: nothing does. */
export type Lead = (address: string) => string | undefined;

/** A style text with other addresses: the copy must ask the site for nothing. */
export function withAddresses(written: string, lead: Lead): string {
  const text = plainLetters(written);
  return OPENING.test(text) ? cleaned(text, lead) : written;
}

/** Without comments, with other addresses, and with other strings as word makes them. */
function cleaned(text: string, lead: Lead, word = (string: string) => string): string {
  let out = "";
  let from = 0;
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(text); found; found = TOKEN.exec(text)) {
    const [token] = found;
    out += text.slice(from, found.index);
    from = TOKEN.lastIndex;
    if (token.startsWith("/*")) {
      out += " ";
    } else if (token.endsWith("(")) {
      const isList = token.length > "url(".length;
      const end = endOfAddress(text, from, isList);
      const inside = text.slice(from, end).replace(/\)$/, "");
      out += isList ? `${token}${images(inside, lead)})` : address(inside, lead);
      from = end;
      TOKEN.lastIndex = end;
    } else {
      out += token.startsWith("\\") ? token : word(token);
    }
  }
  return out + text.slice(from);
}

/** What stands for url(), from what is between its brackets. */
function address(inside: string, lead: Lead): string {
  const written = unquoted(inside);
  const other = lead(written);
  if (other === written) return `url(${inside})`;
  return other === undefined ? "url(about:invalid)" : `url("${other.replace(/["\\\n]/g, "")}")`;
}

/** What is in image-set(): its strings are addresses, but for those that name a type. */
function images(inside: string, lead: Lead): string {
  return cleaned(inside, lead, (string) =>
    /^["']image\/[\w+.-]+["']$/.test(string) ? string : address(string, lead),
  );
}

function unquoted(inside: string): string {
  const text = inside.trim();
  return unescaped(/^["']/.test(text) ? text.slice(1, -1) : text);
}

function unescaped(text: string): string {
  return text.replace(ESCAPE, (escaped, hex: string | undefined) => {
    const code = Number.parseInt(hex ?? "", 16);
    return hex ? (code < 0x110000 ? String.fromCodePoint(code) : "") : escaped.slice(1);
  });
}

/** A style text with other addresses, and without the strings of its custom properties. */
export function withoutWords(written: string, lead: Lead): string {
  const text = withAddresses(written, lead);
  if (!text.includes("--")) return text;
  const out = split(text).map((declaration) =>
    declaration.startsWith("--") ? withoutStrings(declaration) : declaration,
  );
  return out.join("; ");
}

/** The strings of a custom property go, as any element below may show them. Names of fonts stay. */
function withoutStrings(declaration: string, lead: Lead = same): string {
  const isFont = GENERIC_FONT.test(declaration);
  return cleaned(plainLetters(declaration), lead, isFont ? undefined : withoutWord);
}

function same(address: string): string {
  return address;
}

/** Those that hold no words. */
function sayingNothing(address: string): string | undefined {
  return saysNothing(address) ? address : undefined;
}

/** Letters that are written as escapes, as letters: "u\72l(" is "url(" to browsers. */
function plainLetters(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(ESCAPE, (escaped, hex: string | undefined) => {
    const letter = hex ? String.fromCharCode(Number.parseInt(hex, 16)) : escaped.charAt(1);
    return /^[a-z]$/i.test(letter) ? letter : escaped;
  });
}

/** Whether a picture in an address holds no words: then a rule about nothing yet may keep it. */
function saysNothing(address: string): boolean {
  if (!/^data:image\/svg/i.test(address)) return true;
  try {
    const [, head = "", content = ""] = /data:([^,]*),([\s\S]*)/i.exec(address) ?? [];
    const drawing = /;\s*base64/i.test(head)
      ? atob(decodeURIComponent(content).replace(/[^\w+/]/g, ""))
      : decodeURIComponent(content);
    return !/<(?:\w+:)?(?:text|title|desc|style|foreignobject|metadata|image)|aria-|&#/i.test(
      drawing,
    );
  } catch {
    return false;
  }
}

/** The index behind the ")" that ends an address or a list of them, whatever is quoted before it. */
function endOfAddress(text: string, from: number, isList: boolean): number {
  let quote = "";
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    const character = text[at] as string;
    if (character === "\\") at++;
    else if (quote) quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === "(" && isList) depth++;
    else if (character === ")" && --depth === 0) return at + 1;
  }
  return text.length;
}

let fonts = new Set<string>();

/** Whether it is the name of a font that the page has. */
function isFont(name: string): boolean {
  const known = document.fonts as FontFaceSet | undefined;
  if (known && typeof known.forEach === "function" && known.size !== fonts.size) {
    fonts = new Set();
    known.forEach((face) => {
      fonts.add(face.family.replace(/^["']|["']$/g, ""));
    });
  }
  return fonts.has(name);
}

/** A string as it may leave where words are hidden. */
function withoutWord(string: string): string {
  const plain = unescaped(string);
  return WORD.test(plain) && !isFont(plain.slice(1, -1)) ? '"•••"' : string;
}

type Root = Document | ShadowRoot;

/** Where a sheet is. root: whose elements it is about. base: what its addresses are relative to. */
interface Place {
  root: Root | undefined;
  base: string;
}

/** An at-rule of ours, for a sheet that the page may not read: its file, and what it is relative to. */
const UNREAD = "@cobrowse-sheet";

/**
 * Rules of a sheet as text, imported sheets in their place. root: whose elements they are about, for a
 * sheet that no element owns.
 */
export function sheetText(sheet: CSSStyleSheet, privacy: Privacy, root?: Root): string {
  const owner = sheet.ownerNode;
  const base = sheet.href ?? baseOf(owner ?? root ?? document);
  let rules: CSSRuleList;
  try {
    rules = sheet.cssRules;
  } catch {
    return sheet.href ? unread(sheet.href, base, privacy) : "";
  }
  const place = { root: owner ? (owner.getRootNode() as Root) : root, base };
  const text = textOf(rules, privacy, place);
  // What browsers make of a shorthand with var() in it, next to one of its parts, says nothing.
  if (sheet.href && !privacy.hidesWords && /: ;/.test(text))
    return unread(sheet.href, base, privacy);
  return text;
}

/** For a sheet whose rules cannot be read, or not rightly: its file. */
function unread(href: string, base: string, privacy: Privacy): string {
  return `${UNREAD} "${privacy.lead(base)(href)}" "${base}";`;
}

/** Rules from a number on as text. */
export function laterRules(sheet: CSSStyleSheet, privacy: Privacy, from: number): string {
  const owner = sheet.ownerNode as Element;
  const place = { root: owner.getRootNode() as Root, base: sheet.href ?? baseOf(owner) };
  return textOf(sheet.cssRules, privacy, place, from);
}

function textOf(rules: CSSRuleList, privacy: Privacy, place: Place, from = 0): string {
  const text = privacy.media.answered(rulesText(rules, privacy, place, from));
  return withAddresses(text, privacy.lead(place.base));
}

function rulesText(rules: CSSRuleList, privacy: Privacy, place: Place, from = 0): string {
  const texts: string[] = [];
  for (let at = from; at < rules.length; at++) {
    texts.push(ruleText(rules[at] as CSSRule, privacy, place));
  }
  return texts.join("\n");
}

function ruleText(rule: CSSRule, privacy: Privacy, place: Place): string {
  if (rule.type === IMPORT_RULE) return importText(rule as CSSImportRule, privacy, place);
  const text = rule.cssText;
  // Most rules put no text into the page.
  return needsCare(text) ? carefulText(rule, text, privacy, place) : text;
}

/** Whether a rule's text has strings, addresses or custom properties in it. */
function needsCare(text: string): boolean {
  return /["'\\]|data:|--[^\s:;(){}]*\s*:|counter-/.test(text);
}

function importText(rule: CSSImportRule, privacy: Privacy, { root }: Place): string {
  if (!rule.styleSheet) return "";
  let text = sheetText(rule.styleSheet, privacy, root);
  if (rule.supportsText) text = `@supports ${rule.supportsText} {${text}}`;
  if (typeof rule.layerName === "string") text = `@layer ${rule.layerName} {${text}}`;
  const media = rule.media.mediaText;
  return media ? `@media ${media} {${text}}` : text;
}

/**
 * A rule that has strings in it. Words in `content` are hidden wherever words are hidden at all; custom
 * properties, where the rule is about something hidden or about nothing that is there; pictures, where
 * it is about something hidden, or about nothing that is there and they have words in them.
 */
function carefulText(rule: CSSRule, text: string, privacy: Privacy, place: Place): string {
  if (!privacy.hidesWords) return text;
  const nested = (rule as CSSGroupingRule).cssRules;
  if (rule.type === STYLE_RULE) {
    const style = rule as CSSStyleRule;
    const inner = nested?.length ? `\n${rulesText(nested, privacy, place)}` : "";
    let about: About | undefined;
    const subject = () => {
      about ??= subjectOf(style, privacy, place.root);
      return about;
    };
    const wait = () => privacy.wait(outermost(style).selectorText, place.root);
    return `${style.selectorText} {${declarations(style.style.cssText, subject, wait)}${inner}}`;
  }
  if (rule.type === FONT_FACE_RULE) return text;
  const { style } = rule as CSSKeyframeRule;
  if (!nested && style) {
    const declared = declarations(style.cssText, () => "hidden");
    const { keyText } = rule as CSSKeyframeRule;
    return keyText ? `${keyText} {${declared}}` : declared; // nested ones have no head
  }
  if (!nested) {
    const kept = text.replace(INITIAL, (initial) => (isMeasure(initial) ? initial : ""));
    return cleaned(plainLetters(kept), sayingNothing, withoutWord);
  }
  const head = text.slice(0, text.indexOf("{") + 1);
  if (/^@function/i.test(head)) return ""; // what it gives is no rule's
  return `${cleaned(plainLetters(head), sayingNothing, withoutWord)}\n${rulesText(nested, privacy, place)}\n}`;
}

/** Properties whose strings are names of files and fonts, not words in the page. */
/** What a registered property is at first. */
const INITIAL = /initial-value:[^;}]*/gi;
const FUNCTIONS =
  /^(?:var|calc|rgba?|hsla?|oklch|oklab|lab|lch|color|color-mix|min|max|clamp|translate[xyz3d]*|scale[xyz3d]*|rotate[xyz3d]*|skew[xy]?|matrix3?d?|cubic-bezier|steps|linear-gradient|radial-gradient|conic-gradient|blur|drop-shadow|brightness|opacity|minmax|repeat|fit-content)$/i;
const UNSEEN = /^(?:font|font-family|src|font-feature-settings|font-variation-settings|grid.*)$/;

function declarations(text: string, subject: () => About, wait?: () => undefined): string {
  const out: string[] = [];
  const lead = (address: string) => {
    const about = subject();
    if (about === "shown") return address;
    if (about === "hidden" || !saysNothing(address)) return undefined;
    // A file may show anything: it waits until it is seen what the rule is about.
    return /^(?:data:|#)/i.test(address) ? address : wait?.();
  };
  // cssText has the shorthands that reading property by property would take apart.
  for (const declaration of split(text)) {
    const name = declaration.slice(0, declaration.indexOf(":")).trim().toLowerCase();
    if (name.startsWith("--")) {
      // Of what is not there yet, words that nothing can show do no harm, and are missed when it comes.
      if (subject() !== "hidden" || isMeasure(declaration))
        out.push(withoutStrings(declaration, lead));
    } else if (name.startsWith("counter-") && LONG_NUMBER.test(declaration)) {
      if (subject() === "shown") out.push(declaration);
    } else {
      const word = UNSEEN.test(name) ? undefined : withoutWord;
      out.push(cleaned(plainLetters(declaration), lead, word));
    }
  }
  return out.join(";");
}

/** Longer than lengths and counts are: it may be somebody's. */
const LONG_NUMBER = /\d{5}/;

/** Properties whose keywords are CSS's own: what one of them takes says nothing. */
const KEYWORDS = `display position border-style flex-direction flex-wrap align-items justify-content
  text-align text-transform text-decoration-line font-weight font-style font-stretch font-variant-caps
  white-space overflow visibility cursor object-fit background-repeat background-size
  background-position box-sizing color transition-timing-function transform-origin mix-blend-mode
  resize pointer-events user-select box-shadow font-size width`.split(/\s+/);
const knownWords = new Map<string, boolean>();

function isKeyword(word: string): boolean {
  let known = knownWords.get(word);
  if (known === undefined) {
    known = KEYWORDS.some((property) => CSS.supports(property, word));
    knownWords.set(word, known);
  }
  return known;
}

/** A value of numbers, colours, references, CSS's own words and signs: it says nothing. */
function isMeasure(declaration: string): boolean {
  const value = declaration.slice(declaration.indexOf(":") + 1);
  if (value.length >= 200) return false;
  const rest = value
    .replace(STRINGS, (string) => (withoutWord(string) === string ? "" : string))
    .replace(/\bvar\(\s*--[\w-]+/g, "")
    .replace(/#[\da-f]{3,8}\b/gi, "")
    .replace(/[-+]?[\d.]+(?:%|[a-z]{1,4}\b)?/gi, "")
    .replace(/[a-z][a-z-]*(?=\()/gi, (name) => (FUNCTIONS.test(name) ? "" : name))
    .replace(/(^|[^\w-])([a-z][a-z-]*)(?![\w(-])/gi, (all, before: string, word: string) =>
      isKeyword(word) ? before : all,
    );
  return (
    !/[\p{L}\p{N}\\"']/u.test(rest) && !LONG_NUMBER.test(value.replace(/#[\da-f]+|\.\d+/gi, ""))
  );
}

/** What a rule is about: a nested one the same as the outermost around it. */
function subjectOf(rule: CSSStyleRule, privacy: Privacy, root: Root | undefined): About {
  for (let around = rule.parentRule; around; around = around.parentRule) {
    if ("start" in around) return "hidden"; // @scope
  }
  return privacy.subject(outermost(rule).selectorText, root);
}

function outermost(rule: CSSStyleRule): CSSStyleRule {
  let found = rule;
  for (let around = rule.parentRule; around; around = around.parentRule) {
    if (around.type === STYLE_RULE) found = around as CSSStyleRule;
  }
  return found;
}

/** Declarations of a style text: split at the semicolons outside strings and brackets. */
export function split(text: string): string[] {
  const found: string[] = [];
  let quote = "";
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (quote) quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (/[([{]/.test(character ?? "")) depth++;
    else if (/[)\]}]/.test(character ?? "")) depth = Math.max(0, depth - 1);
    if (at < text.length && (character !== ";" || quote || depth)) continue;
    const declaration = text.slice(from, at).trim();
    if (declaration) found.push(declaration);
    from = at + 1;
  }
  return found;
}

/**
 * The text of a style or link element's sheet. What browsers make of a sheet loses shorthands that have
 * var() in them, so a style element that no script has edited is then sent as it was written.
 */
export function ownSheetText(element: Element, sheet: CSSStyleSheet, privacy: Privacy): string {
  const written = localName(element) === "style" ? (element.textContent ?? "") : "";
  const asWritten =
    written.includes("var(") &&
    !/@import/i.test(written) &&
    !(privacy.hidesWords && needsCare(written)) &&
    isAsWritten(sheet, written);
  if (!asWritten) return sheetText(sheet, privacy);
  const text = privacy.media.answered(plainLetters(written));
  return cleaned(text, privacy.lead(baseOf(element)));
}

function isAsWritten(sheet: CSSStyleSheet, written: string): boolean {
  try {
    const fresh = new CSSStyleSheet();
    fresh.replaceSync(written);
    const [own, other] = [sheet.cssRules, fresh.cssRules];
    if (own.length !== other.length) return false;
    for (let at = 0; at < own.length; at++) {
      if (own[at]?.cssText !== other[at]?.cssText) return false;
    }
    return true;
  } catch {
    return false;
  }
}
