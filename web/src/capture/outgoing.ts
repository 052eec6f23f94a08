// Operations on their way out: at once while the link is idle, gathered into fewer frames otherwise.
import { FrameEncoder } from "../codec";
import type { Sink } from "../globals";
import type { Op } from "../ops";

/** Two frames are at least so far apart; what happens between them to one thing is sent once. */
const GAP_MS = 8;
/** While this much waits in the browser, operations are gathered. */
const PRESSURE_BYTES = 65_536;
const PRESSURE_POLL_MS = 20;
/** Past this many gathered operations a fresh keyframe is smaller than what happened meanwhile. */
const BACKLOG_OPS = 5_000;

export class Outgoing {
  private readonly encoder = new FrameEncoder();
  private queue: (Op | undefined)[] = [];
  /** Where in the queue the last word on something is. */
  private readonly places = new Map<string, number>();
  private scheduled = false;
  private held = false;
  private closed = false;
  private sentAt = Number.NEGATIVE_INFINITY;
  /** Nothing makes sense to the agent before a keyframe: at the start, and when some were lost. */
  private needsKeyframe = true;

  /** lost: operations were dropped; a keyframe is wanted when the link is there. */
  constructor(
    private readonly sink: Sink,
    private readonly lost: () => void,
  ) {}

  /** about: what this is the last word on; an earlier one that still waits is dropped. */
  add(op: Op, about = ""): void {
    if (this.closed) return;
    if (op[0] === "start") {
      this.clear();
      this.needsKeyframe = false;
    }
    if (this.needsKeyframe) return;
    if (about) {
      const place = this.places.get(about);
      if (place !== undefined) this.queue[place] = undefined;
      this.places.set(about, this.queue.length);
    }
    this.queue.push(op);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled || this.held || !this.queue.length) return;
    this.scheduled = true;
    const wait = this.sentAt + GAP_MS - performance.now();
    if (wait > 0) setTimeout(() => this.flush(), wait);
    else queueMicrotask(() => this.flush());
  }

  /** Forget what waits: the next thing is a keyframe. */
  drop(): void {
    this.clear();
    this.needsKeyframe = true;
  }

  /** Gather, and send nothing until this is called with false. */
  hold(held: boolean): void {
    this.held = held;
    if (!held) this.schedule();
  }

  close(): void {
    this.closed = true;
    this.clear();
  }

  private clear(): void {
    this.queue = [];
    this.places.clear();
  }

  private flush(): void {
    this.scheduled = false;
    if (this.closed || this.held || this.queue.length === 0) return;
    if (!this.sink.isOpen()) {
      this.drop();
    } else if (this.sink.pendingBytes() > PRESSURE_BYTES) {
      this.scheduled = true;
      if (this.queue.length > BACKLOG_OPS) {
        this.drop();
        this.lost();
      }
      setTimeout(() => this.flush(), PRESSURE_POLL_MS);
    } else {
      this.send();
    }
  }

  private send(): void {
    const ops = this.queue.filter((op): op is Op => op !== undefined);
    this.clear();
    this.sentAt = performance.now();
    try {
      if (this.sink.ops) this.sink.ops({ ops });
      else this.sink.send(this.encoder.encode(ops, ops[0]?.[0] === "start"));
    } catch {
      this.drop();
      this.lost();
    }
  }
}
