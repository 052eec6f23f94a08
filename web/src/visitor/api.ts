// GLANCE.Cobrowse.Visitor: every method of the public API, version 3.0.1.
import type { Internal, Seen, Visitor } from "../globals";
import { toJson } from "../native";
import { BUTTON_METHODS, watchButtons, watchKeys } from "./buttons";
import { call, Events } from "./events";
import { Face } from "./face";
import { watchInvocations } from "./invoke";
import { watchLinks } from "./leaving";
import { VisitorSession } from "./session";
import { type Params, paramsFrom } from "./start";

/** As much as the relay takes. */
const MAX_PAYLOAD_BYTES = 65_536;
const MAX_NAME = 256;

type Handler = (name: string, message: unknown) => void;

export function createApi(
  internal: Internal,
  seen: Seen,
  captureIntegrity: string,
  uiIntegrity: string,
  visitor: Visitor,
): { methods: Visitor; session: VisitorSession } {
  const events = new Events();
  const handlers = new Map<string, Set<Handler>>();
  /** For the next session that is started without arguments. */
  let startParams: Params | undefined;
  let lastUsed: Params | undefined;

  const face = new Face(
    internal,
    uiIntegrity,
    {
      clickStart: () => void clickStart(),
      clickStop: () => {
        events.fire("clickstop");
        session.stop();
      },
    },
    seen.ignored,
    () => {
      events.fail("service");
      // Nobody is watched who does not see that, and how to end it.
      if (session.isOn) session.stop();
    },
  );
  const session = new VisitorSession(internal, seen, captureIntegrity, events, {
    started() {
      // Not sooner: a start that was refused has used nothing up.
      if (startParams === lastUsed) startParams = undefined;
    },
    // A page that listens at each start would hear everything twice in the second session.
    ended: () => handlers.clear(),
    shown: (shown) => face.showSession(shown),
    said(name, message) {
      for (const handler of [...(handlers.get(name) ?? [])]) call(handler, name, message);
    },
  });

  function start(argument?: unknown, terms?: string): void {
    const used = paramsFrom(argument) ?? startParams ?? {};
    if (session.start(used, terms)) lastUsed = used;
  }

  async function clickStart(): Promise<void> {
    events.fire("clickstart");
    const account = await face.account();
    if (!account || account.terms_first) void face.showTerms((terms) => start(undefined, terms));
    else start();
  }

  /** Whether a session runs; tells the page where not. */
  function needsSession(): boolean {
    if (!session.isOn) events.fail("nosession");
    return session.isOn;
  }

  const methods: Visitor = {
    showButton: (show?: unknown) => face.showButton(show === undefined || !!show),
    toggleButton: () => face.showButton(!face.buttonShown),
    showTerms(params?: unknown) {
      if (session.isOn) events.fail("insession");
      else void face.showTerms((terms) => start(params, terms));
    },
    startSession: (params?: unknown) => start(params),
    setStartParams(params?: unknown) {
      startParams = paramsFrom(params);
    },
    inSession: () => session.isOn,
    stopSession() {
      if (session.isStarting || needsSession()) session.stop();
    },
    getKey: () => (needsSession() ? session.key : undefined),
    addEventListener: (name: unknown, listener: unknown) => events.add(name, listener),
    removeEventListener: (name: unknown, listener: unknown) => events.remove(name, listener),
    addSessionMessageListener(name: unknown, handler: unknown) {
      if (!needsSession() || typeof handler !== "function") return;
      const known = handlers.get(String(name)) ?? new Set();
      known.add(handler as Handler);
      handlers.set(String(name), known);
    },
    sendSessionMessage(name: unknown, message: unknown) {
      if (!needsSession()) return;
      const text = jsonOf(message);
      const isName = typeof name === "string" && name && name.length <= MAX_NAME;
      if (text === undefined || !isName) events.fail("badmessage");
      else session.say(name, message);
    },
  };

  const callByName = (method: string) => {
    if (BUTTON_METHODS.includes(method)) (visitor[method] as () => void)();
  };
  watchButtons(callByName);
  watchKeys(internal.own?.dataset.inputevents, callByName);
  watchInvocations(
    internal,
    () => face.account(),
    (method, args) => {
      if (!Object.hasOwn(methods, method)) return false;
      // An array is several arguments: a name and a message.
      (methods[method] as (...args: unknown[]) => void)(...[args].flat());
      return true;
    },
  );
  watchLinks(internal.config, () => session.handover);
  void face.account().then((account) => {
    if (account?.button.shown) face.showButton(true);
  });
  return { methods, session };
}

/** Undefined for what JSON cannot hold, or not within the limit. */
function jsonOf(message: unknown): string | undefined {
  try {
    const text = toJson(message ?? null) as string | undefined;
    return text && new TextEncoder().encode(text).length <= MAX_PAYLOAD_BYTES ? text : undefined;
  } catch {
    return undefined;
  }
}
