// From the recorder's events to frames: what may leave is decided here, before anything is sent.
import { type eventWithTime, record } from "rrweb";
import { FrameEncoder } from "../codec";
import type { Capture, Sink } from "../globals";
import { imageData } from "./images";
import { watchMouseRest } from "./mouse";
import { attributeEvent, META, visitElements } from "./nodes";
import { isSecret, maskValue } from "./secrets";

/** While this much waits in the browser, events are gathered into fewer frames. */
const PRESSURE_BYTES = 65_536;
const PRESSURE_POLL_MS = 20;
/** From one keyframe to the next; the relay takes frames of up to 8 MiB. */
const IMAGE_BUDGET_BYTES = 3 * 1024 * 1024;
/** Past this many gathered events a fresh keyframe is smaller than what happened meanwhile. */
const BACKLOG_EVENTS = 5_000;

class Recorder implements Capture {
  private readonly encoder = new FrameEncoder();
  private queue: eventWithTime[] = [];
  private flushing = false;
  /** Nothing makes sense to the agent before a keyframe: at the start, and when frames were lost. */
  private needsKeyframe = true;
  private stopped = false;
  private imageBytes = 0;
  private readonly waiting = new WeakSet<Element>();
  private readonly stopRecording: (() => void) | undefined;
  private readonly stopMouse: () => void;

  constructor(private readonly sink: Sink) {
    this.stopRecording = record({
      // Called inside the page's own calls: it may only put aside, and never throw.
      emit: (event) => this.add(event),
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
    this.stopMouse = watchMouseRest((event) => this.add(event));
  }

  keyframe(): void {
    try {
      record.takeFullSnapshot(true);
    } catch {
      // Not recording yet: the first snapshot is still to come.
    }
  }

  stop(): void {
    this.stopped = true;
    this.stopRecording?.();
    this.stopMouse();
    this.queue = [];
  }

  private add(event: eventWithTime): void {
    if (this.stopped) return;
    this.queue.push(event);
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => this.flush());
  }

  private flush(): void {
    this.flushing = false;
    if (this.stopped || this.queue.length === 0) return;
    if (!this.sink.isOpen()) {
      this.queue = [];
      this.needsKeyframe = true;
      return;
    }
    if (this.sink.pendingBytes() > PRESSURE_BYTES) {
      if (this.queue.length > BACKLOG_EVENTS) {
        this.queue = [];
        this.keyframe();
      }
      this.flushing = true;
      setTimeout(() => this.flush(), PRESSURE_POLL_MS);
      return;
    }
    const events = this.queue.splice(0);
    // The newest snapshot makes all before it worthless.
    const start = events.map((event) => event.type as number).lastIndexOf(META);
    const isKeyframe = start >= 0;
    if (isKeyframe) this.needsKeyframe = false;
    else if (this.needsKeyframe) return;
    const kept = isKeyframe ? events.slice(start) : events;
    if (isKeyframe) this.imageBytes = 0;
    for (const event of kept) this.filter(event);
    this.sink.send(this.encoder.encode(kept, isKeyframe));
  }

  /** Take out of an event what must not leave, and put in what the agent cannot fetch. */
  private filter(event: eventWithTime): void {
    visitElements(event, (id, attributes) => {
      const node = record.mirror.getNode(id);
      if (node instanceof HTMLImageElement) this.inline(node, id, attributes);
      else if (node instanceof Element) {
        // Remembers a password field before the page can turn it into a text field.
        isSecret(node);
        if (node.tagName === "SOURCE") delete attributes.srcset;
        // A sheet that has not loaded yet: its rules follow when it has.
        if (node.tagName === "LINK") delete attributes.href;
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
    } else if (!this.waiting.has(image)) {
      this.waiting.add(image);
      image.addEventListener("load", () => this.send(image, id), { once: true });
    }
  }

  /** Images stop where they would make a keyframe too large to be sent at all. */
  private affordable(data: string | undefined): string | undefined {
    if (!data || this.imageBytes + data.length > IMAGE_BUDGET_BYTES) return undefined;
    this.imageBytes += data.length;
    return data;
  }

  private send(image: HTMLImageElement, id: number): void {
    this.waiting.delete(image);
    const data = this.affordable(imageData(image));
    if (!data) return;
    this.add(attributeEvent(id, { src: data }));
  }
}

export function startCapture(sink: Sink): Capture {
  return new Recorder(sink);
}
