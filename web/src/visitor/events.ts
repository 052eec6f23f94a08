// Events of GLANCE.Cobrowse.Visitor, and what each error code means.

export type EventName = "error" | "sessionstart" | "sessionend" | "sessioncontinue" | "agentjoin";

/** What each code of the error event means; its text unless the relay has a better one. */
export const ERRORS = {
  service: "The co-browsing service cannot be reached.",
  policy: "The page's content security policy forbids co-browsing.",
  refused: "The co-browsing service did not accept this page.",
  dupkey: "Another session with this key is running.",
  badkey: "A session key has 1 to 50 letters, digits, - and _.",
  insession: "A session is running already. End it with stopSession() first.",
  nosession: "There is no session. Start one with startSession() first.",
  conndrop: "The connection was lost and could not be made again.",
} as const;

export type ErrorCode = keyof typeof ERRORS;

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

  /** Tell the page. A listener that throws is the page's own error and stops no other. */
  fire(name: EventName, data: object = {}): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        listener(data);
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    }
  }

  fail(code: ErrorCode, msg: string = ERRORS[code]): void {
    this.fire("error", { code, msg });
  }
}
