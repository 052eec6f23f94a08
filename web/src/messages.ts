// Session messages that arrive once and in order, whatever is cut or restarted on the way: the sender
// keeps each until the other end has acknowledged it. The relay keeps nothing.
import { fromJson, toJson } from "./native";
import type { Acknowledged, SessionMessage, Undelivered } from "./wire";

/** So much waits for one end; past it the page is told. */
const MAX_KEPT = 64;
const MAX_KEPT_CHARACTERS = 1_000_000;
/** Sent ahead of the first acknowledgement. */
const WINDOW = 8;
/** What is not acknowledged by then is sent again: it may have been lost on its way. */
const AGAIN_MS = 2_000;
/** Streams of others whose state is kept; an end makes one for each of its pages. */
const MAX_HEARD = 200;

export interface MessageHandlers {
  isOpen(): boolean;
  send(message: SessionMessage | Acknowledged): void;
  deliver(name: string, payload: unknown, end: string): void;
  /** A message will not arrive. */
  lost(name: string): void;
}

interface Kept {
  seq: number;
  name: string;
  /** JSON text. */
  payload: string;
}

interface Outbound {
  stream: string;
  next: number;
  /** The last that was sent since the line was made. */
  sent: number;
  kept: Kept[];
}

interface State {
  key: string;
  out: [end: string, stream: Outbound][];
  heard: [from: string, seq: number][];
}

export class Messages {
  private out = new Map<string, Outbound>();
  /** The last number heard, by end and stream. */
  private heard = new Map<string, number>();
  private timer: ReturnType<typeof setInterval> | undefined;

  /** storage: where the next page of the same tab finds what waits; key: of the session. */
  constructor(
    private readonly handlers: MessageHandlers,
    private readonly storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined,
    private readonly key = "",
  ) {
    this.load();
  }

  /** Say something to an end. False when too much waits for it already. */
  say(end: string, name: string, payload: unknown): boolean {
    const out = this.out.get(end) ?? { stream: randomId(), next: 1, sent: 0, kept: [] };
    const text = toJson(payload ?? null);
    const size = out.kept.reduce((sum, { payload }) => sum + payload.length, text.length);
    if (out.kept.length >= MAX_KEPT || size > MAX_KEPT_CHARACTERS) return false;
    out.kept.push({ seq: out.next++, name, payload: text });
    this.out.set(end, out);
    this.pump(end, out);
    this.timer ??= setInterval(() => this.sendAgain(), AGAIN_MS);
    return true;
  }

  hear(message: SessionMessage | Acknowledged | Undelivered): void {
    if (message.type === "message") this.onMessage(message);
    else if (message.type === "ack") this.onAcknowledged(message);
    else this.gone([message.end]);
  }

  /** The line was made, or made again. */
  sendAgain(): void {
    for (const [end, out] of this.out) {
      out.sent = 0;
      this.pump(end, out);
    }
  }

  /** These ends will not come back. */
  gone(ends: readonly string[]): void {
    for (const end of ends) {
      for (const { name } of this.out.get(end)?.kept ?? []) this.handlers.lost(name);
      this.out.delete(end);
    }
  }

  /** There is nobody to say anything to any more. */
  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.out.clear();
    this.heard.clear();
  }

  /** The page goes: the next one of this tab goes on. */
  save(): void {
    const state: State = { key: this.key, out: [...this.out], heard: [...this.heard] };
    try {
      this.storage?.setItem(STORED, toJson(state));
    } catch {
      // no room, or no storage: what waits is lost with the page
    }
  }

  /** Take over what an earlier page of this tab has left. It is taken only once. */
  load(): void {
    try {
      const text = this.storage?.getItem(STORED);
      if (!text) return;
      this.storage?.removeItem(STORED);
      const state = fromJson(text) as State;
      if (state.key !== this.key) return;
      this.out = new Map(state.out);
      this.heard = new Map(state.heard);
      if (this.out.size) this.timer ??= setInterval(() => this.sendAgain(), AGAIN_MS);
    } catch {
      // not ours
    }
  }

  private onMessage({ end = "", stream, seq, base, name, payload }: SessionMessage): void {
    const from = `${end} ${stream}`;
    const last = this.heard.get(from) ?? base - 1;
    // One that is ahead of its turn comes again, after those before it.
    if (seq > last + 1) return;
    const now = Math.max(last, seq);
    this.heard.delete(from);
    this.heard.set(from, now); // the newest at the end
    for (const oldest of this.heard.keys()) {
      if (this.heard.size <= MAX_HEARD) break;
      this.heard.delete(oldest);
    }
    if (seq === last + 1) this.handlers.deliver(name, payload, end);
    this.handlers.send({ type: "ack", end, stream, seq: now });
  }

  private onAcknowledged({ end = "", stream, seq }: Acknowledged): void {
    const out = this.out.get(end);
    if (out?.stream !== stream) return;
    out.kept = out.kept.filter((kept) => kept.seq > seq);
    this.pump(end, out);
  }

  private pump(end: string, out: Outbound): void {
    const base = out.kept[0]?.seq;
    if (base === undefined || !this.handlers.isOpen()) return;
    for (const { seq, name, payload } of out.kept) {
      if (seq >= base + WINDOW) break;
      if (seq <= out.sent) continue;
      out.sent = seq;
      const { stream } = out;
      const message = { type: "message", end, stream, seq, base, name } as const;
      this.handlers.send({ ...message, payload: fromJson(payload) });
    }
  }
}

const STORED = "cobrowse_messages";

export function randomId(): string {
  let id = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) {
    id += byte.toString(16).padStart(2, "0");
  }
  return id;
}
