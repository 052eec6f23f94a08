// What a session starts with: the key rules of the API, and who the visitor is.
import type { CobrowseWindow, Identity } from "../globals";
import { clean } from "../text";

export const RANDOM_KEY = "GLANCE_KEYTYPE_RANDOM";
const KEY = /^[A-Za-z0-9_-]{1,50}$/;
// An id is a key, and cut would be somebody else's: one that is too long stays so.
const LIMITS = { visitorid: 51, name: 63, email: 127, phone: 31 } as const;

// A page may declare it with let or const: then it is no property of window.
declare const GLANCE_COBROWSE: Identity | undefined;

/** startParams: a key, and who the visitor is. */
export interface Params extends Identity {
  sessionKey?: unknown;
}

export interface Start {
  /** "" for a random key. */
  key: string;
  person: Identity;
}

/** The page's own values now, and for what it left out those from the cookies. */
function pageIdentity(fromCookies: Identity): Identity {
  let own: unknown;
  try {
    own = typeof GLANCE_COBROWSE === "undefined" ? undefined : GLANCE_COBROWSE;
  } catch {
    own = (window as CobrowseWindow).GLANCE_COBROWSE; // declared, but not set yet
  }
  return { ...fromCookies, ...texts(own) };
}

/** The string properties we know, within their limits. */
function texts(from: unknown): Identity {
  const out: Identity = {};
  if (typeof from !== "object" || from === null) return out;
  for (const name of Object.keys(LIMITS) as (keyof Identity)[]) {
    const value = (from as Record<string, unknown>)[name];
    if (typeof value === "string" && value) out[name] = clean(value, LIMITS[name]);
  }
  return out;
}

/** What startSession, showTerms and setStartParams take: a key, startParams, or nothing. */
export function paramsFrom(argument: unknown): Params | undefined {
  if (argument === undefined || argument === null || argument === "") return undefined;
  if (typeof argument !== "object" || argument === null) return { sessionKey: argument };
  const { sessionKey } = argument as { sessionKey?: unknown };
  return { ...texts({ ...argument, visitorid: undefined }), sessionKey };
}

/** Undefined for a key that breaks the rules. */
export function startFrom(params: Params, fromCookies: Identity): Start | undefined {
  const identity = pageIdentity(fromCookies);
  const { sessionKey, ...said } = params;
  const person = { ...identity, ...said };
  if (!KEY.test(person.visitorid ?? "")) delete person.visitorid;
  let key = sessionKey;
  if (key === undefined || key === null || key === "") key = identity.visitorid ?? RANDOM_KEY;
  if (key === RANDOM_KEY) return { key: "", person };
  return KEY.test(String(key)) ? { key: String(key), person } : undefined;
}
