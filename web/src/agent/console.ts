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

const boot = readBoot();
const query = element("query") as HTMLInputElement;
let sessions: Listed[] = [];
let more = 0;
let isLive = false;
/** Rows by key: one that has the focus must not be made anew. */
const rows = new Map<string, Row>();

interface Row {
  made: HTMLTableRowElement;
  cells: Record<"person" | "title" | "url" | "badge" | "age", HTMLElement>;
}

function age(seconds: number): string {
  if (seconds < 60) return "just now";
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function make(key: string): Row {
  const made = document.createElement("tr");
  const cell = (className: string, ...content: (Node | string)[]) => {
    const td = document.createElement("td");
    td.className = className;
    td.append(...content);
    made.append(td);
    return td;
  };
  const title = document.createElement("strong");
  const url = document.createElement("span");
  const badge = document.createElement("span");
  const link = document.createElement("a");
  link.className = "button";
  link.textContent = "Join";
  link.setAttribute("aria-label", `Join session ${key}`);
  link.href = `/cobrowse/AgentView.aspx?SessionKey=${encodeURIComponent(key)}&partnerid=${encodeURIComponent(boot.group)}`;
  link.target = `cobrowse-${key}`;
  cell("key", key);
  const person = cell("person");
  cell("page", title, url);
  cell("state", badge);
  const running = cell("age");
  cell("join", link);
  return { made, cells: { person, title, url, badge, age: running } };
}

function fill({ cells }: Row, session: Listed): void {
  showPerson(cells.person, session.person);
  cells.title.textContent = session.page.title || "Untitled page";
  cells.url.textContent = session.page.url;
  cells.badge.className = `badge ${session.state}`;
  const agents = session.agents > 1 ? `with ${session.agents} agents` : STATES.active;
  cells.badge.textContent = session.state === "active" ? agents : STATES[session.state];
  cells.age.textContent = age(session.age_s);
}

/** By key, visitor id or name, as they are typed. */
function matches({ key, person }: Listed, wanted: string): boolean {
  const values = [key, person.visitorid, person.name];
  return values.some((value) => value?.toLowerCase().includes(wanted));
}

function show(): void {
  const wanted = query.value.trim().toLowerCase();
  const found = sessions.filter((session) => matches(session, wanted));
  const keys = new Set(found.map(({ key }) => key));
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    row.made.remove();
    rows.delete(key);
  }
  const list = element("rows");
  for (const [at, session] of found.entries()) {
    const row = rows.get(session.key) ?? make(session.key);
    rows.set(session.key, row);
    fill(row, session);
    const there = list.children[at] ?? null;
    if (there !== row.made) list.insertBefore(row.made, there);
  }
  element("table").hidden = found.length === 0;
  element("empty").hidden = found.length > 0 || !isLive;
  element("nothing").textContent = wanted
    ? `No session matches “${query.value.trim()}”.`
    : "No visitor is in a session.";
  element("hint").textContent = wanted
    ? "Keys, visitor ids and names are searched."
    : "A session appears here as soon as a visitor starts one.";
  showCount(found.length, wanted);
}

function showCount(found: number, wanted: string): void {
  const all = sessions.length;
  const number = `${wanted ? `${found} of ` : ""}${all} ${all === 1 ? "session" : "sessions"}`;
  const text = isLive ? number + (more ? `, the newest; ${more} more are not listed` : "") : "";
  if (element("count").textContent !== text) element("count").textContent = text;
}

function onMessage(message: ToAgent): void {
  if (message.type === "sessions") {
    setState("active", "Live");
    ({ sessions, more } = message);
    isLive = true;
    show();
  } else if (message.type === "refused") {
    setState("ended", message.message);
  }
}

function setState(state: string, text: string): void {
  document.body.dataset.state = state;
  if (element("state").textContent !== text) element("state").textContent = text;
}

hideCredential({ partnerid: boot.group });
query.addEventListener("input", show);
element("search").addEventListener("submit", (event) => {
  event.preventDefault();
  document.querySelector<HTMLElement>("#rows a")?.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target === query || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  query.select();
});
connect(() => ({ type: "watch", token: boot.token }), {
  message: onMessage,
  lost: (retrying) => {
    if (retrying) setState("lost", "Reconnecting …");
    else if (document.body.dataset.state !== "ended") setState("ended", "Disconnected");
  },
});
