// What agents point at, drawn over the visitor's page: no part of what agents see, and in nobody's way.
import type { AccountSettings, Gesture } from "../wire";
import { element } from "./element";

/** An arrow that has not moved for so long is gone. */
const POINTER_MS = 5_000;
const BOX_MS = 8_000;
const FADE_MS = 600;
/** As many as a session has agents. */
const MOST = 50;
const ARROW = "M1 1l6.5 18 3-7.5 7.5-3z";
const SVG = "http://www.w3.org/2000/svg";

interface Drawn {
  arrow: HTMLElement;
  name: HTMLElement;
  box: HTMLElement;
  timers: Record<"arrow" | "box", ReturnType<typeof setTimeout> | undefined>;
}

export class Gestures {
  private readonly host = element("cobrowse-gestures" as "div", { "aria-hidden": "true" });
  private readonly root: ShadowRoot;
  private readonly drawn = new Map<string, Drawn>();

  constructor(
    { button }: AccountSettings,
    attachShadow: typeof Element.prototype.attachShadow,
    ignored: WeakSet<Node>,
  ) {
    this.root = attachShadow.call(this.host, { mode: "closed" });
    // Also where agents see the rest of our interface: their own arrow would follow them.
    ignored.add(this.host);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
:host {
  all: initial !important; position: fixed !important; inset: 0 !important; overflow: clip !important;
  z-index: 2147483647 !important; pointer-events: none !important; direction: ltr !important;
  font: 600 13px/1.4 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif !important;
}
* { box-sizing: border-box; pointer-events: none; }
[hidden] { display: none !important; }
.arrow, .box { position: fixed; left: 0; top: 0; transition: opacity ${FADE_MS}ms; }
.arrow { display: flex; align-items: end; transition: opacity ${FADE_MS}ms, transform 60ms linear; }
.arrow svg { flex: none; width: 24px; height: 24px; filter: drop-shadow(0 1px 2px rgb(0 0 0 / 45%)); }
.arrow path { fill: ${button.background}; stroke: #fff; stroke-width: 1.5; }
.arrow span {
  max-width: 180px; margin: 0 0 -10px -4px; padding: 1px 8px; border-radius: 9px; overflow: hidden;
  white-space: nowrap; text-overflow: ellipsis; color: ${button.color};
  background: ${button.background}; box-shadow: 0 0 0 1px #fff;
}
.arrow.left { flex-direction: row-reverse; }
.arrow.left span { margin: 0 -20px -10px 0; }
.box {
  border: 3px solid ${button.background}; border-radius: 6px;
  box-shadow: 0 0 0 2px #fff, inset 0 0 0 2px #fff;
}
.fading { opacity: 0; }
@media (prefers-reduced-motion: reduce) { .arrow, .box { transition: none; } }
@media print { .arrow, .box { display: none; } }
`);
    this.root.adoptedStyleSheets = [sheet];
  }

  show(gesture: Gesture): void {
    const { end, name, kind, x, y, width, height } = gesture;
    if (kind === "none") {
      this.forget(end);
      return;
    }
    const drawn = this.drawn.get(end) ?? this.make(end);
    if (!drawn) return;
    if (drawn.name.textContent !== name) drawn.name.textContent = name;
    if (kind === "pointer") {
      // Its name stands where there is room for it.
      drawn.arrow.classList.toggle("left", x > innerWidth - 220 && x > 220);
      const shift = drawn.arrow.classList.contains("left") ? " translateX(calc(-100% + 24px))" : "";
      drawn.arrow.style.transform = `translate(${x}px, ${y}px)${shift}`;
    } else {
      const { style } = drawn.box;
      style.transform = `translate(${x}px, ${y}px)`;
      style.width = `${width}px`;
      style.height = `${height}px`;
    }
    const [part, lasts] =
      kind === "pointer" ? (["arrow", POINTER_MS] as const) : (["box", BOX_MS] as const);
    this.keep(end, drawn, part, lasts);
    if (!this.host.isConnected) document.documentElement.append(this.host);
  }

  /** The session is over. */
  clear(): void {
    for (const end of [...this.drawn.keys()]) this.forget(end);
  }

  /** Show a part of it, for a while. */
  private keep(end: string, drawn: Drawn, part: "arrow" | "box", lasts: number): void {
    const shown = drawn[part];
    shown.hidden = false;
    shown.classList.remove("fading");
    clearTimeout(drawn.timers[part]);
    drawn.timers[part] = setTimeout(() => {
      shown.classList.add("fading");
      drawn.timers[part] = setTimeout(() => {
        shown.hidden = true;
        if (drawn.arrow.hidden && drawn.box.hidden) this.forget(end);
      }, FADE_MS);
    }, lasts);
  }

  private make(end: string): Drawn | undefined {
    if (this.drawn.size >= MOST) return undefined;
    const svg = document.createElementNS(SVG, "svg");
    const path = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 22 22");
    path.setAttribute("d", ARROW);
    svg.append(path);
    const name = element("span");
    const drawn: Drawn = {
      arrow: element("div", { className: "arrow", hidden: true }, svg, name),
      name,
      box: element("div", { className: "box", hidden: true }),
      timers: { arrow: undefined, box: undefined },
    };
    this.drawn.set(end, drawn);
    this.root.append(drawn.box, drawn.arrow);
    return drawn;
  }

  private forget(end: string): void {
    const drawn = this.drawn.get(end);
    if (!drawn) return;
    clearTimeout(drawn.timers.arrow);
    clearTimeout(drawn.timers.box);
    drawn.arrow.remove();
    drawn.box.remove();
    this.drawn.delete(end);
    if (!this.drawn.size) this.host.remove();
  }
}
