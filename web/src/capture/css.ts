// The text of style sheets as it may leave: without addresses, and without words that rules put into
// the page.
import { localName } from "./dom";
import type { Privacy } from "./privacy";

const STRING = /"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'/g;
const WORDS = /[\p{L}\p{N}][^\p{L}\p{N}]*[\p{L}\p{N}][^\p{L}\p{N}]*[\p{L}\p{N}]/u;
// Rules of a frame's document are of other classes than ours: their numbers are the same.
const STYLE_RULE = 1;
const IMPORT_RULE = 3;
const FONT_FACE_RULE = 5;
const KEYFRAMES_RULE = 7;

/** A style text without the addresses that it names: the copy must ask the site for nothing. */
export function withoutAddresses(text: string): string {
  const opening = /url\(|image-set\(/gi;
  if (!opening.test(text)) return text;
  opening.lastIndex = 0;
  let out = "";
  let from = 0;
  for (let found = opening.exec(text); found; found = opening.exec(text)) {
    const end = endOfAddress(text, opening.lastIndex);
    const inside = text.slice(opening.lastIndex, Math.min(end, opening.lastIndex + 12)).trimStart();
    out += text.slice(from, found.index);
    const harmless = /^["']?(?:data:|#)/i.test(inside) && found[0].length === 4;
    out += harmless ? text.slice(found.index, end) : "url(about:invalid)";
    from = opening.lastIndex = end;
  }
  return out + text.slice(from);
}

/** The index behind the ")" that ends an address, whatever is quoted before it. */
function endOfAddress(text: string, from: number): number {
  let quote = "";
  for (let at = from; at < text.length; at++) {
    const character = text[at] as string;
    if (character === "\\") at++;
    else if (quote) quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === ")") return at + 1;
  }
  return text.length;
}

const COMMENT = /("(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*')|\/\*[\s\S]*?(?:\*\/|$)/g;

function withoutComments(text: string): string {
  return text.replace(COMMENT, (_, kept: string | undefined) => kept ?? " ");
}

function withoutWords(value: string): string {
  return value.replace(STRING, (string) => {
    const plain = string.replace(/\\([0-9a-f]{1,6})\s?/gi, (_, hex: string) => {
      const code = Number.parseInt(hex, 16);
      return code < 0x110000 ? String.fromCodePoint(code) : "";
    });
    return WORDS.test(plain) ? '"•••"' : string;
  });
}

/** Rules of a sheet as text, imported sheets in their place. "" for a sheet that may not be read. */
export function sheetText(sheet: CSSStyleSheet, privacy: Privacy): string {
  let rules: CSSRuleList;
  try {
    rules = sheet.cssRules;
  } catch {
    return ""; // another host's
  }
  return rulesText(rules, privacy);
}

export function rulesText(rules: CSSRuleList, privacy: Privacy, from = 0): string {
  const texts: string[] = [];
  for (let at = from; at < rules.length; at++) texts.push(ruleText(rules[at] as CSSRule, privacy));
  return withoutAddresses(texts.join("\n"));
}

function ruleText(rule: CSSRule, privacy: Privacy): string {
  if (rule.type === IMPORT_RULE) return importText(rule as CSSImportRule, privacy);
  const text = rule.cssText;
  // Most rules put no text into the page.
  return needsCare(text) ? carefulText(rule, text, privacy) : text;
}

/** Whether a rule's text has strings or custom properties in it. */
function needsCare(text: string): boolean {
  return /["']|--[\w-]*\s*:/.test(text);
}

function importText(rule: CSSImportRule, privacy: Privacy): string {
  if (!rule.styleSheet) return "";
  let text = sheetText(rule.styleSheet, privacy);
  if (rule.supportsText) text = `@supports ${rule.supportsText} {${text}}`;
  if (typeof rule.layerName === "string") text = `@layer ${rule.layerName} {${text}}`;
  const media = rule.media.mediaText;
  return media ? `@media ${media} {${text}}` : text;
}

/**
 * A rule that has strings in it. Words in `content` are hidden wherever words are hidden at all; custom
 * properties, where the rule is about something hidden or about nothing that is there.
 */
function carefulText(rule: CSSRule, text: string, privacy: Privacy): string {
  if (!privacy.hidesWords) return text;
  const nested = (rule as CSSGroupingRule).cssRules;
  if (rule.type === STYLE_RULE) {
    const style = rule as CSSStyleRule;
    const inner = nested?.length ? `\n${rulesText(nested, privacy)}` : "";
    return `${style.selectorText} {${declarations(style, privacy)}${inner}}`;
  }
  if (rule.type === FONT_FACE_RULE) return text;
  if (!nested || rule.type === KEYFRAMES_RULE) return withoutWords(text);
  return `${text.slice(0, text.indexOf("{") + 1)}\n${rulesText(nested, privacy)}\n}`;
}

/** Properties whose strings are names of files and fonts, not words in the page. */
const UNSEEN = /^(?:font|font-family|src|font-feature-settings|font-variation-settings|grid.*)$/;

function declarations(rule: CSSStyleRule, privacy: Privacy): string {
  const out: string[] = [];
  let hides: boolean | undefined;
  // cssText has the shorthands that reading property by property would take apart.
  for (const declaration of split(rule.style.cssText)) {
    const name = declaration.slice(0, declaration.indexOf(":")).trim().toLowerCase();
    if (name.startsWith("--")) {
      hides ??= isNested(rule) || privacy.hidesRule(rule.selectorText, rootOf(rule));
      if (!hides || isMeasure(declaration)) out.push(declaration);
    } else {
      out.push(UNSEEN.test(name) ? declaration : withoutWords(declaration));
    }
  }
  return out.join(";");
}

/** A value of numbers, colours and references: it says nothing. */
function isMeasure(declaration: string): boolean {
  const value = declaration.slice(declaration.indexOf(":") + 1);
  const rest = value
    .replace(/--[\w-]+/g, "")
    .replace(/#[\da-f]{3,8}\b/gi, "")
    .replace(/[-+]?[\d.]+(?:%|[a-z]{1,4}\b)?/gi, "")
    .replace(
      /\b(?:var|calc|rgba?|hsla?|min|max|clamp|inherit|initial|none|auto|transparent)\b/gi,
      "",
    );
  return !/[\p{L}\p{N}\\"']/u.test(rest) && value.length < 200;
}

/** Whether what the rule is about depends on a rule around it. */
function isNested(rule: CSSRule): boolean {
  for (let around = rule.parentRule; around; around = around.parentRule) {
    if (around.type === STYLE_RULE || "start" in around) return true;
  }
  return false;
}

/** The root whose elements a rule is about; undefined for an adopted or imported sheet's. */
function rootOf(rule: CSSRule): Document | ShadowRoot | undefined {
  return rule.parentStyleSheet?.ownerNode?.getRootNode() as Document | ShadowRoot | undefined;
}

/** Declarations of a style text: split at the semicolons outside strings and brackets. */
export function split(text: string): string[] {
  const found = text.match(
    /(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|\([^()]*\)|[^;"'(]+|\()+/g,
  );
  return (found ?? []).map((declaration) => declaration.trim()).filter(Boolean);
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
  return asWritten ? withoutAddresses(withoutComments(written)) : sheetText(sheet, privacy);
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
