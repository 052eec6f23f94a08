// The visitor's session: from startSession over page loads and lost connections to its end.
import type { Internal, Seen, SessionShown } from "../globals";
import type { Messages } from "../messages";
import { on } from "../native";
import { type AgentShown, type Rules, TAKEN_OVER, type ToVisitor } from "../wire";
import { Capturing } from "./capturing";
import { type Events, isErrorCode } from "./events";
import { Link } from "./link";
import { type Params, startFrom } from "./start";
import { readTicket, writeTicket } from "./ticket";
import { isShown, whenShown } from "./visible";

/** How long it is tried to come back on a page that the relay has not told yet how long it waits. */
const RESUME_WINDOW_MS = 10 * 60_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 3_000;
/** A connection that held this long was a good one. */
const STABLE_MS = 10_000;

/**
 * idle: no session. starting: asked for, not yet there. on: running.
 * away: running, but this page is not connected (reconnecting, or another page has taken it over).
 */
type State = "idle" | "starting" | "on" | "away";

export interface SessionHandlers {
  /** A session that was asked for here is there. */
  started(): void;
  /** It is over, here or elsewhere. */
  ended(): void;
  /** What visitors should see has changed; undefined: no session. */
  shown(session: SessionShown | undefined): void;
  /** An agent's session message. */
  said(name: string, message: unknown): void;
}

export class VisitorSession {
  key: string | undefined;
  /** The ticket for a page of another site behind the same proxy. */
  handover = "";
  private state: State = "idle";
  private agents: readonly AgentShown[] = [];
  /** What waits for the script that carries it. */
  private unsaid: [name: string, payload: unknown][] = [];
  private carrier: Messages | undefined;
  private reconnecting = false;
  private retries = 0;
  private lostAt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private resumeWindowMs = RESUME_WINDOW_MS;
  private stopAsked = false;
  private runningSince = 0;
  private continuedHere = false;
  private readonly link: Link;
  private readonly capturing: Capturing;

  constructor(
    private readonly internal: Internal,
    seen: Seen,
    captureIntegrity: string,
    private readonly events: Events,
    private readonly handlers: SessionHandlers,
  ) {
    this.link = new Link(internal, {
      message: (message) => this.onMessage(message),
      closed: (code, retry) => this.onClosed(code, retry),
    });
    this.capturing = new Capturing(
      internal,
      captureIntegrity,
      this.link,
      seen,
      () => {
        this.events.fail(this.link.isPoliced ? "policy" : "service");
        this.stop();
      },
      () => this.sayWhatWaits(),
    );
    on(window, "pagehide", () => this.leavePage());
    on<PageTransitionEvent>(window, "pageshow", (event) => {
      if (!event.persisted) return;
      this.messages?.load();
      this.resumeWhenShown();
    });
    // Back from sleep or another network: no need to wait for the next try.
    on(window, "online", () => {
      if (this.reconnecting) this.resume();
    });
  }

  get isOn(): boolean {
    this.noticeEnd();
    return this.state === "on" || this.state === "away";
  }

  get isStarting(): boolean {
    return this.state === "starting";
  }

  /** False where none was begun; the page is told why. */
  start(params: Params, terms = ""): boolean {
    this.noticeEnd();
    if (this.state !== "idle") {
      this.events.fail("insession");
      return false;
    }
    const { config, own } = this.internal;
    const visitorid = config.tag ? own?.dataset.visitorid : undefined;
    const start = startFrom(params, { ...(visitorid && { visitorid }), ...config.identity });
    if (!start) {
      this.events.fail("badkey");
      return false;
    }
    this.state = "starting";
    this.stopAsked = false;
    this.capturing.load();
    const { key, person } = start;
    void this.link.open((token) => ({ type: "start", token, key, person, terms }));
    return true;
  }

  stop(): void {
    if (this.state === "starting") {
      this.stopAsked = true;
    } else if (this.link.isOpen()) {
      this.link.send({ type: "stop" });
    } else if (this.state === "away") {
      // The relay must hear of it: take the session up once more, only to end it.
      this.stopAsked = true;
      this.resume();
    }
  }

  /** Say something to all agents who are there. */
  say(name: string, payload: unknown): void {
    const { agents, messages } = this;
    if (!agents.length) this.events.fail("noagent");
    else if (!messages) this.unsaid.push([name, payload]);
    else if (!agents.every(({ end }) => messages.say(end, name, payload))) this.events.fail("busy");
  }

  private sayWhatWaits(): void {
    for (const [name, payload] of this.unsaid.splice(0)) this.say(name, payload);
  }

  /** Undefined until its script is there. */
  private get messages(): Messages | undefined {
    this.carrier ??=
      (this.key &&
        this.internal.startMessages?.(
          {
            isOpen: () => this.state === "on" && this.link.isOpen(),
            send: (message) => this.link.send(message),
            deliver: (name, payload) => this.handlers.said(name, payload),
            lost: () => this.events.fail("noagent"),
          },
          this.key,
        )) ||
      undefined;
    return this.carrier;
  }

  /** Go on with the session of an earlier page, once a person sees this one. */
  resumeWhenShown(): void {
    const ticket = readTicket();
    if (this.state === "starting" || this.state === "on") return;
    this.noticeEnd();
    if (!ticket) return;
    this.state = "away";
    this.key = ticket.split(".")[0];
    // A page that was prefetched, prerendered or opened in the background must not take the session
    // away from the page in front.
    if (isShown()) {
      this.lostAt = Date.now();
      this.resume();
    } else {
      whenShown(() => this.resumeWhenShown());
    }
  }

  /** Another page of the visitor may have ended the session: then the ticket is gone. */
  private noticeEnd(): void {
    if (this.state === "away" && !readTicket()) this.end("visitor");
  }

  private resume(): void {
    clearTimeout(this.retryTimer);
    const ticket = readTicket();
    this.noticeEnd();
    if (!ticket) return;
    if (!this.stopAsked) this.capturing.load();
    void this.link.open((token) => ({ type: "resume", token, ticket }));
  }

  private onMessage(message: ToVisitor): void {
    switch (message.type) {
      case "started":
      case "continued":
        this.resumeWindowMs = message.away_s * 1000;
        this.handover = message.handover;
        this.onRunning(message.key, message.ticket, message.rules);
        break;
      case "agentjoin":
        this.events.fire("agentjoin", { name: message.name });
        break;
      case "agents":
        this.agents = message.agents;
        this.messages?.gone(message.gone);
        this.show();
        break;
      case "message":
      case "ack":
      case "undelivered":
        this.messages?.hear(message);
        break;
      case "keyframe":
        this.capturing.keyframe();
        break;
      case "gesture":
        this.internal.point?.(message);
        break;
      case "ended":
        this.end(message.reason);
        break;
      case "refused":
        this.onRefused(message.code, message.message);
        break;
    }
  }

  private onRunning(key: string, ticket: string, rules: Rules): void {
    const isNew = this.state === "starting";
    this.state = "on";
    this.key = key;
    this.runningSince = Date.now();
    writeTicket(ticket);
    this.link.send({ type: "confirm", ticket });
    if (this.stopAsked) {
      this.link.send({ type: "stop" });
      return;
    }
    this.capturing.begin(rules);
    this.messages?.sendAgain();
    if (isNew) {
      this.handlers.started();
      this.events.fire("sessionstart");
    } else if (!this.continuedHere) this.events.fire("sessioncontinue");
    this.continuedHere = true;
    this.setReconnecting(false);
    this.show();
  }

  private onRefused(code: string, message: string): void {
    const known = isErrorCode(code) ? code : "refused";
    if (this.state === "starting") {
      this.state = "idle";
      this.capturing.stop();
      this.events.fail(known, message);
    } else if (code === "ticket") {
      this.end("timeout");
    } else {
      this.events.fail(known, message);
      this.end("error");
    }
    this.link.close();
  }

  private onClosed(code: number, retry: boolean): void {
    if (this.state === "starting") {
      this.state = "idle";
      this.capturing.stop();
      this.events.fail(this.link.isPoliced ? "policy" : "service");
      return;
    }
    if (this.state === "idle") return;
    if (this.stopAsked) {
      this.end("visitor");
      return;
    }
    if (this.state === "on") {
      this.state = "away";
      // A line that breaks again and again counts as lost since the first time.
      if (!this.lostAt || Date.now() - this.runningSince > STABLE_MS) {
        this.retries = 0;
        this.lostAt = Date.now();
      }
    }
    if (retry && Date.now() - this.lostAt < this.resumeWindowMs) {
      const wait = Math.min(FIRST_RETRY_MS * 2 ** this.retries++, LAST_RETRY_MS);
      this.retryTimer = setTimeout(() => this.resume(), wait * (0.75 + Math.random() / 2));
      this.setReconnecting(true);
    } else if (code === TAKEN_OVER) {
      // Another tab is in front now. This one may come back.
      this.capturing.stop();
      this.handlers.shown(undefined);
      whenShown(() => this.resumeWhenShown());
    } else {
      this.events.fail(this.link.isPoliced ? "policy" : "conndrop");
      this.end("error");
    }
  }

  private setReconnecting(reconnecting: boolean): void {
    if (this.reconnecting === reconnecting) return;
    this.reconnecting = reconnecting;
    this.events.fire("connection", { status: reconnecting ? "reconnecting" : "ok" });
    this.show();
  }

  private show(): void {
    const { key = "", agents, reconnecting } = this;
    this.handlers.shown({ key, agents: agents.map(({ name }) => name), reconnecting });
  }

  private end(reason: string): void {
    this.capturing.stop();
    this.messages?.stop();
    this.carrier = undefined;
    this.unsaid = [];
    this.link.close();
    clearTimeout(this.retryTimer);
    this.state = "idle";
    this.key = undefined;
    this.handover = "";
    this.agents = [];
    this.reconnecting = false;
    this.continuedHere = false;
    this.stopAsked = false;
    this.retries = 0;
    this.lostAt = 0;
    writeTicket("");
    this.handlers.ended();
    this.handlers.shown(undefined);
    this.events.fire("sessionend", { reason });
  }

  /** The page goes, perhaps into the browser's back/forward cache. */
  private leavePage(): void {
    clearTimeout(this.retryTimer);
    this.capturing.stop();
    this.messages?.save();
    this.link.close();
    if (this.state === "on") this.state = "away";
    if (this.state === "starting") this.state = "idle";
    this.continuedHere = false;
  }
}
