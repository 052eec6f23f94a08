// From the recorder's events to frames: what may leave is decided here, before anything is sent.
import { type eventWithTime, record } from "rrweb";
import type { Capture, Sink } from "../globals";
import { imageData } from "./images";
import { watchMouseRest } from "./mouse";
import { attributeEvent, META, visitElements } from "./nodes";
import { Outgoing } from "./outgoing";
import { maskValue, rememberIfSecret } from "./secrets";

/** From one keyframe to the next; the relay takes frames of up to 8 MiB. */
const IMAGE_BUDGET_BYTES = 3 * 1024 * 1024;
const ADDRESS_EVENTS = ["popstate", "hashchange"];

class Recorder implements Capture {
  private readonly outgoing: Outgoing<eventWithTime>;
  private imageBytes = 0;
  private readonly awaitingLoad = new WeakSet<Element>();
  private readonly rootWatch: MutationObserver;
  private readonly titleWatch: MutationObserver;
  private readonly stopAddress: () => void;
  private root: Element | null = null;
  private stopRecording: (() => void) | undefined;
  private readonly stopMouse: () => void;

  constructor(sink: Sink) {
    this.outgoing = new Outgoing(sink, {
      startsKeyframe: (event) => (event.type as number) === META,
      filter: (event) => this.filter(event),
      keyframe: () => this.keyframe(),
    });
    this.titleWatch = new MutationObserver(() => sink.pageChanged());
    for (const name of ADDRESS_EVENTS) addEventListener(name, sink.pageChanged);
    this.stopAddress = () => {
      for (const name of ADDRESS_EVENTS) removeEventListener(name, sink.pageChanged);
    };
    this.startRecording();
    this.rootWatch = new MutationObserver(() => this.followRoot());
    this.rootWatch.observe(document, { childList: true });
    this.stopMouse = watchMouseRest((event) => this.outgoing.add(event));
  }

  /** document.open() and a replaced root element leave the recorder with a tree that is gone. */
  private followRoot(): void {
    if (!document.documentElement || document.documentElement === this.root) return;
    this.stopRecording?.();
    this.startRecording();
  }

  private startRecording(): void {
    this.root = document.documentElement;
    this.titleWatch.disconnect();
    if (document.head) {
      this.titleWatch.observe(document.head, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    }
    this.stopRecording = record({
      // Called inside the page's own calls: it may only put aside, and never throw.
      emit: (event) => this.outgoing.add(event),
      errorHandler: () => true,
      recordAfter: "DOMContentLoaded",
      inlineStylesheet: true,
      slimDOMOptions: "all",
      // The choice which values to hide is ours alone, so every value goes past maskValue.
      maskAllInputs: true,
      maskInputFn: maskValue,
      sampling: { mousemove: 20, mousemoveCallback: 20, scroll: 16, media: 100 },
      recordCanvas: false,
      inlineImages: false,
      collectFonts: false,
    });
  }

  keyframe(): void {
    try {
      record.takeFullSnapshot(true);
    } catch {
      // Not recording yet: the first snapshot is still to come.
    }
  }

  stop(): void {
    this.outgoing.close();
    this.rootWatch.disconnect();
    this.titleWatch.disconnect();
    this.stopAddress();
    this.stopRecording?.();
    this.stopMouse();
  }

  /** Take out of an event what must not leave, and put in what the agent cannot fetch. */
  private filter(event: eventWithTime): void {
    if ((event.type as number) === META) this.imageBytes = 0;
    visitElements(event, (id, attributes) => {
      const node = record.mirror.getNode(id);
      if (node instanceof HTMLImageElement) this.inline(node, id, attributes);
      else if (node instanceof Element) {
        rememberIfSecret(node);
        if (node.tagName === "SOURCE") delete attributes.srcset;
        // A sheet that has not loaded yet: its rules follow when it has.
        if (node.tagName === "LINK") delete attributes.href;
        // The recorder does not look into the frames of a frameset.
        if (node.tagName === "FRAME") delete attributes.src;
      }
    });
  }

  private inline(image: HTMLImageElement, id: number, attributes: Record<string, unknown>): void {
    if (!("src" in attributes || "srcset" in attributes)) return;
    delete attributes.srcset;
    delete attributes.src;
    const data = this.affordable(imageData(image));
    if (data) {
      attributes.src = data;
    } else if (!this.awaitingLoad.has(image)) {
      this.awaitingLoad.add(image);
      image.addEventListener("load", () => this.sendLoaded(image, id), { once: true });
    }
  }

  /** Images stop where they would make a keyframe too large to be sent at all. */
  private affordable(data: string | undefined): string | undefined {
    if (!data || this.imageBytes + data.length > IMAGE_BUDGET_BYTES) return undefined;
    this.imageBytes += data.length;
    return data;
  }

  /** An attribute change without a value: the filter fills it in. */
  private sendLoaded(image: HTMLImageElement, id: number): void {
    this.awaitingLoad.delete(image);
    if (imageData(image)) this.outgoing.add(attributeEvent(id, { src: "" }));
  }
}

export function startCapture(sink: Sink): Capture {
  return new Recorder(sink);
}
