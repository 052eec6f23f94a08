// Canvases and films as pictures, at a bounded rate. A canvas is shown only where the group wants that;
// of a film, the picture at which it stands.
import { ASSET, assetId } from "../asset";
import type { Op } from "../ops";
import type { Assets } from "./assets";
import { isConnected, localName } from "./dom";
import { drawn } from "./images";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";

const FILM_MS = 2_000;
/** A film has its first picture a moment after it says so. */
const AGAIN_MS = [500, 2_000];

interface Shown {
  id: string;
  /** Counted up, so that no browser takes an earlier picture for this one. */
  version: number;
  at: number;
  /** When to look again at what seems to stand still. */
  again: number[];
  look: string;
  digest: string;
  isBusy: boolean;
}

export class Moving {
  private known = new Map<Element, Shown>();
  private made = 0;
  private readonly page = crypto.getRandomValues(new Uint32Array(2)).join("-");

  /** fps: of canvases; 0 for none. */
  constructor(
    private readonly fps: number,
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly assets: Assets,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  reset(): void {
    for (const shown of this.known.values()) shown.digest = shown.look = "";
  }

  watch(element: Element): void {
    if (this.known.has(element)) return;
    const id = assetId(`${this.page}-${this.made++}`);
    this.known.set(element, {
      id,
      version: 0,
      at: 0,
      again: [],
      look: "",
      digest: "",
      isBusy: false,
    });
  }

  sweep(now: number): void {
    for (const [element, shown] of this.known) {
      const number = this.numbers.of(element);
      if (!number) {
        if (!isConnected(element)) this.known.delete(element);
        continue;
      }
      if (!shown.isBusy && this.isDue(element, shown, now)) void this.show(element, shown);
    }
  }

  private isDue(element: Element, shown: Shown, now: number): boolean {
    if (!this.assets.isOn || this.privacy.isHidden(element)) return false;
    if (localName(element) === "canvas") {
      const { width, height } = element as HTMLCanvasElement;
      this.tell(element, shown, `${width} ${height}`, ["natural", 0, width, height]);
      return this.fps > 0 && width * height > 0 && now - shown.at >= 1000 / this.fps;
    }
    const film = element as HTMLVideoElement;
    if (film.readyState < 2) return false;
    const look = `${film.paused} ${film.paused ? film.currentTime : ""} ${film.currentSrc}`;
    const isOther = look !== shown.look;
    shown.look = look;
    if (isOther) shown.again = AGAIN_MS.map((wait) => now + wait);
    const isAgain = now >= (shown.again[0] ?? Infinity);
    if (isAgain) shown.again.shift();
    return isOther || isAgain || (!film.paused && now - shown.at >= FILM_MS);
  }

  private tell(element: Element, shown: Shown, look: string, op: Op): void {
    if (shown.look === look) return;
    shown.look = look;
    op[1] = this.numbers.of(element);
    this.op(op, `natural ${op[1]}`);
  }

  private async show(element: Element, shown: Shown): Promise<void> {
    shown.isBusy = true;
    try {
      // Behind what the page draws for the next frame: what WebGL has drawn is gone after it.
      await new Promise((painted) => requestAnimationFrame(painted));
      shown.at = performance.now();
      const picture = await drawn(element as HTMLCanvasElement);
      if (!picture || this.privacy.isHidden(element)) return;
      const bytes = new Uint8Array(await picture.arrayBuffer());
      const digest = assetId(bytes);
      if (digest === shown.digest) return;
      shown.digest = digest;
      await this.assets.put(shown.id, picture);
      const number = this.numbers.of(element);
      const name = `${ASSET}${shown.id}?${++shown.version}`;
      if (number) this.op(["picture", number, name], `picture ${number}`);
    } finally {
      shown.isBusy = false;
    }
  }
}
