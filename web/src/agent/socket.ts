// An agent page's socket: says hello, hands messages on, and comes back when the line was cut.
import { mayReconnect, SUBPROTOCOL, type ToAgent } from "../wire";

export interface Boot {
  token: string;
  key: string;
}

export interface AgentHandlers {
  message(message: ToAgent): void;
  frame?(bytes: Uint8Array): void;
  /** The line is cut; it is tried again when retrying is true. */
  lost(retrying: boolean): void;
}

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
/** A connection that held this long was a good one. */
const STABLE_MS = 10_000;

export function readBoot(): Boot {
  return JSON.parse(document.getElementById("boot")?.textContent ?? "{}") as Boot;
}

export function connect(hello: object, handlers: AgentHandlers): void {
  let retries = 0;
  let openedAt = 0;
  const open = () => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/agent/socket`, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      openedAt = Date.now();
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => {
      if (event.data instanceof ArrayBuffer) handlers.frame?.(new Uint8Array(event.data));
      else handlers.message(JSON.parse(event.data) as ToAgent);
    };
    socket.onclose = (event) => {
      const retry = mayReconnect(event.code);
      handlers.lost(retry);
      if (!retry) return;
      if (openedAt && Date.now() - openedAt > STABLE_MS) retries = 0;
      const wait = Math.min(FIRST_RETRY_MS * 2 ** retries++, LAST_RETRY_MS);
      setTimeout(open, wait * (0.75 + Math.random() / 2));
    };
  };
  open();
}

/** The credential must not stay in the address bar, the history or a copied link. */
export function hideCredential(): void {
  const url = new URL(location.href);
  for (const name of [...url.searchParams.keys()]) {
    if (name.toLowerCase() === "loginkey") url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
}

/** The element that a page's HTML promises. */
export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id} in the page`);
  return found;
}
