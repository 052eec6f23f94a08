// The agent's view of one session.
import { Messages, randomId } from "../messages";
import type { SessionState, ToAgent } from "../wire";
import { Copy } from "./copy";
import { showPerson } from "./person";
import { Styles } from "./sheets";
import { connect, element, hideCredential, readBoot } from "./socket";

const STATES: Record<SessionState, string> = {
  waiting: "Connected",
  active: "Live",
  away: "Visitor is away",
  ended: "Ended",
};
const REASONS: Record<string, string> = {
  visitor: "The visitor has ended the session.",
  agent: "The session was ended by an agent.",
  timeout: "The session has ended: the visitor was away for too long.",
};

const HINTS: Record<string, string> = {
  nosession: " Reload this page when the visitor has started one.",
};

const stage = element("stage");
const screen = element("screen");
const notice = element("notice");
let size = { width: 0, height: 0 };
let over = false;

const copy = new Copy(screen, {
  size(width, height) {
    size = { width, height };
    fit();
  },
  complete: () => showCopy(true),
  hidden: () => {
    showCopy(false);
    showNotice("This page is hidden from agents. You will see the next one.");
  },
});

function showCopy(shown: boolean): void {
  document.body.dataset.page = shown ? "shown" : "hidden";
  delete document.body.dataset.loading;
  if (shown) showNotice("");
}

function fit(): void {
  if (!size.width || !size.height) return;
  const full = document.body.dataset.zoom === "full";
  const room = { width: stage.clientWidth - 32, height: stage.clientHeight - 32 };
  const scale = full ? 1 : Math.min(1, room.width / size.width, room.height / size.height);
  screen.style.width = `${size.width * scale}px`;
  screen.style.height = `${size.height * scale}px`;
  screen.style.setProperty("--scale", String(scale));
}

function setState(state: string, text: string): void {
  document.body.dataset.state = state;
  element("state").textContent = text;
}

function showNotice(text: string): void {
  notice.textContent = text;
  notice.hidden = !text;
}

function showPage(page: { title: string; url: string }): void {
  element("title").textContent = page.title || "Untitled page";
  element("url").textContent = page.url;
  document.title = `${page.title || page.url} – co-browsing`;
}

function onMessage(message: ToAgent): void {
  switch (message.type) {
    case "joined":
      copy.styles = new Styles(message.assets);
      showPage(message.page);
      showPerson(element("visitor"), message.person);
      setState(message.state, STATES[message.state]);
      messages.sendAgain();
      showNotice(document.body.dataset.page ? "" : "Waiting for the visitor's page …");
      break;
    case "navigate":
      // Until its keyframe is here, the page before is still to be seen.
      if (message.load) document.body.dataset.loading = "";
      showPage(message.page);
      break;
    case "page":
      showPage(message.page);
      break;
    case "state":
      setState(message.state, STATES[message.state]);
      break;
    case "ended":
      over = true;
      setState("ended", STATES.ended);
      showNotice(REASONS[message.reason] ?? "The session has ended.");
      break;
    case "refused":
      over = true;
      setState("ended", "Not connected");
      showNotice(message.message + (HINTS[message.code] ?? ""));
      break;
    case "message":
    case "ack":
      messages.hear(message);
      break;
  }
}

hideCredential();
const boot = readBoot();
element("zoom").addEventListener("click", () => {
  const full = document.body.dataset.zoom === "full";
  document.body.dataset.zoom = full ? "fit" : "full";
  element("zoom").textContent = full ? "Show at 100 %" : "Fit to window";
  fit();
});
new ResizeObserver(fit).observe(stage);
// Nothing in this page listens to session messages, but the visitor's page hears that they came.
const messages = new Messages({
  isOpen: () => line.isOpen(),
  send: (message) => line.send(message),
  deliver: () => {},
  lost: () => {},
});
const line = connect(
  { type: "join", token: boot.token, key: boot.key, end: randomId() },
  {
    message: onMessage,
    frame(bytes) {
      copy.apply(bytes);
    },
    lost(retrying) {
      if (over) return;
      setState("lost", retrying ? "Reconnecting …" : "Disconnected");
      if (!retrying) showNotice("The connection to the session was closed. Reload to join again.");
    },
  },
);
