// The visitor's way to the relay: a fresh token, then a socket. It never touches the page.
import type { Internal } from "../globals";
import { fromJson, NativePromise, NativeSocket, nativeFetch, on, toJson } from "../native";
import {
  type FromVisitor,
  type Hello,
  mayReconnect,
  SILENCE_MS,
  SUBPROTOCOL,
  type ToVisitor,
} from "../wire";
import { siteDomain } from "./ticket";

export interface LinkHandlers {
  message(message: ToVisitor): void;
  /** The socket is gone, or never came. */
  closed(code: number, retry: boolean): void;
}

/** Stands for "no answer at all", as browsers do. */
const ABNORMAL = 1006;
/** How long the relay may take for its first word. */
const ANSWER_MS = 10_000;

export class Link {
  private socket: WebSocket | undefined;
  private attempt = 0;
  private deadline: ReturnType<typeof setTimeout> | undefined;
  /** The page's content security policy has kept something from us. */
  isPoliced = false;

  constructor(
    private readonly internal: Internal,
    private readonly handlers: LinkHandlers,
  ) {
    const { base, socket } = internal.config;
    type Violation = SecurityPolicyViolationEvent;
    on<Violation>(document, "securitypolicyviolation", ({ blockedURI, disposition }) => {
      const isOurs = blockedURI.includes(base) || blockedURI === socket;
      if (isOurs && disposition === "enforce") this.isPoliced = true;
    });
  }

  /** Connect and say hello, from this site. An earlier socket is closed without a word. */
  async open(hello: (token: string) => Hello): Promise<void> {
    this.close();
    const attempt = ++this.attempt;
    this.deadline = setTimeout(() => this.lose(), ANSWER_MS);
    const token = await this.fetchToken();
    if (attempt !== this.attempt) return;
    if (token === undefined) {
      this.close();
      await policyTold();
      this.handlers.closed(ABNORMAL, true);
      return;
    }
    let socket: WebSocket;
    try {
      socket = new NativeSocket(this.address(), SUBPROTOCOL);
    } catch {
      // The page's own content security policy forbids it.
      this.close();
      await policyTold();
      this.handlers.closed(ABNORMAL, false);
      return;
    }
    this.socket = socket;
    const { site } = this.internal.config;
    socket.onopen = () => socket.send(toJson({ ...hello(token), site }));
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      clearTimeout(this.deadline);
      this.deadline = setTimeout(() => this.lose(), SILENCE_MS);
      this.handlers.message(fromJson(event.data) as ToVisitor);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.close();
      this.handlers.closed(event.code, mayReconnect(event.code));
    };
  }

  /** The relay gives no sign of life. */
  private lose(): void {
    this.close();
    this.handlers.closed(ABNORMAL, true);
  }

  isOpen(): boolean {
    return this.socket?.readyState === OPEN;
  }

  pendingBytes(): number {
    return this.socket?.bufferedAmount ?? 0;
  }

  send(message: FromVisitor | Uint8Array): void {
    if (!this.isOpen()) return;
    this.socket?.send(
      message instanceof Uint8Array ? (message as Uint8Array<ArrayBuffer>) : toJson(message),
    );
  }

  close(): void {
    this.attempt++;
    clearTimeout(this.deadline);
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  private address(): string {
    const { base, socket } = this.internal.config;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return socket || `${scheme}//${location.host}${base}socket`;
  }

  private async fetchToken(): Promise<string | undefined> {
    const { config } = this.internal;
    const url = new URL(`${config.base}token`, location.origin);
    if (config.tag) url.searchParams.set("group", config.group);
    else url.searchParams.set("domain", siteDomain());
    try {
      const response = await nativeFetch(url, {
        method: "POST",
        // Without a proxy there is no cookie of ours: the page's own storage holds what stands for it.
        body: config.tag ? ownSecret() : "",
        credentials: "same-origin",
        cache: "no-store",
      });
      return response.ok ? await response.text() : undefined;
    } catch {
      return undefined;
    }
  }
}

/** WebSocket.OPEN, which is the page's to replace. */
const OPEN = 1;
const SECRET_NAME = "cobrowse_visitor";

function ownSecret(): string {
  try {
    const known = localStorage.getItem(SECRET_NAME);
    if (known) return known;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    let made = "";
    for (const byte of bytes) made += byte.toString(16).padStart(2, "0");
    localStorage.setItem(SECRET_NAME, made);
    return made;
  } catch {
    return "";
  }
}

/** Browsers tell of what a policy has blocked after they have blocked it. */
function policyTold(): Promise<void> {
  return new NativePromise((told) => setTimeout(told));
}
