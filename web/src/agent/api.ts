// GLANCE.Cobrowse.Agent: what a page that shows the agent's viewer in a frame drives it with.
import { randomId } from "../messages";
import { toJson } from "../native";
import { call } from "../visitor/events";
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

// Replaced by the relay. viewer: URL of the relay.
declare const __COBROWSE__: { viewer: string };

type Handler = (name: string, data: unknown) => unknown;
type ErrorCode = keyof typeof texts;
type Without<Message> = Message extends unknown ? Omit<Message, "cobrowse"> : never;

interface Said {
  seq: number;
  name: string;
  /** JSON text. */
  payload: string;
}

/** So much waits for the viewer; past it the page is told. */
const MAX_KEPT = 64;
const MAX_KEPT_CHARACTERS = 1_000_000;
/** A frame that has loaded, and is the viewer, has said so by then. */
const ANSWER_MS = 10_000;
const LEAVE_MS = 3_000;

/** Handlers by name. */
class Handlers {
  private readonly known = new Map<string, Set<Handler>>();

  add(name: unknown, handler: unknown): void {
    if (typeof handler !== "function") throw new TypeError("The handler is not a function.");
    const handlers = this.known.get(String(name)) ?? new Set();
    this.known.set(String(name), handlers.add(handler as Handler));
  }

  remove(name: unknown, handler: unknown): void {
    this.known.get(String(name))?.delete(handler as Handler);
  }

  call(name: string, data: unknown): void {
    for (const handler of [...(this.known.get(name) ?? [])]) call(handler, name, data);
  }
}

class Agent {
  private readonly events = new Handlers();
  private readonly messages = new Handlers();
  private readonly page = randomId();
  private frame: HTMLIFrameElement | undefined;
  private isConnected = false;
  /** Said, and not yet taken over by the viewer. */
  private kept: Said[] = [];
  private next = 1;
  private answer: ReturnType<typeof setTimeout> | undefined;
  /** What a viewer has left for the next one in the frame. */
  private viewerKept: string | undefined;
  /** The src of a frame whose viewer has been left. */
  private left: string | undefined;

  /** origins: those of the relay. */
  constructor(private readonly origins: readonly string[]) {
    addEventListener("message", (event) => this.hear(event));
  }

  init(frame: unknown): void {
    if (!(frame instanceof HTMLIFrameElement)) {
      throw new TypeError("init() takes the iframe that shows the agent's viewer.");
    }
    if (this.frame !== frame) {
      this.frame?.removeEventListener("load", this.onLoad);
      frame.addEventListener("load", this.onLoad);
      this.isConnected = false;
    }
    this.frame = frame;
    this.left = undefined;
    this.greet();
  }

  addEventListener(name: unknown, handler: unknown): void {
    this.events.add(name, handler);
  }

  removeEventListener(name: unknown, handler: unknown): void {
    this.events.remove(name, handler);
  }

  addSessionMessageListener(name: unknown, handler: unknown): void {
    this.messages.add(name, handler);
  }

  removeSessionMessageListener(name: unknown, handler: unknown): void {
    this.messages.remove(name, handler);
  }

  sendSessionMessage(name: unknown, message: unknown): void {
    const text = jsonOf(message);
    const title = typeof name === "string" ? name : "";
    if (text === undefined || !title || title.length > MAX_NAME) {
      this.fail("badmessage", title);
      return;
    }
    const size = this.kept.reduce((sum, { payload }) => sum + payload.length, text.length);
    if (this.kept.length >= MAX_KEPT || size > MAX_KEPT_CHARACTERS) {
      this.fail("busy", title);
      return;
    }
    const said = { seq: this.next++, name: title, payload: text };
    this.kept.push(said);
    if (this.isConnected) this.say(said);
  }

  leaveSession(url: unknown): void {
    const address = webAddress(url);
    const { frame } = this;
    if (!frame) throw new Error("leaveSession() needs a frame: call init() first.");
    for (const { name } of this.kept.splice(0)) this.fail("undelivered", name);
    clearTimeout(this.answer);
    if (!this.isConnected) {
      frame.src = address;
      this.left = frame.src;
      return;
    }
    this.left = frame.src;
    this.post({ type: "leave", url: address });
    // A viewer that hangs does not hold the frame.
    const lead = setTimeout(() => {
      frame.src = address;
    }, LEAVE_MS);
    frame.addEventListener("load", () => clearTimeout(lead), { once: true });
  }

  private readonly onLoad = () => {
    this.isConnected = false;
    if (this.left === this.frame?.src) return;
    this.left = undefined;
    clearTimeout(this.answer);
    this.answer = setTimeout(() => this.fail("noviewer"), ANSWER_MS);
    this.greet();
  };

  /** Say hello to a viewer that may be there. */
  private greet(): void {
    // A frame that is still empty is of our own origin, and nobody in it listens.
    if (this.frame?.contentDocument?.URL === "about:blank") return;
    this.hello();
  }

  private hello(): void {
    const kept = this.viewerKept;
    this.post({ type: "hello", page: this.page, ...(kept !== undefined && { kept }) });
  }

  private post(message: Without<ToViewer>): void {
    const { frame, origins } = this;
    const own = frame?.src ? new URL(frame.src).origin : "";
    const target = origins.includes(own) ? own : (origins[0] as string);
    frame?.contentWindow?.postMessage({ cobrowse: "agent", ...message }, target);
  }

  private hear({ data, origin, source }: MessageEvent): void {
    if (!source || source !== this.frame?.contentWindow || !this.origins.includes(origin)) return;
    const message = read<ToPage>(data);
    switch (message?.type) {
      case "ready":
        this.isConnected = false;
        this.left = undefined;
        this.hello();
        break;
      case "welcome":
        if (message.page !== this.page) break;
        clearTimeout(this.answer);
        this.isConnected = true;
        this.viewerKept = undefined;
        this.taken(message.taken);
        for (const said of this.kept) this.say(said);
        break;
      case "taken":
        this.taken(message.seq);
        break;
      case "keep":
        this.viewerKept = message.kept;
        break;
      case "event":
        this.events.call(message.name, message.data);
        break;
      case "message":
        this.messages.call(message.name, JSON.parse(message.payload));
        break;
    }
  }

  private say(said: Said): void {
    const base = this.kept[0]?.seq ?? said.seq;
    this.post({ type: "say", page: this.page, base, ...said });
  }

  private taken(seq: number): void {
    this.kept = this.kept.filter((said) => said.seq > seq);
  }

  /** name: of the message that it is about. */
  private fail(code: ErrorCode, name = ""): void {
    const event: EventName = "error";
    this.events.call(event, { code, msg: texts[code], ...(name && { name }) });
  }
}

/** Undefined for what JSON cannot hold, or not within the limit. */
function jsonOf(message: unknown): string | undefined {
  try {
    const text = toJson(message ?? null) as string | undefined;
    return text && new TextEncoder().encode(text).length <= MAX_PAYLOAD_BYTES ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Relative addresses are the page's. Throws for anything but http and https. */
function webAddress(url: unknown): string {
  let address = "";
  try {
    address = new URL(String(url), document.baseURI).href;
  } catch {
    // told below
  }
  if (url === undefined || url === null || !isWebAddress(address)) {
    throw new TypeError(`leaveSession() takes an http or https URL, not ${String(url)}.`);
  }
  return address;
}

const METHODS = [
  "init",
  "addEventListener",
  "removeEventListener",
  "addSessionMessageListener",
  "removeSessionMessageListener",
  "sendSessionMessage",
  "leaveSession",
] as const;

interface AgentPage {
  GLANCE?: { Cobrowse?: { Agent?: Record<string, (...args: unknown[]) => void> } };
}

const page = window as AgentPage;
page.GLANCE ??= {};
page.GLANCE.Cobrowse ??= {};
if (!page.GLANCE.Cobrowse.Agent) {
  const own = document.currentScript as HTMLScriptElement | null;
  const addresses = [own?.src, __COBROWSE__.viewer].filter((url) => url !== undefined);
  const agent = new Agent(addresses.map((url) => new URL(url).origin));
  // Pages may take a method off the object and call it by itself.
  const methods: Record<string, (...args: unknown[]) => void> = {};
  for (const name of METHODS) {
    methods[name] = (...args) => (agent[name] as (...args: unknown[]) => void).apply(agent, args);
  }
  page.GLANCE.Cobrowse.Agent = methods;
}
