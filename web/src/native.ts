// The page's own functions as they were before the page could replace them, if the stub has kept them.
import type { CobrowseWindow, Native } from "./globals";

const page = globalThis as unknown as CobrowseWindow;
const kept: Native = page.GLANCE?.Cobrowse?._internal?.native ?? page;

export const NativeSocket = kept.WebSocket;
export const NativePromise = kept.Promise;
const { fetch } = kept;
const { stringify, parse } = kept.JSON;

export function nativeFetch(url: URL, init: RequestInit): Promise<Response> {
  return fetch.call(globalThis, url, init);
}

export const fromJson: (text: string) => unknown = parse;

/** Listen, also where a page has put functions of its own in the place of addEventListener. */
export function on<Of extends Event>(
  target: EventTarget,
  name: string,
  act: (event: Of) => void,
  options?: AddEventListenerOptions,
): void {
  EventTarget.prototype.addEventListener.call(target, name, act as (event: Event) => void, options);
}

/** Old libraries put toJSON on the prototypes, which makes JSON.stringify write strings of strings. */
const PROTOTYPES = [Object.prototype, Array.prototype, String.prototype, Number.prototype];

export function toJson(value: unknown): string {
  const bent = PROTOTYPES.filter((prototype) => Object.hasOwn(prototype, "toJSON"));
  if (bent.length === 0) return stringify(value);
  const before = bent.map((prototype) => Object.getOwnPropertyDescriptor(prototype, "toJSON"));
  try {
    for (const prototype of bent) Reflect.deleteProperty(prototype, "toJSON");
    return stringify(value);
  } finally {
    for (const [at, prototype] of bent.entries()) {
      Object.defineProperty(prototype, "toJSON", before[at] as PropertyDescriptor);
    }
  }
}
