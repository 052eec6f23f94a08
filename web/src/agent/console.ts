// The console: the group's sessions, live.
import type { Listed, SessionState, ToAgent } from "../wire";
import { showPerson } from "./person";
import { connect, element, hideCredential, readBoot } from "./socket";

const STATES: Record<SessionState, string> = {
  waiting: "waiting",
  active: "with an agent",
  away: "visitor away",
  ended: "ended",
};

function cell(text: string, className = ""): HTMLTableCellElement {
  const made = document.createElement("td");
  made.textContent = text;
  made.className = className;
  return made;
}

function age(seconds: number): string {
  if (seconds < 60) return "just now";
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function row(session: Listed): HTMLTableRowElement {
  const made = document.createElement("tr");
  const state = cell("");
  const badge = document.createElement("span");
  badge.className = `badge ${session.state}`;
  badge.textContent = STATES[session.state];
  state.append(badge);
  const page = cell("", "page");
  const title = document.createElement("strong");
  title.textContent = session.page.title || "Untitled page";
  const url = document.createElement("span");
  url.textContent = session.page.url;
  page.append(title, url);
  const join = cell("");
  const link = document.createElement("a");
  link.className = "button";
  link.textContent = "Join";
  link.setAttribute("aria-label", `Join session ${session.key}`);
  link.href = `/cobrowse/AgentView.aspx?SessionKey=${encodeURIComponent(session.key)}`;
  link.target = `cobrowse-${session.key}`;
  join.append(link);
  const person = cell("");
  showPerson(person, session.person);
  made.append(cell(session.key, "key"), person, page, state, cell(age(session.age_s)), join);
  return made;
}

function show(sessions: Listed[]): void {
  element("rows").replaceChildren(...sessions.map(row));
  element("table").hidden = sessions.length === 0;
  element("empty").hidden = sessions.length > 0;
}

function onMessage(message: ToAgent): void {
  if (message.type === "sessions") {
    setState("active", "Live");
    show(message.sessions);
  } else if (message.type === "refused") {
    setState("ended", message.message);
  }
}

function setState(state: string, text: string): void {
  document.body.dataset.state = state;
  element("state").textContent = text;
}

hideCredential();
connect(
  { type: "watch", token: readBoot().token },
  {
    message: onMessage,
    lost: (retrying) => {
      if (retrying) setState("lost", "Reconnecting …");
    },
  },
);
