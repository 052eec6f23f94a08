// What may be told of a page's address.
import type { Rules } from "../wire";

/**
 * Whether an address is one of a pattern's, where "*" stands for anything. A pattern that begins with "/"
 * is about any host, one with a host about any scheme; query and fragment count where it names them.
 */
export function matchesAddress(pattern: string, address: string): boolean {
  const { origin, host, pathname, search, hash } = new URL(address);
  let text = pattern.includes("://") ? origin : pattern.startsWith("/") ? "" : host;
  text += pathname;
  if (pattern.includes("?")) text += search;
  if (pattern.includes("#")) text += hash;
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** An address as it may be told. */
export function tellableAddress(address: string, rules: Rules): string {
  const url = new URL(address);
  url.username = url.password = "";
  if (rules.pages.some((pattern) => matchesAddress(pattern, address))) return `${url.origin}/`;
  if (rules.query) url.search = url.hash = "";
  return url.href;
}
