// Rebuilds the visitor's page from its frames, each event at once instead of by the player's timer.
import { type eventWithTime, Replayer } from "rrweb";
import { FrameDecoder } from "../codec";

/** The player's inner parts that applying at once needs. Pinned with the package's exact version. */
interface Inner {
  getCastFn(event: eventWithTime, isSync: boolean): () => void;
  emitter: { emit(name: string): void };
  service: { state: { context: { events: eventWithTime[] } } };
  resetCache(): void;
}

const VIDEO_CONTROLS_OFF = "video::-webkit-media-controls { display: none !important; }";

export class LiveReplay {
  private readonly decoder = new FrameDecoder<eventWithTime>();
  private readonly player: Replayer;
  private readonly inner: Inner;
  private started = false;

  /** onSize hears the visitor's viewport in CSS pixels. */
  constructor(root: HTMLElement, onSize: (width: number, height: number) => void) {
    this.player = new Replayer([], {
      root,
      liveMode: true,
      useVirtualDom: false,
      mouseTail: false,
      triggerFocus: false,
      pauseAnimation: false,
      showWarning: false,
      UNSAFE_replayCanvas: false,
      insertStyleRules: [VIDEO_CONTROLS_OFF],
    });
    this.inner = this.player as unknown as Inner;
    this.player.iframe.title = "The visitor's page";
    this.player.on("resize", (size) => {
      const { width, height } = size as { width: number; height: number };
      onSize(width, height);
    });
  }

  /** True when the frame was a keyframe, so that a whole page is to be seen. */
  apply(frame: Uint8Array): boolean {
    const batch = this.decoder.decode(frame);
    if (!batch) return false;
    if (batch.keyframe) this.inner.resetCache();
    for (const event of batch.events) {
      if (!this.started) this.begin(event);
      this.inner.getCastFn(event, true)();
      this.inner.emitter.emit("flush");
    }
    return batch.keyframe;
  }

  private begin(first: eventWithTime): void {
    this.started = true;
    this.inner.service.state.context.events.push(first);
    this.player.startLive(first.timestamp);
  }
}
