// The wire protocol, as relay/wire.py has it.

export const SUBPROTOCOL = "cobrowse.1";
const HEADER_BYTES = 8;
const KIND_CAPTURE = 1;
const FLAG_KEYFRAME = 1;

export interface Page {
  url: string;
  title: string;
  browser: { name: string; version: string; platform: string };
  visitorversion: string;
}

/** How well a value is known; only a signed one is verified. */
export type Level = "claimed" | "cookie" | "signed";

export interface KnownPerson extends Person {
  levels?: { [field in keyof Person]?: Level };
}

export interface Person {
  visitorid?: string;
  name?: string;
  email?: string;
  phone?: string;
}

/** What of the visitor's page stays with the visitor, beside what always does. */
/** Which copy of the group's settings counts. */
export type Site = "production" | "staging";

export interface Rules {
  /** Hidden everywhere: nothing more, what is in form fields, or all text. */
  mask: "none" | "inputs" | "text";
  /** CSS selectors of elements that are hidden with all that is in them. */
  selectors: string[];
  /** Patterns of addresses whose pages are hidden whole. */
  pages: string[];
  /** The page's title is hidden. */
  title: boolean;
  /** The address's query and fragment are hidden. */
  query: boolean;
  /** The key with which files are given to agents; "" where agents get none. */
  assets: string;
  /** Pictures of a canvas in a second; 0 for none. */
  canvas_fps: number;
}

/** What of a group's account settings visitors' pages need. */
export interface AccountSettings {
  trusted_domains: string[];
  terms_first: boolean;
  language: string;
  /** Agents see our own interface too. */
  share_interface: boolean;
  button: {
    shown: boolean;
    text: string;
    background: string;
    color: string;
    corner: string;
    shape: "pill" | "rounded" | "square";
  };
  /** Which version of the terms this is. */
  terms_version: string;
  terms: {
    title: string;
    text: string;
    link: string;
    link_text: string;
    accept: string;
    decline: string;
  };
}

/** The first message of a page, but for the site that it names. */
export type Hello =
  | { type: "start"; token: string; key: string; person: Person; terms: string }
  | { type: "resume"; token: string; ticket: string };

export type FromVisitor =
  | (Hello & { site: Site })
  | { type: "confirm"; ticket: string }
  | { type: "page"; page: Page }
  | { type: "stop" }
  | SessionMessage
  | Acknowledged;

/**
 * Either way. end: the agent's that it goes to or comes from. stream: made by the sender, one for each
 * end. seq: counted up from 1 in it. base: the lowest that the sender keeps. payload: whatever JSON can
 * say.
 */
export interface SessionMessage {
  type: "message";
  end?: string;
  stream: string;
  seq: number;
  base: number;
  name: string;
  payload: unknown;
}

/** All of a stream up to this number has been handed to the page. */
export interface Acknowledged {
  type: "ack";
  end?: string;
  stream: string;
  seq: number;
}

/** The end is gone for good, and the message lost. */
export interface Undelivered {
  type: "undelivered";
  end: string;
  stream: string;
  seq: number;
  name: string;
}

/**
 * What an agent points at: the mouse, a box around something, or nothing any more. In CSS pixels of the
 * visitor's window. end, name: of the agent, filled in by the relay.
 */
export interface Gesture {
  type: "gesture";
  kind: "pointer" | "box" | "none";
  x: number;
  y: number;
  width: number;
  height: number;
  end: string;
  name: string;
}

/** An agent, as visitors and other agents may know. */
export interface AgentShown {
  end: string;
  name: string;
}

/** The relay gives signs of life; after so long without one it is gone. */
export const SILENCE_MS = 15_000;

export type ToVisitor =
  | {
      type: "started" | "continued";
      key: string;
      ticket: string;
      rules: Rules;
      /** How long the session waits for its visitor, in seconds. */
      away_s: number;
      /** The ticket with which a page of another site behind the proxy may go on once. */
      handover: string;
    }
  | { type: "agentjoin"; name: string }
  | Gesture
  | { type: "agents"; agents: AgentShown[]; gone: string[] }
  | SessionMessage
  | Acknowledged
  | Undelivered
  | { type: "beat" }
  | { type: "keyframe" }
  | { type: "ended"; reason: string }
  | { type: "refused"; code: string; message: string };

export type SessionState = "waiting" | "active" | "away" | "ended";

export interface Listed {
  key: string;
  state: SessionState;
  age_s: number;
  agents: number;
  page: Page;
  person: KnownPerson;
}

export type ToAgent =
  | {
      type: "joined";
      key: string;
      state: SessionState;
      page: Page;
      person: KnownPerson;
      assets: string;
      /** What the others call this agent's end. */
      end: string;
      /** Whether gestures are shown to the visitor. */
      pointer: boolean;
    }
  | { type: "pending"; key: string }
  | { type: "agents"; agents: AgentShown[]; gone: string[] }
  | { type: "navigate"; page: Page; load: boolean }
  | SessionMessage
  | Acknowledged
  | { type: "beat" }
  | { type: "page"; page: Page }
  | { type: "state"; state: SessionState }
  | { type: "sessions"; sessions: Listed[]; more: number }
  | { type: "ended"; reason: string }
  | { type: "refused"; code: string; message: string };

/** Another page of the same visitor goes on with the session. */
export const TAKEN_OVER = 4409;

/** Close codes after which the same peer may connect again. */
export function mayReconnect(code: number): boolean {
  // 1009: what this peer sends is too large, and would be again.
  if (code === 1009) return false;
  return code < 4000 || code === 4408 || code === 4413 || code === 4429;
}

export interface Frame {
  keyframe: boolean;
  sequence: number;
  payload: Uint8Array;
}

export function packFrame(frame: Frame): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES + frame.payload.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, KIND_CAPTURE);
  view.setUint8(1, frame.keyframe ? FLAG_KEYFRAME : 0);
  view.setUint32(4, frame.sequence);
  out.set(frame.payload, HEADER_BYTES);
  return out;
}

/** Undefined for what is no capture frame. */
export function unpackFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.length <= HEADER_BYTES || bytes[0] !== KIND_CAPTURE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    keyframe: (view.getUint8(1) & FLAG_KEYFRAME) !== 0,
    sequence: view.getUint32(4),
    payload: bytes.subarray(HEADER_BYTES),
  };
}
