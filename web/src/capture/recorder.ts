// From the recorder's events to frames: what may leave is decided here, before anything is sent.
import { type eventWithTime, record } from "rrweb";
import type { Capture, Sink } from "../globals";
import { imageData } from "./images";
import { watchMouseRest } from "./mouse";
import { attributeEvent, META, visitElements } from "./nodes";
import { Outgoing } from "./outgoing";
import { isSecret, maskValue } from "./secrets";

/** From one keyframe to the next; the relay takes frames of up to 8 MiB. */
const IMAGE_BUDGET_BYTES = 3 * 1024 * 1024;

class Recorder implements Capture {
  private readonly outgoing: Outgoing<eventWithTime>;
  private imageBytes = 0;
  private readonly waiting = new WeakSet<Element>();
  private readonly stopRecording: (() => void) | undefined;
  private readonly stopMouse: () => void;

  constructor(sink: Sink) {
    this.outgoing = new Outgoing(sink, {
      startsKeyframe: (event) => (event.type as number) === META,
      filter: (event, isKeyframe) => this.filter(event, isKeyframe),
      keyframe: () => this.keyframe(),
    });
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
    this.stopMouse = watchMouseRest((event) => this.outgoing.add(event));
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
    this.stopRecording?.();
    this.stopMouse();
  }

  /** Take out of an event what must not leave, and put in what the agent cannot fetch. */
  private filter(event: eventWithTime, isKeyframe: boolean): void {
    if (isKeyframe && (event.type as number) === META) this.imageBytes = 0;
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
    this.outgoing.add(attributeEvent(id, { src: data }));
  }
}

export function startCapture(sink: Sink): Capture {
  return new Recorder(sink);
}
