// Images as data, so that the agent's browser asks the site for nothing. What the page itself may not
// read (another host's image without CORS) keeps its place and stays empty.

const MAX_PIXELS = 2_000_000;
const PNG_PIXELS = 65_536;
const CACHE_BYTES = 4 * 1024 * 1024;

const cache = new Map<string, string>();
let cachedBytes = 0;

/** The image's pixels as a data: address; undefined while it loads or where it cannot be read. */
export function imageData(image: HTMLImageElement): string | undefined {
  const address = image.currentSrc;
  if (address.startsWith("data:")) return address;
  const pixels = image.naturalWidth * image.naturalHeight;
  if (!image.complete || pixels === 0 || pixels > MAX_PIXELS) return undefined;
  const known = cache.get(address);
  if (known) return known;
  try {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    canvas.getContext("2d")?.drawImage(image, 0, 0);
    // Small ones are icons and lines, which must stay sharp.
    const data = pixels <= PNG_PIXELS ? canvas.toDataURL() : canvas.toDataURL("image/webp", 0.85);
    remember(address, data);
    return data;
  } catch {
    return undefined; // a canvas that another host's image has tainted
  }
}

function remember(address: string, data: string): void {
  if (cachedBytes + data.length > CACHE_BYTES) {
    cache.clear();
    cachedBytes = 0;
  }
  cache.set(address, data);
  cachedBytes += data.length;
}
