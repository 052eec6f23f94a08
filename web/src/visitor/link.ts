// The visitor's way to the relay: a fresh token, then a socket. It never touches the page.
import type { Config } from "../globals";
import { type FromVisitor, mayReconnect, SUBPROTOCOL, type ToVisitor } from "../wire";

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

  constructor(
    private readonly config: Config,
    private readonly handlers: LinkHandlers,
  ) {}

  /** Connect and say hello. An earlier socket is closed without a word. */
  async open(hello: (token: string) => FromVisitor): Promise<void> {
    this.close();
    const attempt = ++this.attempt;
    this.deadline = setTimeout(() => {
      this.close();
      this.handlers.closed(ABNORMAL, true);
    }, ANSWER_MS);
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
      socket = new WebSocket(this.address(), SUBPROTOCOL);
    } catch {
      // The page's own content security policy forbids it.
      this.close();
      await policyTold();
      this.handlers.closed(ABNORMAL, false);
      return;
    }
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify(hello(token)));
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      clearTimeout(this.deadline);
      this.handlers.message(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.close();
      this.handlers.closed(event.code, mayReconnect(event.code));
    };
  }

  isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  pendingBytes(): number {
    return this.socket?.bufferedAmount ?? 0;
  }

  send(message: FromVisitor | Uint8Array): void {
    if (!this.isOpen()) return;
    this.socket?.send(
      message instanceof Uint8Array
        ? (message as Uint8Array<ArrayBuffer>)
        : JSON.stringify(message),
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
    if (this.config.socket) return this.config.socket;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return `${scheme}//${location.host}${this.config.base}socket`;
  }

  private async fetchToken(): Promise<string | undefined> {
    try {
      const response = await fetch(`${location.origin}${this.config.base}token`, {
        method: "POST",
        credentials: "same-origin",
        cache: "no-store",
      });
      return response.ok ? await response.text() : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Browsers tell of what a policy has blocked after they have blocked it. */
function policyTold(): Promise<void> {
  return new Promise((told) => setTimeout(told));
}
