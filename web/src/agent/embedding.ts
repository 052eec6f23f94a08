// The viewer's half of the Agent API: speaks with the page that shows the viewer in a frame, if that is
// the relay's own or one of the sites that may.
import { isTrusted } from "../trusted";
import texts from "../words/agent-errors.json";
import {
  type EventName,
  isWebAddress,
  MAX_NAME,
  MAX_PAYLOAD_BYTES,
  read,
  type ToPage,
  type ToViewer,
} from "./bridge";

export type ErrorCode = keyof typeof texts;

export interface PageHandlers {
  /** The page sends a session message. payload: JSON text. */
  say(name: string, payload: string): void;
  /** The page is there. kept: what the viewer before has left with it. */
  hello(kept: string | undefined): void;
  /** The agent's part in the session ends, and the frame goes there. */
  leave(url: string): void;
}

/** What a reload of the frame must not lose. taken: the last message heard, by page. */
export interface Kept {
  taken: [page: string, seq: number][];
  waiting: { name: string; payload: string }[];
}

/** Session messages that wait for a page that has not said hello yet. */
const MAX_WAITING = 64;
const MAX_PAGES = 8;

export class Embedding {
  private readonly frame = window.parent === window ? undefined : window.parent;
  private origin: string | undefined;
  private page = "";
  private taken = new Map<string, number>();
  private waiting: Kept["waiting"] = [];
  /** What a page that comes now has to know. */
  private present: { name: EventName; data?: object }[] = [];

  /** domains: whose pages may embed the viewer. */
  constructor(
    private readonly domains: readonly string[],
    private readonly handlers: PageHandlers,
  ) {
    if (!this.frame) return;
    addEventListener("message", (event) => this.hear(event));
    const origin = embedderOrigin();
    if (origin && this.trusts(origin)) this.postTo(origin, { cobrowse: "agent", type: "ready" });
  }

  get isEmbedded(): boolean {
    return !!this.frame;
  }

  get kept(): Kept {
    return { taken: [...this.taken], waiting: this.waiting };
  }

  restore({ taken, waiting }: Kept): void {
    this.taken = new Map(taken);
    this.waiting = [...waiting];
  }

  /** Let the page keep something for the viewer that comes next. */
  leave(kept: string): void {
    this.post({ cobrowse: "agent", type: "keep", kept });
  }

  navigate(data: object): void {
    this.present = [{ name: "navigate", data }];
    this.fire("navigate", data);
  }

  sessionEnd(): void {
    this.present.push({ name: "sessionend" });
    this.fire("sessionend");
  }

  /** name: of the session message that it is about. */
  fail(code: ErrorCode, msg: string = texts[code], name = ""): void {
    const data = { code, msg, ...(name && { name }) };
    if (!this.origin) this.present.push({ name: "error", data });
    this.fire("error", data);
  }

  /** A session message of the visitor. payload: JSON text. */
  message(name: string, payload: string): void {
    if (!this.frame) return;
    if (this.origin) this.post({ cobrowse: "agent", type: "message", name, payload });
    else this.waiting = [...this.waiting, { name, payload }].slice(-MAX_WAITING);
  }

  private fire(name: EventName, data?: object): void {
    this.post({ cobrowse: "agent", type: "event", name, ...(data && { data }) });
  }

  private post(message: ToPage): void {
    if (this.origin) this.postTo(this.origin, message);
  }

  private postTo(origin: string, message: ToPage): void {
    this.frame?.postMessage(message, origin);
  }

  private trusts(origin: string): boolean {
    return origin === location.origin || isTrusted(origin, this.domains);
  }

  private hear({ data, origin, source }: MessageEvent): void {
    if (source !== this.frame || !this.trusts(origin)) return;
    const message = read<ToViewer>(data);
    switch (message?.type) {
      case "hello":
        if (typeof message.page !== "string") break;
        this.handlers.hello(typeof message.kept === "string" ? message.kept : undefined);
        this.welcome(origin, message.page.slice(0, 64));
        break;
      case "say":
        if (message.page === this.page) this.take(message);
        break;
      case "leave":
        if (isWebAddress(message.url)) this.handlers.leave(message.url);
        break;
    }
  }

  private welcome(origin: string, page: string): void {
    const isNew = page !== this.page;
    this.origin = origin;
    this.page = page;
    const taken = this.taken.get(page) ?? 0;
    this.post({ cobrowse: "agent", type: "welcome", page, taken });
    if (!isNew) return;
    for (const { name, data } of this.present) this.fire(name, data);
    this.present = this.present.filter(({ name }) => name !== "error");
    for (const said of this.waiting.splice(0)) this.message(said.name, said.payload);
  }

  private take({ page, seq, base, name, payload }: ToViewer & { type: "say" }): void {
    if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(base)) return;
    const last = this.taken.get(page) ?? base - 1;
    // One that is ahead of its turn comes again, after those before it.
    if (seq > last + 1) return;
    if (seq === last + 1) {
      this.taken.delete(page);
      this.taken.set(page, seq); // the newest at the end
      for (const oldest of this.taken.keys()) {
        if (this.taken.size <= MAX_PAGES) break;
        this.taken.delete(oldest);
      }
      if (isMessage(name, payload)) this.handlers.say(name, payload);
      else this.fail("badmessage");
    }
    this.post({ cobrowse: "agent", type: "taken", seq: Math.max(last, seq) });
  }
}

function isMessage(name: unknown, payload: unknown): boolean {
  if (typeof name !== "string" || !name || name.length > MAX_NAME) return false;
  if (typeof payload !== "string") return false;
  if (new TextEncoder().encode(payload).length > MAX_PAYLOAD_BYTES) return false;
  try {
    JSON.parse(payload);
    return true;
  } catch {
    return false;
  }
}

/** Where the page around us is from, as far as the browser tells. */
function embedderOrigin(): string | undefined {
  const around = location.ancestorOrigins?.[0];
  if (around) return around;
  try {
    return new URL(document.referrer).origin;
  } catch {
    return undefined;
  }
}
