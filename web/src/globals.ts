// What the parts of the visitor script share on the page: the one global they are allowed, GLANCE.
import type { Rules } from "./wire";

/** Who the visitor is, as the page or the site's cookies say. */
export interface Identity {
  visitorid?: string;
  name?: string;
  email?: string;
  phone?: string;
}

/** What the proxy wrote into the page. */
export interface Config {
  /** Path of the visitor scripts on this site, with slashes at both ends. */
  base: string;
  group: string;
  site: string;
  /** Absolute address of the visitor socket; "" for the one under base. */
  socket: string;
  identity: Identity;
  /** The page fills a frame of another page. */
  frame?: boolean;
  /** The page takes no script without its digest: the loader's. */
  integrity?: string;
}

export type Call = [method: string, args: unknown[]];

/** GLANCE.Cobrowse.Visitor: the same object from the stub to the end of the page. */
export type Visitor = Record<string, (...args: never[]) => unknown>;

/** A running recorder. */
export interface Capture {
  /** Send a full snapshot; the recorder goes on as it is. */
  keyframe(): void;
  /** A shadow root was attached to an element. */
  attached(host: Element): void;
  stop(): void;
}

/** Where a recorder's frames go. */
export interface Sink {
  /** Frames are lost while this is false; a keyframe is asked for when it is true again. */
  isOpen(): boolean;
  /** Bytes handed over that have not left the browser yet. */
  pendingBytes(): number;
  send(frame: Uint8Array): void;
  /** The title or the address may be another one. */
  pageChanged(): void;
}

/** What a page does that cannot be seen any more afterwards. */
export interface Known {
  /** Closed shadow roots. */
  closed: WeakMap<Element, ShadowRoot>;
  /** Fields that were a password once. */
  passwords: WeakSet<Element>;
  /** Elements of ours. */
  ignored: WeakSet<Node>;
}

/** What stub, loader and capture know of each other. */
export interface Internal {
  config: Config;
  /** API calls made before the loader came. */
  calls: Call[];
  /** What the page's content security policy kept from us: a directive, or "". */
  blocked: string;
  /** Load one of our scripts; done(true) when it has run. integrity: its digest. */
  insert(file: string, integrity: string, done: (loaded: boolean) => void): void;
  /** Ask for the loader now. */
  load(): void;
  /** Set by the loader. */
  ready?: boolean;
  /** Noted from the first moment, for a session that may come. */
  known: Known;
  /** Set by the capture script. */
  startCapture?: (sink: Sink, rules: Rules) => Capture;
  /** The running one. */
  capture?: Capture | undefined;
}

export interface CobrowseWindow {
  GLANCE?: { Cobrowse?: { Visitor?: Visitor; _internal?: Internal } };
  GLANCE_COBROWSE?: Identity;
  trustedTypes?: {
    createPolicy(
      name: string,
      rules: { createScriptURL(url: string): string },
    ): { createScriptURL(url: string): string };
  };
}

export const SESSION_COOKIE = "cobrowse_session";

/** The resume ticket that an earlier page left: session key, ".", secret. "" where there is none. */
export function readTicket(): string {
  try {
    return new RegExp(`(?:^|; )${SESSION_COOKIE}=([\\w.-]+)`).exec(document.cookie)?.[1] ?? "";
  } catch {
    return ""; // a sandboxed page has no cookies
  }
}
