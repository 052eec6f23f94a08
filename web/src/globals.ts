// What the parts of the visitor script share on the page: the one global they are allowed, GLANCE.
import type { MessageHandlers, Messages } from "./messages";
import type { Op } from "./ops";
import type { AccountSettings, Gesture, Page, Rules, Site } from "./wire";

/** Who the visitor is, as the page or the site's cookies say. */
export interface Identity {
  visitorid?: string;
  name?: string;
  email?: string;
  phone?: string;
}

/** What the proxy wrote into the page. */
export interface Config {
  /** Address of the visitor scripts, with a slash at the end: a path on this site, or whole. */
  base: string;
  group: string;
  site: Site;
  /** Absolute address of the visitor socket; "" for the one under base. */
  socket: string;
  identity: Identity;
  /** Hosts of all sites behind the proxy, if there are several. */
  hosts?: string[];
  /** The site carries our tag itself: there may be no proxy. */
  tag?: boolean;
  /** The page fills a frame of another page. */
  frame?: boolean;
  /** The page takes no script without its digest: the loader's. */
  integrity?: string | undefined;
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
  /** Which page this is: before the first frame, and when it has changed. */
  tell(page: Page): void;
  /** This page cannot be captured; the recorder has stopped. */
  failed(): void;
  /** Of a page in a frame of another origin: operations and names of files go to the page around. */
  ops?(said: { ops: Op[] }): void;
  files?(said: { files: [address: string, base: string][] }): void;
}

/** A running session as visitors see it. */
export interface SessionShown {
  key: string;
  agents: readonly string[];
  reconnecting: boolean;
}

export interface UiHandlers {
  clickStart(): void;
  clickStop(): void;
}

/** Start button, terms and session bar. */
export interface Ui {
  readonly buttonShown: boolean;
  showButton(shown: boolean): void;
  showTerms(accepted: () => void): void;
  /** Undefined when none runs. */
  showSession(session: SessionShown | undefined): void;
}

export interface Native {
  fetch: typeof fetch;
  WebSocket: typeof WebSocket;
  JSON: typeof JSON;
  Promise: typeof Promise;
  attachShadow?: typeof Element.prototype.attachShadow;
}

/** What stub, loader, interface and capture know of each other. */
export interface Internal {
  config: Config;
  /** API calls made before the loader came. */
  calls: Call[];
  /** Messages for the API from other windows that have not been looked at yet. */
  early: MessageEvent[];
  /** How many were not let through: nobody else is told. */
  refused: number;
  /** Set by the loader: look at them. */
  hear?: () => void;
  /** Shadow roots, closed ones too, noted from the first moment. */
  closed: WeakMap<Element, ShadowRoot>;
  /** The page's own, before it could replace them. */
  native: Native;
  /** The script element that holds the stub, or that of the page's own tag. */
  own: HTMLScriptElement;
  /** Load one of our scripts; done() when it has run, or never will. */
  insert(file: string, done: () => void, integrity?: string): void;
  /** Ask for the loader now. */
  load(): void;
  /** Set by the loader. */
  ready?: boolean;
  /** Set by the capture script. */
  startCapture?: (sink: Sink, rules: Rules, seen: Seen) => Capture;
  /** Set by it too: what carries session messages. key: of the session. */
  startMessages?: (handlers: MessageHandlers, key: string) => Messages;
  /** Set by the script of the visitor's interface. */
  startUi?: (settings: AccountSettings, handlers: UiHandlers, seen: Seen) => Ui;
  /** What pages around, of other origins, have asked of this one in its frame. */
  asked: MessageEvent[];
  /** Set by the capture script: look at it. */
  record?: () => void;
  /** Set by the interface: show what an agent points at. */
  point?: (gesture: Gesture) => void;
  /** The running one. */
  capture?: Capture | undefined;
}

/** What the loader has noted on the page, for capture. */
export interface Seen {
  /** Fields that were a password once. */
  passwords: WeakSet<Node>;
  /** Elements of ours. */
  ignored: WeakSet<Node>;
}

export interface CobrowseWindow extends Native {
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
