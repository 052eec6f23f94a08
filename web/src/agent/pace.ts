// How often the copy changes. Each time costs the agent's browser layout and paint, which is more than the
// change itself; a page that never rests would have the agent's machine never rest either.

/** Of a core, for changes over time. */
const SHARE = 0.08;
/** Work that may be done ahead of that: what comes now and then is shown at once. */
const CREDIT_MS = 60;
/** A change is not held for longer, so no more than this is owed. */
const LONGEST_MS = 150;
/** A new page may cost what it costs, with all that comes at its heels. */
const NEW_MS = 1_000;
/** What a late agent has missed comes all at once: so long a gap is its end. */
const GAP_MS = 4;

/** What may be done now, by what was done. All times in milliseconds. */
export class Budget {
  private credit = CREDIT_MS;
  private at = 0;

  spend(cost: number, now: number): void {
    this.credit = Math.max(this.creditAt(now) - cost, -LONGEST_MS * SHARE);
    this.at = now;
  }

  /** How long to hold what comes now; 0: not at all. */
  wait(now: number): number {
    return Math.max(0, -this.creditAt(now) / SHARE);
  }

  private creditAt(now: number): number {
    return Math.min(CREDIT_MS, this.credit + (now - this.at) * SHARE);
  }
}

/** Hands on what comes, in its order: at once, or while too much comes, several together. */
export class Pace<T> {
  private readonly budget = new Budget();
  private held: T[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isPainting = false;
  private freeUntil = 0;
  private gatherUntil = 0;
  private readonly painted = new MessageChannel();

  constructor(private readonly act: (one: T) => void) {
    document.addEventListener("visibilitychange", () => this.flush());
  }

  add(one: T): void {
    this.held.push(one);
    const now = performance.now();
    const isGathering = now < this.gatherUntil;
    if (this.timer !== undefined && !isGathering) return;
    clearTimeout(this.timer);
    // Nothing is painted for nobody, and timers would be late.
    const wait = document.hidden ? 0 : isGathering ? GAP_MS : this.budget.wait(now);
    if (wait) this.timer = setTimeout(() => this.flush(), wait);
    else this.flush();
  }

  /** Whatever is held, now: for what must not overtake it. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.held.length) return;
    this.gatherUntil = 0;
    const began = performance.now();
    const ready = this.held;
    this.held = [];
    for (const one of ready) {
      try {
        this.act(one);
      } catch (error) {
        reportError(error);
      }
    }
    this.spend(began);
    this.countPainting();
  }

  /** What comes next are many at once, to be painted once. */
  gather(): void {
    this.gatherUntil = performance.now() + LONGEST_MS;
  }

  /** A new page has come. */
  begin(): void {
    this.freeUntil = performance.now() + NEW_MS;
  }

  /** Layout and paint follow the frame's own callbacks, and a message follows them. */
  private countPainting(): void {
    if (this.isPainting) return;
    this.isPainting = true;
    requestAnimationFrame(() => {
      const began = performance.now();
      this.painted.port1.onmessage = () => {
        this.isPainting = false;
        this.spend(began);
      };
      this.painted.port2.postMessage(0);
    });
  }

  private spend(began: number): void {
    const now = performance.now();
    if (began > this.freeUntil) this.budget.spend(now - began, now);
  }
}
