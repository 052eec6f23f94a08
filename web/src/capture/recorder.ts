// Watches the page and tells the agent's copy what happens to it.
import type { Capture, Config, Seen, Sink } from "../globals";
import { on as listen } from "../native";
import { DOCUMENT, type Field, type Op } from "../ops";
import type { Rules } from "../wire";
import { Animations } from "./animations";
import { Assets } from "./assets";
import { Changes } from "./changes";
import * as dom from "./dom";
import { fieldState } from "./fields";
import { Media, scrollbarWidth } from "./media";
import { Moving } from "./moving";
import { Numbers } from "./numbers";
import { Outgoing } from "./outgoing";
import { currentPage } from "./page";
import { Pictures } from "./pictures";
import { Privacy } from "./privacy";
import { Remotes } from "./remote";
import { Selections } from "./selection";
import { adoptedTexts, doctypeOf, Serializer } from "./serialize";
import { Sheets } from "./sheets";
import { States } from "./states";
import { Tops } from "./tops";

/** How long the page waits for one slice of a keyframe. */
const SLICE_MS = 30;
/** What no event tells of is looked for this often. */
const SWEEP_MS = 100;
/** A page that is being resized, or that breaks us, gets its keyframe when it has come to rest. */
const REST_MS = 250;

const MAX_FAILURES = 5;

type Root = Document | ShadowRoot;

export class Recorder implements Capture {
  private readonly numbers = new Numbers();
  private readonly assets: Assets;
  private readonly privacy: Privacy;
  private readonly outgoing: Outgoing;
  private readonly serializer: Serializer;
  private readonly changes: Changes;
  private readonly sheets: Sheets;
  private readonly pictures: Pictures;
  private readonly remotes: Remotes;
  private readonly moving: Moving;
  private readonly animations: Animations;
  private readonly tops: Tops;
  private readonly states: States;
  private readonly selections: Selections;
  private readonly observer: MutationObserver;
  private readonly life = new AbortController();
  /** Roots that are listened to, and how to stop that. */
  private listening = new Map<Root, AbortController>();
  private fields = new Map<Element, string>();
  private frames = new Map<Element, Document | null>();
  private unmeasured = new Set<Text>();
  private scrolled: Element[] = [];
  private hasHiddenText = false;
  private slicing = false;
  private failures = 0;
  private isBroken = false;
  private isHidden = false;
  /** Width of scrollbars, once there was one to measure. */
  private bars: number | undefined;
  private told = "";
  private sweepTimer: ReturnType<typeof setTimeout> | undefined;
  private keyframeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly sink: Sink,
    rules: Rules,
    seen: Seen,
    closed: WeakMap<Element, ShadowRoot>,
    { base, hosts, tag }: Config,
  ) {
    this.assets = new Assets(base, rules.assets, !tag, sink);
    const media = new Media(() => this.keyframeSoon(0), this.life.signal);
    this.privacy = new Privacy(rules, seen.passwords, closed, this.assets, media);
    this.outgoing = new Outgoing(sink, () => this.keyframeSoon(0));
    const op = (op: Op, about?: string) => this.say(op, about);
    this.serializer = new Serializer(this.numbers, this.privacy, closed, seen.ignored, {
      shadow: (root) => this.listen(root),
      frame: (element, inner) => {
        this.frames.set(element, inner);
        if (inner) this.listen(inner);
        else this.remotes.ask(element);
      },
      field: (element, state) => this.fields.set(element, textOf(state)),
      sheet: (element) => this.sheets.watch(element),
      picture: (element) => this.pictures.want(element),
      hiddenText: (text, laidOut) => {
        this.hasHiddenText = true;
        if (!laidOut) this.unmeasured.add(text);
      },
      scrolled: (element) => this.scrolled.push(element),
      moving: (element) => this.moving.watch(element),
      top: (element) => this.tops.watch(element),
    });
    this.changes = new Changes(this.numbers, this.privacy, this.serializer, closed, {
      op,
      sheet: (element) => this.sheets.send(element),
      picture: (element) => this.pictures.want(element),
      field: (element) => this.field(element),
      document: (page) => this.documentChanged(page),
      roots: () => this.listening.keys(),
    });
    this.sheets = new Sheets(this.numbers, this.privacy, this.serializer, op);
    this.pictures = new Pictures(this.numbers, this.privacy, op);
    this.moving = new Moving(rules.canvas_fps, this.numbers, this.privacy, this.assets, op);
    this.remotes = new Remotes(
      hosts ?? [],
      rules,
      this.numbers,
      this.privacy,
      this.assets,
      op,
      this.life.signal,
    );
    this.tops = new Tops(this.numbers, op);
    const roots = () => this.listening.keys();
    this.states = new States(this.numbers, this.privacy, closed, roots, op);
    this.animations = new Animations(this.numbers, this.privacy, roots, op);
    this.selections = new Selections(this.numbers, this.privacy, roots, closed, op);
    this.privacy.learned = (text) => this.states.learn(text);
    this.observer = new MutationObserver((records) => this.onMutations(records));
    const { signal } = this.life;
    for (const name of ["popstate", "hashchange"]) {
      listen(window, name, () => this.guard(() => this.lookAround()), { signal });
      listen(window, name, () => setTimeout(() => this.guard(() => this.states.sweep(true))), {
        signal,
      });
    }
    this.guard(() => this.keyframe());
    this.watchScrollbars();
    this.sweepTimer = setTimeout(() => this.sweep(), SWEEP_MS);
  }

  stop(): void {
    this.life.abort();
    this.deafen();
    this.observer.disconnect();
    this.outgoing.close();
    this.pictures.stop();
    this.assets.stop();
    this.remotes.stop();
    clearTimeout(this.sweepTimer);
    clearTimeout(this.keyframeTimer);
  }

  /** The first to appear takes room in the copy that nothing has told of. */
  private watchScrollbars(): void {
    if (typeof ResizeObserver === "undefined" || !document.documentElement) return;
    const observer = new ResizeObserver(() => {
      if (this.bars !== undefined || scrollbarWidth() === undefined) return;
      observer.disconnect();
      this.keyframeSoon(0);
    });
    observer.observe(document.documentElement);
    this.life.signal.addEventListener("abort", () => observer.disconnect());
  }

  /** A shadow root was attached: its host is another element now. */
  attached(host: Element): void {
    // Later: the page is about to fill it, and must not wait for us.
    queueMicrotask(() =>
      this.guard(() => {
        this.changes.renew([host]);
        this.changes.recheckSlots([host]);
        this.goOn();
      }),
    );
  }

  // -- keyframes -------------------------------------------------------------------------------

  keyframe(): void {
    if (this.life.signal.aborted) return;
    this.isBroken = false;
    this.observer.disconnect();
    this.deafen();
    this.fields = new Map();
    this.frames = new Map();
    this.unmeasured = new Set();
    this.scrolled = [];
    this.hasHiddenText = false;
    this.numbers.reset();
    this.serializer.pending.clear();
    this.privacy.forgetSheets();
    this.sheets.reset();
    this.pictures.reset();
    this.assets.reset();
    this.tops.reset();
    this.moving.reset();
    this.animations.reset();
    this.states.reset();
    this.selections.reset();
    this.told = "";
    this.tellPage();
    this.isHidden = this.privacy.hidesPage(location.href);
    this.bars = scrollbarWidth() ?? this.bars;
    this.outgoing.add([
      "start",
      {
        doctype: doctypeOf(document),
        width: innerWidth,
        height: innerHeight,
        bars: this.bars,
      },
    ]);
    if (this.isHidden) {
      this.outgoing.hold(false);
      this.outgoing.add(["hidden"]);
      return;
    }
    this.privacy.secrets.lookFor(document);
    this.numbers.give(document);
    this.listen(document);
    this.serializer.readSheets(document);
    const adopted = adoptedTexts(document, this.privacy);
    if (adopted.length) this.outgoing.add(["adopted", DOCUMENT, adopted]);
    this.serializer.pending.add(document);
    this.slicing = true;
    // As long as no element has been found to be hidden, words of style sheets are not: they must wait
    // until all elements have been seen.
    this.outgoing.hold(!this.privacy.hidesWords);
    this.slice();
  }

  /** Make some of what is pending, and come back for the rest when the page had its turn. */
  private slice(): void {
    if (this.life.signal.aborted || this.isBroken) return;
    const { pending } = this.serializer;
    this.flushMutations();
    this.serializer.begin(performance.now() + SLICE_MS);
    for (const parent of pending) {
      pending.delete(parent);
      this.changes.resume(parent);
      if (this.serializer.isSpent) break;
    }
    if (pending.size) {
      setTimeout(() => this.guard(() => this.slice()));
    } else {
      this.slicing = false;
      this.failures = 0;
      this.tellScrolled();
      this.tops.sweep();
      this.states.sweep(true);
      this.selections.sweep();
      this.animations.sweep();
      this.outgoing.add(["complete"]);
      if (!this.privacy.isLate) this.outgoing.hold(false);
    }
  }

  /** Something may have been left pending. */
  private goOn(): void {
    if (!this.slicing && this.serializer.pending.size) {
      this.slicing = true;
      setTimeout(() => this.guard(() => this.slice()));
    }
    if (!this.slicing) this.tellScrolled();
  }

  private tellScrolled(): void {
    for (const element of this.scrolled.splice(0)) this.scroll(element);
    if (scrollX || scrollY) this.scroll(document);
  }

  /** Nothing leaves of a page that has become a hidden one since it was last looked at. */
  private say(op: Op, about?: string): void {
    if (this.privacy.hidesPage(location.href) === this.isHidden) {
      this.outgoing.add(op, about);
    } else {
      this.outgoing.drop();
      this.keyframeSoon(0);
    }
  }

  // -- what happens ----------------------------------------------------------------------------

  private flushMutations(): void {
    const records = this.observer.takeRecords();
    if (records.length) this.changes.apply(records);
  }

  private onMutations(records: MutationRecord[]): void {
    this.guard(() => {
      this.changes.apply(records);
      this.goOn();
      this.tellNews();
    });
  }

  /** When something of ours breaks, the page goes on and the agent gets a fresh keyframe. */
  private guard(work: () => void): void {
    try {
      work();
      this.hideLate();
    } catch {
      // What was decided may be stale now: nothing leaves before all is decided afresh.
      this.isBroken = true;
      this.observer.disconnect();
      this.deafen();
      this.outgoing.drop();
      // Again and again: then it is this page.
      if (++this.failures <= MAX_FAILURES) {
        this.keyframeSoon(REST_MS);
      } else {
        this.stop();
        this.sink.failed();
      }
    }
  }

  /** Words that may belong to something hidden are among what waits: the page is sent afresh. */
  private hideLate(): void {
    if (!this.privacy.isLate) return;
    this.privacy.isLate = false;
    this.outgoing.drop();
    this.keyframeSoon(0);
  }

  private keyframeSoon(wait: number): void {
    clearTimeout(this.keyframeTimer);
    this.keyframeTimer = setTimeout(() => this.guard(() => this.keyframe()), wait);
  }

  /** Events that end inside a shadow tree or a frame are heard only there. */
  private listen(root: Root): void {
    if (this.listening.has(root)) return;
    const life = new AbortController();
    this.listening.set(root, life);
    this.sheets.watchRoot(root);
    this.observer.observe(root, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
    const options = { capture: true, passive: true, signal: life.signal };
    const on = (name: string, act: (event: Event) => void) =>
      listen(root, name, (event) => this.guard(() => act(event)), options);
    on("scroll", ({ target }) => target && this.scroll(target as Node));
    for (const name of ["beforeinput", "input"]) {
      // Scripts cause the second, and may send either themselves: that says nothing of its target.
      on(name, ({ target, isTrusted }) => isTrusted && target && this.written(target as Element));
    }
    for (const name of ["input", "change", "reset", "click", "keyup"]) {
      on(name, () => this.lookAtFields());
    }
    for (const name of ["load", "error"]) {
      on(name, ({ target }) => target && this.loaded(target as Element));
    }
    for (const name of ["focusin", "focusout"]) {
      on(name, () => queueMicrotask(() => this.guard(() => this.states.sweep(true))));
    }
    // A closed tree tells nobody outside where in it something happens.
    if ((root as ShadowRoot).mode !== "open") {
      on("mousemove", (event) => this.mouse(event as MouseEvent));
    }
    if (dom.nodeType(root) !== dom.DOCUMENT_NODE) {
      on("slotchange", () => {
        this.changes.recheckSlots([(root as ShadowRoot).host]);
        this.states.sweep(true);
      });
      return;
    }
    on("selectionchange", () => queueMicrotask(() => this.guard(() => this.selections.sweep())));
    on("beforetoggle", ({ target }) => target && this.tops.opening(target as Element));
    for (const name of ["toggle", "beforetoggle", "close", "cancel"]) {
      on(name, () => setTimeout(() => this.guard(() => this.tops.sweep())));
    }
    for (const name of ["fullscreenchange", "invalid"]) {
      on(name, () => setTimeout(() => this.guard(() => this.states.sweep(true))));
    }
    on("pointerdown", (event) => this.states.press(this.numbers.of(innermostOf(event))));
    for (const name of ["pointerup", "pointercancel", "dragend"]) {
      on(name, () => this.states.press(0));
    }
    const view = (root as Document).defaultView;
    if (root === document) {
      if (view) listen(view, "resize", () => this.guard(() => this.resized()), options);
      const fonts = document.fonts as FontFaceSet | undefined;
      if (fonts) listen(fonts, "loadingdone", () => this.guard(() => this.remeasure()), options);
    }
  }

  /** Stop listening to all roots, or to those that are gone: nothing of ours may keep them. */
  private deafen(goneOnly = false): void {
    for (const [root, life] of this.listening) {
      if (goneOnly && this.numbers.of(root)) continue;
      life.abort();
      this.listening.delete(root);
    }
  }

  private loaded(element: Element): void {
    if (!this.numbers.of(element)) return;
    const tag = dom.localName(element);
    if (tag === "link" || tag === "style") this.sheets.send(element);
    else if (tag === "img") this.pictures.want(element);
    else if (this.frames.has(element)) this.frameLoaded(element);
  }

  private documentChanged(page: Document): void {
    const frame = dom.frameAround(page);
    // Later: it may be about to change once more.
    if (frame) queueMicrotask(() => this.guard(() => this.frameLoaded(frame)));
    else this.keyframeSoon(0);
  }

  private frameLoaded(element: Element): void {
    const inner = this.serializer.documentIn(element);
    if (inner && this.frames.get(element) === inner && this.numbers.of(inner.documentElement))
      return;
    this.changes.renew([element]);
    this.goOn();
  }

  private scroll(target: Node): void {
    const number = this.numbers.of(target);
    if (!number) return;
    const view = dom.isElement(target) ? null : (target as Document).defaultView;
    const [x, y] = view
      ? [view.scrollX, view.scrollY]
      : [dom.scrollLeft(target as Element), dom.scrollTop(target as Element)];
    this.outgoing.add(["scroll", number, Math.round(x), Math.round(y)], `scroll ${number}`);
  }

  /** Written into, or about to be: it is hidden before anyone is told what is written. */
  private written(target: Element): void {
    if (!this.numbers.of(target) || !this.privacy.isNewField(target)) return;
    this.changes.renew([target]);
    this.goOn();
  }

  private mouse(event: MouseEvent): void {
    let { clientX: x, clientY: y } = event;
    const innermost = innermostOf(event);
    let frame = dom.frameAround((event.target as Node).ownerDocument ?? document);
    while (frame) {
      const { left, top } = frame.getBoundingClientRect();
      x += left + frame.clientLeft;
      y += top + frame.clientTop;
      frame = frame.ownerDocument ? dom.frameAround(frame.ownerDocument) : null;
    }
    const over = this.numbers.of(innermost);
    this.outgoing.add(["mouse", Math.round(x), Math.round(y), over], "mouse");
  }

  private resized(): void {
    this.outgoing.add(["viewport", innerWidth, innerHeight], "viewport");
    this.remeasure();
  }

  /** Hidden text has other widths now. */
  private remeasure(): void {
    if (this.hasHiddenText) this.keyframeSoon(REST_MS);
  }

  // -- what no event tells of ------------------------------------------------------------------

  private sweep(): void {
    this.sweepTimer = setTimeout(() => this.sweep(), SWEEP_MS);
    this.guard(() => {
      this.lookAround();
      if (this.isHidden || this.isBroken) return;
      this.changes.recheck();
      this.goOn();
      const root = document.documentElement;
      if (root && !this.slicing && !this.numbers.of(root)) {
        this.keyframe(); // document.open() has swept us away
        return;
      }
      this.sweepFields();
      this.sheets.sweep();
      this.sweepFrames();
      this.tops.sweep();
      this.states.sweep();
      this.selections.sweep();
      this.animations.sweep();
      this.moving.sweep(performance.now());
      this.deafen(true);
      this.measure();
      this.tellNews();
    });
  }

  /** Another address without a page load, another title. */
  private lookAround(): void {
    this.tellPage();
    if (this.privacy.hidesPage(location.href) !== this.isHidden) this.keyframe();
  }

  private tellPage(): void {
    const now = `${location.href} ${dom.documentTitle(document)} ${this.privacy.hidesTitle()}`;
    if (this.told === now || !this.sink.isOpen()) return;
    this.told = now;
    this.sink.tell(currentPage(this.privacy));
  }

  /** Something may have been typed or chosen. Whether it is hidden may have changed in the same task. */
  private lookAtFields(): void {
    this.flushMutations();
    this.changes.recheck();
    this.sweepFields();
    this.states.sweep(true);
    this.goOn();
  }

  private sweepFields(): void {
    for (const element of [...this.fields.keys()]) {
      if (this.numbers.of(element)) this.field(element);
      else this.fields.delete(element);
    }
  }

  private field(element: Element): void {
    const number = this.numbers.of(element);
    if (!number || !this.fields.has(element)) return;
    if (this.privacy.isStale(element)) {
      this.changes.renew([element]); // it holds a secret now
      return;
    }
    const state = fieldState(element, this.privacy);
    const text = textOf(state);
    const known = this.fields.get(element);
    this.fields.set(element, text);
    if (known !== text) this.say(["field", number, state], `field ${number}`);
  }

  private sweepFrames(): void {
    for (const [element, inner] of this.frames) {
      if (!this.numbers.of(element)) this.frames.delete(element);
      else if (this.serializer.documentIn(element) !== inner) this.frameLoaded(element);
    }
  }

  /** Hidden text that was not laid out when it was made. */
  private measure(): void {
    for (const text of [...this.unmeasured]) {
      const number = this.numbers.of(text);
      const parent = dom.parentNode(text);
      if (!number || !parent) {
        this.unmeasured.delete(text);
        continue;
      }
      if (dom.isElement(parent) && !dom.isLaidOut(parent)) continue;
      const shown = this.serializer.text(text, true);
      this.unmeasured.delete(text); // with a box or without
      this.say(["text", number, shown as string], `text ${number}`);
    }
  }

  /** A new sheet speaks of names that were held back as meaning nothing. */
  private tellNews(): void {
    for (const key of this.privacy.news.splice(0)) {
      const name = CSS.escape(key.slice(1));
      const [selector, attribute] = key.startsWith("[")
        ? [`[${name}]`, key.slice(1)]
        : [key.charAt(0) + name, key.startsWith(".") ? "class" : "id"];
      for (const element of document.querySelectorAll(selector)) {
        const number = this.numbers.of(element);
        if (number) this.changes.attribute(element, number, attribute);
      }
    }
  }
}

function innermostOf(event: Event): Node {
  return event.composedPath()[0] as Node;
}

function textOf({ v, c, i, s }: Field): string {
  return `${v} ${c} ${i} ${s}`;
}
