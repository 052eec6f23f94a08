// Images as data, so that the agent's browser asks the site for nothing. They follow the keyframe, a few
// at a time: to draw one takes longer than to copy hundreds of nodes.
import type { Op } from "../ops";
import { localName } from "./dom";
import { imageData } from "./images";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";
import { naturalSize } from "./serialize";

/** From one keyframe to the next; the relay takes frames of up to 8 MiB. */
const BUDGET_BYTES = 3 * 1024 * 1024;
const TURN_MS = 8;

export class Pictures {
  private waiting = new Set<Element>();
  private bytes = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  reset(): void {
    this.waiting = new Set();
    this.bytes = 0;
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
    const end = performance.now() + TURN_MS;
    for (const element of this.waiting) {
      if (performance.now() > end) break;
      this.waiting.delete(element);
      this.send(element);
    }
    if (this.waiting.size) this.timer = setTimeout(() => this.turn());
  }

  private send(element: Element): void {
    const number = this.numbers.of(element);
    if (!number) return;
    const natural = naturalSize(element);
    if (natural) this.op(["natural", number, ...natural], `natural ${number}`);
    if (localName(element) !== "img" || this.privacy.isHidden(element)) return;
    const data = imageData(element as HTMLImageElement);
    // Images stop where they would make a keyframe too large to be sent at all.
    if (!data || this.bytes + data.length > BUDGET_BYTES) return;
    this.bytes += data.length;
    this.op(["source", number, data], `source ${number}`);
  }
}
