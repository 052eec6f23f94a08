// Capture while a session runs: fetches its script, starts and stops it.
import type { Capture, Internal, Seen } from "../globals";
import type { Page, Rules } from "../wire";
import type { Link } from "./link";

const TRIES = 3;
const RETRY_MS = 1_000;

export class Capturing {
  private capture: Capture | undefined;
  private rules: Rules | undefined;
  private wanted = false;
  private loading = false;

  constructor(
    private readonly internal: Internal,
    private readonly integrity: string,
    private readonly link: Link,
    private readonly seen: Seen,
    /** The script is not to be had, or cannot do with this page. */
    private readonly failed: () => void,
    /** The script is there. */
    private readonly loaded: () => void,
  ) {}

  /** Fetch the script: it will be needed. */
  load(tries = TRIES): void {
    this.wanted = true;
    if (this.internal.startCapture || this.loading) return;
    this.loading = true;
    const version = encodeURIComponent(this.integrity.slice(-16));
    this.internal.insert(
      `capture.js?v=${version}`,
      () => {
        this.loading = false;
        if (this.internal.startCapture) {
          this.loaded();
          this.start();
        } else if (tries > 1 && this.wanted) setTimeout(() => this.load(tries - 1), RETRY_MS);
        else if (this.wanted) this.failed();
      },
      this.internal.config.integrity && this.integrity,
    );
  }

  /** The session runs on this page, by these rules. A running capture sends a keyframe. */
  begin(rules: Rules): void {
    this.rules = rules;
    if (this.capture) this.capture.keyframe();
    else this.start();
  }

  keyframe(): void {
    this.capture?.keyframe();
  }

  stop(): void {
    this.capture?.stop();
    this.capture = this.internal.capture = undefined;
    this.rules = undefined;
    this.wanted = false;
  }

  /** Needs two things, whichever comes last: the script and a running session. */
  private start(): void {
    const { rules, internal, link } = this;
    if (!rules || this.capture || !internal.startCapture) return;
    const sink = {
      isOpen: () => link.isOpen(),
      pendingBytes: () => link.pendingBytes(),
      send: (frame: Uint8Array) => link.send(frame),
      tell: (page: Page) => link.send({ type: "page", page }),
      failed: () => this.failed(),
    };
    try {
      this.capture = internal.capture = internal.startCapture(sink, rules, this.seen);
    } catch {
      this.failed(); // the page has replaced something that nothing can do without
    }
  }
}
