// The agent's tools: what is pointed at over the copy is shown on the visitor's page.
import { element } from "./socket";

export type Tool = "none" | "pointer" | "highlight";

export interface Gesture {
  type: "gesture";
  kind: "pointer" | "box" | "none";
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The newest counts; what comes faster than this is not told. */
const GAP_MS = 33;
/** A press that moves less is no box. */
const LEAST_BOX = 6;
/** As long as visitors see it. */
const BOX_MS = 8_000;
const STEP = 16;
const LARGE_STEP = 96;
const KEY_BOX = { width: 160, height: 48 };
const ARROWS: Record<string, [x: number, y: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

interface Point {
  x: number;
  y: number;
}

export class Pointing {
  private tool: Tool = "none";
  private allowed = false;
  private readonly box = document.createElement("div");
  private readonly mark = document.createElement("div");
  private boxTimer: ReturnType<typeof setTimeout> | undefined;
  private from: Point | undefined;
  private at: Point | undefined;
  private waiting: Gesture | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * stage: holds the screen, and takes the keys. screen: the copy, as large as it is shown.
   * size: of the visitor's window, in CSS pixels.
   */
  constructor(
    private readonly stage: HTMLElement,
    private readonly screen: HTMLElement,
    private readonly size: () => { width: number; height: number },
    private readonly send: (gesture: Gesture) => void,
  ) {
    this.box.className = "mark-box";
    this.mark.className = "mark-point";
    this.box.hidden = this.mark.hidden = true;
    screen.append(this.box, this.mark);
    screen.addEventListener("pointermove", (event) => this.move(event));
    screen.addEventListener("pointerdown", (event) => this.press(event));
    screen.addEventListener("pointerup", () => this.release());
    screen.addEventListener("pointercancel", () => this.release());
    screen.addEventListener("pointerleave", () => this.leave());
    stage.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["pointer", "highlight"] as const) {
      element(name).addEventListener("click", () => this.toggle(name));
    }
  }

  /** Whether the group lets agents point. The first time the pointer is taken up by itself. */
  allow(allowed: boolean): void {
    if (allowed && !this.allowed) this.take("pointer");
    if (!allowed) this.take("none");
    this.allowed = allowed;
    for (const name of ["pointer", "highlight"] as const) element(name).hidden = !allowed;
  }

  toggle(tool: Tool): void {
    if (this.allowed) this.take(this.tool === tool ? "none" : tool);
  }

  /** Nothing is pointed at any more. Whether anything was. */
  clear(): boolean {
    const something = !this.box.hidden || !this.mark.hidden;
    clearTimeout(this.boxTimer);
    this.box.hidden = this.mark.hidden = true;
    this.from = this.at = undefined;
    this.say("none");
    return something;
  }

  private take(tool: Tool): void {
    if (tool !== this.tool) this.clear();
    this.tool = tool;
    document.body.dataset.tool = tool;
    for (const name of ["pointer", "highlight"] as const) {
      element(name).setAttribute("aria-pressed", String(tool === name));
    }
  }

  // -- mouse -----------------------------------------------------------------------------------

  private move(event: PointerEvent): void {
    if (this.tool === "none") return;
    this.mark.hidden = true;
    this.at = this.pointOf(event);
    if (this.from) this.drawBox(this.from, this.at);
    else if (this.tool === "pointer") this.say("pointer", this.at);
  }

  private press(event: PointerEvent): void {
    if (this.tool === "none" || event.button !== 0) return;
    event.preventDefault(); // dragging selects nothing
    this.stage.focus({ preventScroll: true });
    this.from = this.pointOf(event);
    this.screen.setPointerCapture(event.pointerId);
  }

  private release(): void {
    this.from = undefined;
  }

  private leave(): void {
    // What was marked stays to be seen for a while; a mouse that is gone does not.
    if (this.tool === "pointer" && this.box.hidden) this.say("none");
  }

  /** In CSS pixels of the visitor's window. */
  private pointOf({ clientX, clientY }: PointerEvent): Point {
    const { width, height } = this.size();
    const shown = this.screen.getBoundingClientRect();
    if (!shown.width || !shown.height) return { x: 0, y: 0 };
    const within = (value: number, most: number) => Math.max(0, Math.min(most, value));
    return {
      x: within(((clientX - shown.left) / shown.width) * width, width),
      y: within(((clientY - shown.top) / shown.height) * height, height),
    };
  }

  // -- keys ------------------------------------------------------------------------------------

  /** Arrow keys move the pointer, Enter marks what is there. */
  private key(event: KeyboardEvent): void {
    if (this.tool === "none" || event.ctrlKey || event.altKey || event.metaKey) return;
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    const { width, height } = this.size();
    const { x, y } = this.at ?? { x: width / 2, y: height / 2 };
    if (!arrow) {
      const left = Math.max(0, x - KEY_BOX.width / 2);
      const top = Math.max(0, y - KEY_BOX.height / 2);
      this.drawBox({ x: left, y: top }, { x: left + KEY_BOX.width, y: top + KEY_BOX.height });
      return;
    }
    const step = event.shiftKey ? LARGE_STEP : STEP;
    this.at = {
      x: Math.max(0, Math.min(width, x + arrow[0] * step)),
      y: Math.max(0, Math.min(height, y + arrow[1] * step)),
    };
    this.place(this.mark, this.at, { x: this.at.x, y: this.at.y });
    if (this.tool === "pointer") this.say("pointer", this.at);
  }

  // -- drawing and telling ---------------------------------------------------------------------

  private drawBox(from: Point, to: Point): void {
    const corner = { x: Math.min(from.x, to.x), y: Math.min(from.y, to.y) };
    const width = Math.abs(from.x - to.x);
    const height = Math.abs(from.y - to.y);
    if (width < LEAST_BOX && height < LEAST_BOX) return;
    this.place(this.box, corner, { x: corner.x + width, y: corner.y + height });
    clearTimeout(this.boxTimer);
    this.boxTimer = setTimeout(() => {
      this.box.hidden = true;
    }, BOX_MS);
    this.say("box", corner, width, height);
  }

  /** Our own sign over the copy, which may be scaled. */
  private place(sign: HTMLElement, from: Point, to: Point): void {
    const { width, height } = this.size();
    sign.hidden = false;
    sign.style.left = `${(from.x / width) * 100}%`;
    sign.style.top = `${(from.y / height) * 100}%`;
    sign.style.width = `${((to.x - from.x) / width) * 100}%`;
    sign.style.height = `${((to.y - from.y) / height) * 100}%`;
  }

  private say(kind: Gesture["kind"], at: Point = { x: 0, y: 0 }, width = 0, height = 0): void {
    if (!this.allowed) return;
    const round = (value: number) => Math.round(value * 10) / 10;
    this.waiting = {
      type: "gesture",
      kind,
      x: round(at.x),
      y: round(at.y),
      width: round(width),
      height: round(height),
    };
    this.timer ??= setTimeout(() => this.tell(), 0);
  }

  private tell(): void {
    this.timer = undefined;
    if (!this.waiting) return;
    this.send(this.waiting);
    this.waiting = undefined;
    this.timer = setTimeout(() => this.tell(), GAP_MS);
  }
}
