// Text for the wire: cut to a limit, and without halves of surrogate pairs, which are no JSON.

/** At most so many characters (code points), as the relay counts them. */
export function clean(text: string, limit: number): string {
  let out = "";
  let count = 0;
  for (const character of text) {
    if (count++ === limit) break;
    out += /^[\ud800-\udfff]$/.test(character) ? "\ufffd" : character;
  }
  return out;
}
