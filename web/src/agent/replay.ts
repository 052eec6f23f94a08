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

const FULL_SNAPSHOT = 2;
const DOCTYPE_NODE = 1;

interface SnapshotRoot {
  compatMode?: string;
  childNodes: SnapshotChild[];
}

interface SnapshotChild {
  type: number;
  name?: string;
  publicId?: string;
  systemId?: string;
}

function doctypeText({ name = "html", publicId = "", systemId = "" }: SnapshotChild): string {
  const clean = (text: string) => text.replace(/[<>"']/g, "");
  let ids = "";
  if (publicId) ids = ` PUBLIC "${clean(publicId)}"`;
  else if (systemId) ids = " SYSTEM";
  if (systemId) ids += ` "${clean(systemId)}"`;
  return `<!DOCTYPE ${clean(name)}${ids}>`;
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
      if ((event.type as number) === FULL_SNAPSHOT) this.keepLayoutMode(event);
      this.inner.getCastFn(event, true)();
      this.inner.emitter.emit("flush");
    }
    return batch.keyframe;
  }

  /**
   * The player puts a doctype into the copy as a node, which leaves it in standards mode. Written into
   * the opened document instead, it gives the copy the layout mode of the page.
   */
  private keepLayoutMode(event: eventWithTime): void {
    const root = (event.data as { node: SnapshotRoot }).node;
    const doctype = root.childNodes.find((child) => child.type === DOCTYPE_NODE);
    const copy = this.player.iframe.contentDocument;
    if (!copy) return;
    Reflect.deleteProperty(copy, "open"); // of the page before
    if (!doctype) return;
    root.childNodes = root.childNodes.filter((child) => child !== doctype);
    root.compatMode = "";
    const text = doctypeText(doctype);
    copy.open = (() => {
      (Document.prototype.open as () => Document).call(copy);
      copy.write(text);
      return copy;
    }) as typeof copy.open;
  }

  private begin(first: eventWithTime): void {
    this.started = true;
    this.inner.service.state.context.events.push(first);
    this.player.startLive(first.timestamp);
  }
}
