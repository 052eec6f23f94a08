// Events on their way out: at once while the link is idle, gathered into fewer frames under pressure.
import { FrameEncoder } from "../codec";
import type { Sink } from "../globals";

/** While this much waits in the browser, events are gathered. */
const PRESSURE_BYTES = 65_536;
const PRESSURE_POLL_MS = 20;
/** Past this many gathered events a fresh keyframe is smaller than what happened meanwhile. */
const BACKLOG_EVENTS = 5_000;

export interface Source<Event> {
  /** Whether a keyframe begins with this event. */
  startsKeyframe(event: Event): boolean;
  /** Take out of an event what must not leave. When it throws, the event does not leave at all. */
  filter(event: Event): void;
  /** Make a keyframe now, by way of add(). */
  keyframe(): void;
}

export class Outgoing<Event> {
  private readonly encoder = new FrameEncoder();
  private queue: Event[] = [];
  private flushing = false;
  private closed = false;
  /** Nothing makes sense to the agent before a keyframe: at the start, and when events were lost. */
  private needsKeyframe = true;

  constructor(
    private readonly sink: Sink,
    private readonly source: Source<Event>,
  ) {}

  /** Only puts aside: it is called inside the page's own calls. */
  add(event: Event): void {
    if (this.closed) return;
    this.queue.push(event);
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => this.flush());
  }

  close(): void {
    this.closed = true;
    this.queue = [];
  }

  private flush(): void {
    this.flushing = false;
    if (this.closed || this.queue.length === 0) return;
    if (!this.sink.isOpen()) {
      this.lose();
    } else if (this.sink.pendingBytes() > PRESSURE_BYTES) {
      this.flushing = true;
      if (this.queue.length > BACKLOG_EVENTS) {
        this.lose();
        this.source.keyframe();
      }
      setTimeout(() => this.flush(), PRESSURE_POLL_MS);
    } else {
      this.send(this.queue.splice(0));
    }
  }

  private lose(): void {
    this.queue = [];
    this.needsKeyframe = true;
  }

  private send(events: Event[]): void {
    // The newest keyframe makes all before it worthless.
    let start = events.length - 1;
    while (start > 0 && !this.source.startsKeyframe(events[start] as Event)) start--;
    const isKeyframe = this.source.startsKeyframe(events[start] as Event);
    if (!isKeyframe && this.needsKeyframe) return;
    const kept = events.slice(start);
    try {
      for (const event of kept) this.source.filter(event);
      this.sink.send(this.encoder.encode(kept, isKeyframe));
      this.needsKeyframe = false;
    } catch {
      this.lose();
    }
  }
}
