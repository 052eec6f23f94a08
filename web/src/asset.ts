// How files of the page are called on their way to agents: by a number made from their address.

const OFFSETS = [0x811c9dc5, 0x9e3779b1];
const PRIME = 0x01000193;
export const ASSET = "asset:";
/** Where such a name stands for an address. */
export const NAMES = /asset:([\da-f]{16})/g;

/** Two 32-bit FNV-1a sums of bytes, or of an address in UTF-8, in hex: as proxy_addon/naming.py makes them. */
export function assetId(address: string | Uint8Array): string {
  const bytes = typeof address === "string" ? new TextEncoder().encode(address) : address;
  let id = "";
  for (const offset of OFFSETS) {
    let sum = offset;
    for (const byte of bytes) sum = Math.imul(sum ^ byte, PRIME);
    id += (sum >>> 0).toString(16).padStart(8, "0");
  }
  return id;
}
