// Style texts as the copy has them: with the relay's addresses, the visitor's :hover, and the sheets that
// the visitor's page could not read itself.
import { assetId, NAMES } from "../asset";

/** Attributes in the place of pseudo-classes begin with this. */
export const MARK = "cobrowse-";
/**
 * What must not be true of the copy by itself: the agent's own mouse and focus, and what the copy does not
 * know of the page.
 */
const PSEUDO =
  /(?<![\\:]):(hover|active|focus(?:-visible|-within)?|target(?:-within)?|(?:user-)?(?:in)?valid|default|autofill|open|fullscreen|-webkit-full-screen)(?![\w-])/g;
const OWN_STATE = /(?<![\\:]):state\(\s*([\w-]+)\s*\)/g;
const DEFINED = /(?<![\\:]):defined(?![\w-])/g;
const MAX_SHEETS = 40;
const UNREAD = /@cobrowse-sheet "asset:([\da-f]{16})" "([^"\n]*)";/g;
const COMMENTS = /\/\*[\s\S]*?\*\//g;
/** What a sheet may have before its other rules. */
const IMPORT =
  /@import\s+(?:url\(\s*)?(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"'();]+))\s*\)?\s*([^;{}]*);/gi;
const ADDRESS = /url\(\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^"'()\s]+))\s*\)/gi;

export class Styles {
  /** path: of the session's files, with a slash at the end; "" where there are none. */
  constructor(readonly path: string) {}

  /** An address in place of a name; undefined for anything else that an attribute may hold. */
  address(value: string): string | undefined {
    if (!this.path) return undefined;
    const [name, id] = /^asset:([\da-f]{16})/.exec(value) ?? [];
    return name && id ? this.path + id + value.slice(name.length) : undefined;
  }

  /** A style text for the copy. later: is given the whole text once sheets have come that are in it. */
  text(written: string, later: (text: string) => void): string {
    const text = this.shown(written);
    if (this.path && written.includes("@cobrowse-sheet")) void this.fill(written, later);
    return text.replace(UNREAD, "");
  }

  /** The same for text that has no sheets in it. */
  shown(text: string): string {
    return marked(text.replace(NAMES, `${this.path || "about:invalid#"}$1`));
  }

  private async fill(written: string, later: (text: string) => void): Promise<void> {
    const found = [...written.matchAll(UNREAD)];
    const texts = await Promise.all(
      found.map(([, id = "", base = ""]) => this.file(id, base, new Set())),
    );
    later(this.shown(written.replace(UNREAD, () => texts.shift() ?? "")));
  }

  /** A sheet's file, with what it imports in its place. seen: ids on the way to it. */
  private async file(id: string, base: string, seen: Set<string>): Promise<string> {
    if (seen.has(id) || seen.size > MAX_SHEETS) return "";
    seen.add(id);
    const response = await fetch(this.path + id).catch(() => undefined);
    if (!response?.ok) return "";
    const text = (await response.text()).replace(COMMENTS, " ");
    const imports = [...text.matchAll(IMPORT)].map(async ([, a, b, c, conditions = ""]) => {
      const url = absolute(a ?? b ?? c ?? "", base);
      return url ? conditioned(await this.file(assetId(url), url, seen), conditions) : "";
    });
    const imported = await Promise.all(imports);
    return text
      .replace(IMPORT, "")
      .replace(ADDRESS, (whole, a, b, c) => {
        const url = absolute(a ?? b ?? c, base);
        return url ? `url("asset:${assetId(url.replace(/#.*/, ""))}")` : whole;
      })
      .replace(/^/, imported.join("\n"));
  }
}

function absolute(address: string, base: string): string | undefined {
  if (/^(?:data:|#)/i.test(address)) return undefined;
  try {
    return new URL(address, base).href;
  } catch {
    return undefined;
  }
}

/** The rules of an imported sheet under what its import says: layer, supports() and media, in this order. */
function conditioned(text: string, conditions: string): string {
  const [, layer, , name, supports, media = ""] =
    /^\s*(layer(\(([^)]*)\))?)?\s*(?:supports\(((?:[^()]|\([^()]*\))*)\))?\s*([\s\S]*)$/i.exec(
      conditions,
    ) ?? [];
  let out = text;
  if (layer) out = `@layer ${name ?? ""} {${out}}`;
  if (supports) out = `@supports (${supports}) {${out}}`;
  return media.trim() ? `@media ${media} {${out}}` : out;
}

/** Attributes that the copy sets are what the rules look for. */
function marked(text: string): string {
  return text
    .replace(PSEUDO, (_, name: string) => `[${MARK}${name.replace(/^-webkit-.*/, "fullscreen")}]`)
    .replace(OWN_STATE, `[${MARK}state-$1]`)
    .replace(DEFINED, `:not([${MARK}undefined])`);
}
