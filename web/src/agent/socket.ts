// An agent page's socket: says hello, hands messages on, and comes back when the line was cut.
import { mayReconnect, SILENCE_MS, SUBPROTOCOL, type ToAgent } from "../wire";

export interface Boot {
  token: string;
  key: string;
  /** Wait for a session that has not begun yet. */
  wait: boolean;
  group: string;
  /** Hosts whose pages may show us in a frame. */
  embedders: string[];
}

/** How an agent page says something; lost while the line is cut. */
export interface Line {
  isOpen(): boolean;
  send(message: object): void;
  /** Leave for good: settled when the relay knows, or soon after. */
  close(): Promise<void>;
}

export interface AgentHandlers {
  message(message: ToAgent): void;
  frame?(bytes: Uint8Array): void;
  /** The line is cut; it is tried again when retrying is true. */
  lost(retrying: boolean): void;
}

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 3_000;
/** A connection that held this long was a good one. */
const STABLE_MS = 10_000;
const CLOSE_MS = 1_000;
/** In order: an agent who goes so does not come back. */
const LEFT = 1000;

export function readBoot(): Boot {
  return JSON.parse(document.getElementById("boot")?.textContent ?? "{}") as Boot;
}

/** hello: what to say first, each time the line is made. */
export function connect(hello: () => object, handlers: AgentHandlers): Line {
  let line: WebSocket | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let retries = 0;
  let openedAt = 0;
  let heardAt = 0;
  const open = () => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/agent/socket`, SUBPROTOCOL);
    line = socket;
    heardAt = Date.now();
    // A line may be dead without telling: the relay's beats stop.
    const watch = setInterval(() => {
      if (Date.now() - heardAt > SILENCE_MS) lose();
    }, SILENCE_MS / 5);
    const lose = () => {
      socket.onclose = null;
      socket.close();
      gone(1006);
    };
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      openedAt = Date.now();
      socket.send(JSON.stringify(hello()));
    };
    socket.onmessage = (event) => {
      heardAt = Date.now();
      if (event.data instanceof ArrayBuffer) handlers.frame?.(new Uint8Array(event.data));
      else handlers.message(JSON.parse(event.data) as ToAgent);
    };
    const gone = (code: number) => {
      clearInterval(watch);
      const retrying = mayReconnect(code);
      handlers.lost(retrying);
      if (!retrying) return;
      if (openedAt && Date.now() - openedAt > STABLE_MS) retries = 0;
      const wait = Math.min(FIRST_RETRY_MS * 2 ** retries++, LAST_RETRY_MS);
      retry = setTimeout(open, wait * (0.75 + Math.random() / 2));
    };
    socket.onclose = (event) => gone(event.code);
  };
  open();
  return {
    isOpen: () => line?.readyState === WebSocket.OPEN,
    send: (message) => line?.send(JSON.stringify(message)),
    close: () =>
      new Promise((closed) => {
        clearTimeout(retry);
        setTimeout(closed, CLOSE_MS);
        if (!line || line.readyState === WebSocket.CLOSED) closed();
        else line.onclose = () => closed();
        line?.close(LEFT);
      }),
  };
}

/**
 * The credential must not stay in the address bar, the history or a copied link.
 *
 * more: what a page needs to be opened again, if the address does not say it: it came in a form.
 */
export function hideCredential(more: Record<string, string> = {}): void {
  const url = new URL(location.href);
  const named = new Set<string>();
  for (const [name, value] of [...url.searchParams]) {
    const lower = name.toLowerCase();
    named.add(lower);
    if (lower === "loginkey") url.searchParams.delete(name);
    if (lower === "partneruserid" && value.includes("~$")) url.searchParams.delete(name);
  }
  for (const [name, value] of Object.entries(more)) {
    if (!named.has(name.toLowerCase())) url.searchParams.set(name, value);
  }
  history.replaceState(null, "", url);
}

/** The element that a page's HTML promises. */
export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id} in the page`);
  return found;
}
