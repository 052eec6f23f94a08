// What may be told of a page's address.
import type { Rules } from "../wire";

/**
 * Whether an address is one of a pattern's, where "*" stands for anything. A pattern that begins with "/"
 * is about any host, one with a host about any scheme; query and fragment count where it names them.
 */
export function matchesAddress(written: string, address: string): boolean {
  const { origin, host, pathname, search, hash } = new URL(address);
  const pattern = plain(asciiHost(written));
  let text = pattern.includes("://") ? origin : pattern.startsWith("/") ? "" : host;
  text += pathname;
  if (pattern.includes("?")) text += search;
  if (pattern.includes("#")) text += hash;
  text = plain(text);
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

/** The same for "%C3%BC" and "ü": people write patterns, browsers addresses. */
function plain(address: string): string {
  return address.replace(/(?:%[\da-f]{2})+/gi, (escaped) => {
    try {
      return decodeURIComponent(escaped);
    } catch {
      return escaped;
    }
  });
}

/** The host of a pattern as browsers have it: in lower case, and other letters than ASCII's encoded. */
function asciiHost(pattern: string): string {
  const [, scheme = "", host = "", path = ""] =
    /^([a-z]+:\/\/)?([^/?#]*)([\s\S]*)$/i.exec(pattern) ?? [];
  const labels = host.split(".").map((label) => {
    if (!/\P{ASCII}/u.test(label)) return label.toLowerCase();
    try {
      return new URL(`http://${label}`).hostname;
    } catch {
      return label;
    }
  });
  return scheme.toLowerCase() + labels.join(".") + path;
}

/** An address as it may be told. */
export function tellableAddress(address: string, rules: Rules): string {
  const url = new URL(address);
  url.username = url.password = "";
  if (rules.pages.some((pattern) => matchesAddress(pattern, address))) return `${url.origin}/`;
  if (rules.query) url.search = url.hash = "";
  return url.href;
}
