// Events of GLANCE.Cobrowse.Visitor, and what each error code means.
import texts from "../words/errors.json";

export type EventName =
  | "error"
  | "sessionstart"
  | "sessionend"
  | "sessioncontinue"
  | "agentjoin"
  | "clickstart"
  | "clickstop"
  | "connection";

/** The codes of the error event; docs/api.md says when each comes. */
export type ErrorCode = keyof typeof texts;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(texts, code);
}

/** Tell the page. What it throws is its own error and stops nothing of ours. */
export function call(listener: (...args: never[]) => unknown, ...args: unknown[]): void {
  try {
    (listener as (...args: unknown[]) => unknown)(...args);
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

type Listener = (data: object) => void;

export class Events {
  private readonly listeners = new Map<string, Set<Listener>>();

  add(name: unknown, listener: unknown): void {
    if (typeof listener !== "function") return;
    const known = this.listeners.get(String(name)) ?? new Set();
    known.add(listener as Listener);
    this.listeners.set(String(name), known);
  }

  remove(name: unknown, listener: unknown): void {
    this.listeners.get(String(name))?.delete(listener as Listener);
  }

  fire(name: EventName, data: object = {}): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) call(listener, data);
  }

  fail(code: ErrorCode, msg: string = texts[code]): void {
    this.fire("error", { code, msg });
  }
}
