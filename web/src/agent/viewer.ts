// The agent's view of one session.
import { Messages, randomId } from "../messages";
import { fromJson, toJson } from "../native";
import type { AgentShown, Page, SessionState, ToAgent } from "../wire";
import { copyText } from "./clipboard";
import { Copy } from "./copy";
import { Embedding, type ErrorCode, type Kept } from "./embedding";
import { watchShortcuts } from "./keys";
import { Pace } from "./pace";
import { showPerson } from "./person";
import { Pointing } from "./pointing";
import { Styles } from "./sheets";
import { connect, element, hideCredential, type Line, readBoot } from "./socket";

/** What is to be seen: of the session as the relay has it, and of the line to it. */
type Shown = SessionState | "connecting" | "pending" | "lost" | "refused" | "left";

const STATES: Record<Shown, string> = {
  connecting: "Connecting …",
  pending: "Waiting for the visitor",
  waiting: "Connected",
  active: "Live",
  away: "Visitor is away",
  lost: "Reconnecting …",
  ended: "Ended",
  refused: "Not connected",
  left: "You have left",
};
const REASONS: Record<string, string> = {
  visitor: "The visitor has ended the session.",
  agent: "The session was ended by an agent.",
  timeout: "The session has ended: nobody came back in time.",
  replaced: "The session has ended: another visitor has started one with this key.",
  error: "The session has ended because of an error.",
};
const HIDDEN = "This page is hidden from agents. You will see the next one.";
/** What stands in the place of the copy, by its state. */
const PAGES: Record<string, string> = { "": "Waiting for the visitor's page …", hidden: HIDDEN };
const COPIED_MS = 2_000;
/** As many names as the bar has room for. */
const NAMES = 2;
/** The page around us has said hello by then, or says nothing. */
const HELLO_MS = 1_000;
const STORED = "cobrowse_viewer";

const boot = readBoot();
hideCredential({
  SessionKey: boot.key,
  partnerid: boot.group,
  ...(boot.wait && { Wait: "1" }),
});
const tab = storageOfTab();
const stage = element("stage");
const screen = element("screen");
const notice = element("notice");
let size = { width: 0, height: 0 };
let shown: Shown = "connecting";
/** There is nothing to come back to. */
let over = false;
let joined = false;
let waits = boot.wait;
let url = "";
let line: Line | undefined;

// -- what a reload must not lose -----------------------------------------------------------------

interface Stored {
  key: string;
  end: string;
  embedding: Kept;
  messages: [name: string, text: string][];
}

let end = randomId();
let hasBegun = false;
/** What Messages leaves for the next page of the tab, on its way there. */
const shelf = new Map<string, string>();

/** Go on where the page before has stopped, if it was of the same session, and join. */
function begin(text: string | undefined): void {
  if (hasBegun) return;
  hasBegun = true;
  try {
    const stored = fromJson(text ?? "null") as Stored | null;
    if (stored?.key === boot.key && /^[\w-]{8,64}$/.test(stored.end)) {
      embedding.restore(stored.embedding);
      for (const [name, value] of stored.messages) shelf.set(name, value);
      messages.load();
      end = stored.end;
    }
  } catch {
    // not ours
  }
  join(boot.wait);
}

addEventListener("pagehide", () => {
  if (over || !hasBegun) return;
  messages.save();
  const stored: Stored = { key: boot.key, end, embedding: embedding.kept, messages: [...shelf] };
  try {
    if (tab) tab.setItem(STORED, toJson(stored));
    else embedding.leave(toJson(stored));
  } catch {
    // no room: what waits is lost with the page
  }
});

/** Undefined for a frame of another site, where the browser gives such frames none. */
function storageOfTab(): Storage | undefined {
  try {
    return sessionStorage;
  } catch {
    return undefined;
  }
}

/** A tab that is copied is another agent: it is taken only once. */
function takeStored(): string | undefined {
  const text = tab?.getItem(STORED) ?? undefined;
  tab?.removeItem(STORED);
  return text;
}

// -- the page around us, and session messages -----------------------------------------------------

const messages = new Messages(
  {
    isOpen: () => joined && !!line?.isOpen(),
    send: (message) => line?.send(message),
    deliver: (name, payload) => embedding.message(name, toJson(payload)),
    lost: (name) => embedding.fail(joined ? "undelivered" : "nosession", undefined, name),
  },
  {
    getItem: (name) => shelf.get(name) ?? null,
    setItem: (name, text) => void shelf.set(name, text),
    removeItem: (name) => void shelf.delete(name),
  },
  boot.key,
);

const embedding = new Embedding(boot.embedders, {
  say(name, payload) {
    if (over) embedding.fail("nosession", undefined, name);
    else if (!messages.say("", name, fromJson(payload))) {
      embedding.fail("busy", undefined, name);
    }
  },
  hello: (kept) => begin(tab ? takeStored() : kept),
  leave(address) {
    void leave().then(() => location.replace(address));
  },
});
document.body.classList.toggle("embedded", embedding.isEmbedded);

// -- the copy --------------------------------------------------------------------------------------

const copy = new Copy(screen, {
  size(width, height) {
    size = { width, height };
    fit();
  },
  complete() {
    pace.begin();
    showCopy(true);
  },
  hidden: () => {
    showCopy(false);
    showNotice(HIDDEN);
  },
});
const pace = new Pace((bytes: Uint8Array) => copy.apply(bytes));
const pointing = new Pointing(
  stage,
  screen,
  () => size,
  (gesture) => {
    if (joined && line?.isOpen()) line.send(gesture);
  },
);

function showCopy(visible: boolean): void {
  document.body.dataset.page = visible ? "shown" : "hidden";
  delete document.body.dataset.loading;
  if (visible && !over) showNotice("");
  setState(shown);
}

function fit(): void {
  if (!size.width || !size.height) return;
  const full = document.body.dataset.zoom === "full";
  const style = getComputedStyle(stage);
  const room = {
    width: stage.clientWidth - 2 * Number.parseFloat(style.paddingLeft),
    height: stage.clientHeight - 2 * Number.parseFloat(style.paddingTop),
  };
  const scale = full ? 1 : Math.min(1, room.width / size.width, room.height / size.height);
  screen.style.width = `${size.width * scale}px`;
  screen.style.height = `${size.height * scale}px`;
  screen.style.setProperty("--scale", String(scale));
}

function zoom(to: "fit" | "full"): void {
  document.body.dataset.zoom = to;
  for (const name of ["fit", "full"]) {
    element(name).setAttribute("aria-pressed", String(name === to));
  }
  fit();
}

// -- what is told ----------------------------------------------------------------------------------

function setState(state: Shown): void {
  shown = state;
  document.body.dataset.state = state;
  const isLoading = state === "active" && "loading" in document.body.dataset;
  const text = isLoading ? "Loading the next page …" : STATES[state];
  if (element("state").textContent !== text) element("state").textContent = text;
}

/** actions: buttons that go with it. */
function showNotice(text: string, actions: Record<string, () => void> = {}): void {
  if (notice.textContent !== text) notice.textContent = text;
  element("panel").hidden = !text;
  element("waited").hidden = true;
  const buttons = Object.entries(actions).map(([label, act]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.textContent = label;
    button.addEventListener("click", act);
    return button;
  });
  element("actions").replaceChildren(...buttons);
}

function showPage({ title, url }: Page): void {
  element("title").textContent = title || (url ? "Untitled page" : `Session ${boot.key}`);
  element("url").textContent = url;
  element("url").title = url;
  document.title = `${title || url || `Session ${boot.key}`} – co-browsing`;
}

function showAgents(agents: readonly AgentShown[], own: string): void {
  const others = agents.filter(({ end }) => end !== own).map(({ name }) => name);
  const named = others.slice(0, NAMES).join(", ");
  const more = others.length > NAMES ? ` and ${others.length - NAMES} more` : "";
  element("agents").textContent = others.length ? `With ${named}${more}` : "";
  element("agents").title = others.length ? `Agents here: you, ${others.join(", ")}` : "";
}

/** Tell the page around us which page the visitor is on. */
function navigated(page: Page): void {
  url = page.url;
  const { browser, visitorversion } = page;
  const { name, version, platform } = browser;
  embedding.navigate({ browser: { name, version, platform }, visitorversion, url });
}

// -- waiting -----------------------------------------------------------------------------------------

let waiting: ReturnType<typeof setInterval> | undefined;

function showWaiting(): void {
  const since = Date.now();
  showNotice(`Waiting until the visitor starts the session ${boot.key}.`, {
    "Stop waiting": () => void leave(),
  });
  const tick = () => {
    const seconds = Math.floor((Date.now() - since) / 1000);
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    element("waited").textContent = `${clock} so far`;
  };
  tick();
  element("waited").hidden = false;
  clearInterval(waiting);
  waiting = setInterval(tick, 1000);
}

// -- the session -------------------------------------------------------------------------------------

let own = "";

function onMessage(message: ToAgent): void {
  if (over) return;
  switch (message.type) {
    case "pending":
      setState("pending");
      showWaiting();
      break;
    case "joined": {
      const isFirst = !joined;
      joined = true;
      waits = false;
      own = message.end;
      clearInterval(waiting);
      copy.styles = new Styles(message.assets);
      pace.gather();
      showPage(message.page);
      showPerson(element("visitor"), message.person);
      setState(message.state);
      pointing.allow(message.pointer);
      messages.sendAgain();
      if (message.page.url && (isFirst || message.page.url !== url)) navigated(message.page);
      showNotice(PAGES[document.body.dataset.page ?? ""] ?? "");
      break;
    }
    case "navigate":
      // Until its keyframe is here, the page before is still to be seen.
      if (message.load) document.body.dataset.loading = "";
      pointing.clear();
      setState(shown);
      showPage(message.page);
      navigated(message.page);
      break;
    case "page":
      showPage(message.page);
      break;
    case "state":
      setState(message.state);
      break;
    case "agents":
      showAgents(message.agents, own);
      break;
    case "ended":
      finish("ended", "undelivered", REASONS[message.reason] ?? "The session has ended.");
      break;
    case "refused":
      onRefused(message.code, message.message);
      break;
    case "message":
    case "ack":
      // There is only the visitor at the other end: the relay names our own.
      messages.hear({ ...message, end: "" });
      break;
  }
}

function onRefused(code: string, text: string): void {
  const again: Record<string, () => void> = { "Try again": () => join(false) };
  if (code === "nosession") {
    const waitFor = { "Wait for it": () => join(true) };
    finish("refused", "nosession", text, { ...again, ...waitFor });
  } else {
    const reload = { "Log in again": () => location.reload() };
    const isLogin = code === "token" || code === "login";
    finish("refused", "refused", text, isLogin ? reload : again);
  }
}

/** The agent's part in the session is over. error: for the page around us. */
function finish(
  state: "ended" | "refused",
  error: ErrorCode,
  text: string,
  actions?: Record<string, () => void>,
): void {
  over = true;
  clearInterval(waiting);
  pointing.allow(false);
  delete document.body.dataset.loading;
  setState(state);
  showNotice(text, actions);
  showAgents([], own);
  messages.gone([""]);
  messages.stop();
  if (joined) embedding.sessionEnd();
  else if (state === "refused") embedding.fail(error, text);
}

/** The others and the visitor know at once; nothing is tried again. */
async function leave(): Promise<void> {
  if (over) return;
  over = hasBegun = true;
  clearInterval(waiting);
  pointing.allow(false);
  setState("left");
  showNotice(joined ? "You have left the session." : "You are not waiting any more.", {
    "Join again": () => join(boot.wait),
  });
  showAgents([], own);
  document.body.dataset.page = "hidden";
  messages.gone([""]);
  messages.stop();
  await line?.close();
}

function join(waitForIt: boolean): void {
  over = joined = false;
  delete document.body.dataset.page;
  waits = waitForIt;
  setState("connecting");
  showNotice(STATES.connecting);
  line = connect(() => ({ type: "join", token: boot.token, key: boot.key, end, wait: waits }), {
    message(message) {
      pace.flush();
      onMessage(message);
    },
    frame(bytes) {
      pace.add(bytes);
    },
    lost(retrying) {
      clearInterval(waiting);
      if (over) return;
      if (retrying) {
        setState("lost");
        if (document.body.dataset.page !== "shown") showNotice(STATES.lost);
        return;
      }
      const text = "The connection to the session was closed.";
      finish("refused", "refused", text, { "Try again": () => join(false) });
    },
  });
}

for (const name of ["fit", "full"] as const) {
  element(name).addEventListener("click", () => zoom(name));
}
element("leave").addEventListener("click", () => void leave());
element("copy").addEventListener("click", async () => {
  element("copy").textContent = (await copyText(boot.key)) ? "Copied" : "Not copied";
  setTimeout(() => {
    element("copy").textContent = "Copy";
  }, COPIED_MS);
});
watchShortcuts(() => pointing.clear());
new ResizeObserver(fit).observe(stage);
// Without storage the page around us may have what the viewer before has left.
if (tab || !embedding.isEmbedded) begin(takeStored());
else setTimeout(() => begin(undefined), HELLO_MS);
