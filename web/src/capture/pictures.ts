// Which files images show. An image's file is named when the browser has it.
import type { Op } from "../ops";
import { attribute, baseOf, localName } from "./dom";
import { drawn, naturalSize } from "./images";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";

/** Longer data: addresses are files of their own, so that no keyframe has to carry them. */
const MAX_DATA = 8_192;
/** What an image shows whose file is broken. */
const BROKEN = "data:,";

export class Pictures {
  private waiting = new Set<Element>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  reset(): void {
    this.waiting = new Set();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.reset();
  }

  /** Send what an element shows, soon. */
  want(element: Element): void {
    const owner = localName(element) === "source" ? element.parentElement : element;
    for (const image of owner?.localName === "picture" ? owner.children : [owner]) {
      if (image && /^(?:img|video)$/.test(localName(image))) this.waiting.add(image);
    }
    this.timer ??= setTimeout(() => this.turn());
  }

  private turn(): void {
    this.timer = undefined;
    for (const element of this.waiting) this.send(element);
    this.waiting.clear();
  }

  private send(element: Element): void {
    const number = this.numbers.of(element);
    if (!number) return;
    const natural = naturalSize(element);
    if (natural) this.op(["natural", number, ...natural], `natural ${number}`);
    if (localName(element) !== "img" || this.privacy.isHidden(element)) return;
    const shown = this.shownBy(element as HTMLImageElement);
    if (shown) this.op(["attribute", number, "src", shown], `src ${number}`);
  }

  /** Undefined while it is loading. */
  private shownBy(image: HTMLImageElement): string | undefined {
    const { currentSrc, complete } = image;
    const address = currentSrc || attribute(image, "src");
    if (!complete || !address) return undefined;
    // Drawings may have no size of their own.
    if (!image.naturalWidth && !/\.svg\b|^data:image\/svg/i.test(address)) return BROKEN;
    if (/^data:image\//i.test(address) && address.length < MAX_DATA) return address;
    return this.privacy.file(address, baseOf(image), () => drawn(image));
  }
}
