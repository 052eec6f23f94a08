// What pseudo-classes say of elements and attributes do not: the focus, what is held down, the address's
// target, what is invalid. The copy has none of it by itself, and its rules look for attributes instead.
import type { Op } from "../ops";
import * as dom from "./dom";
import type { Numbers } from "./numbers";
import type { Privacy } from "./privacy";

/** Those that are asked for where a sheet names them. */
const ASKED =
  /(?<![\\:]):(target(?:-within)?|(?:user-)?(?:in)?valid|default|autofill|open)(?![\w-])/g;
const OWN_STATE = /(?<![\\:]):state\(\s*([\w-]+)\s*\)/g;
/** These show even where no sheet speaks of them. */
const ALWAYS: [name: string, selector: string][] = [
  ["fullscreen", ":fullscreen"],
  ["open", ":open"],
];
const UNDEFINED = ":not(:defined)";
/** To ask for all of them may take this part of the time, and no more. */
const SHARE = 60;

type Root = Document | ShadowRoot;

export class States {
  private names = new Map<string, string>(ALWAYS);
  private told = new Map<string, string>();
  private focused = "";
  private nextAt = 0;

  constructor(
    private readonly numbers: Numbers,
    private readonly privacy: Privacy,
    private readonly closed: WeakMap<Element, ShadowRoot>,
    private readonly roots: () => Iterable<Root>,
    private readonly op: (op: Op, about?: string) => void,
  ) {}

  reset(): void {
    this.names = new Map(ALWAYS);
    this.told = new Map();
    this.focused = "";
    this.nextAt = 0;
  }

  /** A sheet's text: names in it are asked for. */
  learn(text: string): void {
    for (const [, name = ""] of text.matchAll(ASKED)) this.names.set(name, `:${name}`);
    for (const [, name = ""] of text.matchAll(OWN_STATE)) {
      this.names.set(`state-${name}`, `:state(${name})`);
    }
    if (text.includes(":defined")) this.names.set("undefined", UNDEFINED);
  }

  /** Tell what has changed. soon: something has happened that may have changed it. */
  sweep(soon = false): void {
    this.focus();
    const began = performance.now();
    if (!soon && began < this.nextAt) return;
    for (const [name, selector] of this.names) {
      const numbers: number[] = [];
      for (const root of this.roots()) this.find(root, selector, numbers);
      const text = numbers.join();
      if (text === (this.told.get(name) ?? "")) continue;
      this.told.set(name, text);
      this.op(["state", name, numbers], `state ${name}`);
    }
    for (const root of this.roots()) {
      if ((root as ShadowRoot).slotAssignment === "manual") this.slots(root as ShadowRoot);
    }
    const took = performance.now() - began;
    this.nextAt = began + took * SHARE;
  }

  private slots(root: ShadowRoot): void {
    for (const slot of dom.all(root, "slot") as NodeListOf<HTMLSlotElement>) {
      const number = this.numbers.of(slot);
      const nodes = slot.assignedNodes().map((node) => this.numbers.of(node));
      const text = nodes.join();
      if (!number || text === (this.told.get(`slot ${number}`) ?? "")) continue;
      this.told.set(`slot ${number}`, text);
      this.op(["slots", number, nodes], `slot ${number}`);
    }
  }

  private find(root: Root, selector: string, numbers: number[]): void {
    try {
      for (const element of dom.all(root, selector)) {
        const number = this.numbers.of(element);
        // Of what is hidden not even this is told.
        if (number && !this.privacy.isHidden(element)) numbers.push(number);
      }
    } catch {
      // a name that this browser does not know
    }
  }

  /** Where the focus is, through shadow trees and frames. */
  focus(): void {
    const innermost = dom.innermostFocus(this.closed);
    const number = this.numbers.of(innermost);
    const isVisible = !!innermost && dom.matches(innermost, ":focus-visible");
    const text = `${number} ${isVisible}`;
    if (text === this.focused || (!this.focused && !number)) return;
    this.focused = text;
    this.op(["focus", number, isVisible ? 1 : 0], "focus");
  }

  /** Something is held down; 0 for nothing. */
  press(number: number): void {
    this.op(["press", number], "press");
  }
}
