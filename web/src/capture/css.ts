// The text of style sheets as it may leave: without addresses, and without words that rules put into
// the page.
import { localName } from "./dom";
import type { Privacy } from "./privacy";

const ADDRESS =
  /url\(\s*(?:"([^"\\]|\\[\s\S])*"|'([^'\\]|\\[\s\S])*'|([^"'()\s\\]|\\[\s\S])*)\s*\)/gi;
const STRING = /"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'/g;
const WORDS = /[\p{L}\p{N}][^\p{L}\p{N}]*[\p{L}\p{N}][^\p{L}\p{N}]*[\p{L}\p{N}]/u;
// Rules of a frame's document are of other classes than ours: their numbers are the same.
const STYLE_RULE = 1;
const IMPORT_RULE = 3;
const FONT_FACE_RULE = 5;
const KEYFRAMES_RULE = 7;

/** A style text without the addresses that it names: the copy must ask the site for nothing. */
export function withoutAddresses(text: string): string {
  if (!text.includes("url(") && !/url\(/i.test(text)) return text;
  return text.replace(ADDRESS, (found) =>
    /^url\(\s*["']?(?:data:|#)/i.test(found) ? found : "url(about:invalid)",
  );
}

const COMMENT =
  /("(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|url\([^"')]*\))|\/\*[\s\S]*?(?:\*\/|$)/gi;

function withoutComments(text: string): string {
  return text.replace(COMMENT, (_, kept: string | undefined) => kept ?? " ");
}

function withoutWords(value: string): string {
  return value.replace(STRING, (string) => {
    const plain = string.replace(/\\[0-9a-f]{1,6}\s?/gi, "");
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

function needsCare(text: string): boolean {
  return (text.includes("content:") || text.includes("--")) && /["']/.test(text);
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

function declarations(rule: CSSStyleRule, privacy: Privacy): string {
  const out: string[] = [];
  const { style } = rule;
  let hidesProperties: boolean | undefined;
  // cssText has the shorthands that reading property by property would take apart.
  for (const declaration of split(style.cssText)) {
    const name = declaration.slice(0, declaration.indexOf(":")).trim().toLowerCase();
    if (!/["']/.test(declaration)) {
      out.push(declaration);
    } else if (name.startsWith("--")) {
      hidesProperties ??= privacy.hidesRule(rule.selectorText);
      out.push(hidesProperties ? withoutWords(declaration) : declaration);
    } else {
      out.push(name === "content" ? withoutWords(declaration) : declaration);
    }
  }
  return out.join(";");
}

/** Declarations of a style text: split at the semicolons outside strings and brackets. */
export function split(text: string): string[] {
  const found = text.match(
    /(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|\([^()]*\)|[^;"'(]|\()+/g,
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
