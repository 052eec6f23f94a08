// The visitor's session: from startSession over page loads and lost connections to its end.
import { type Capture, type Internal, readTicket, SESSION_COOKIE, type Visitor } from "../globals";
import { type Rules, TAKEN_OVER, type ToVisitor } from "../wire";
import { currentPage } from "./browser";
import { ERRORS, type ErrorCode, Events } from "./events";
import { Link } from "./link";
import { type Start, startFrom } from "./start";

const VERSION = "0.1.0";
/** How long the relay keeps a session whose visitor is away. */
const RESUME_WINDOW_MS = 10 * 60_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
/** A connection that held this long was a good one. */
const STABLE_MS = 10_000;
const CAPTURE_TRIES = 3;
const CAPTURE_RETRY_MS = 1_000;

/**
 * idle: no session. starting: asked for, not yet there. on: running.
 * away: running, but this page is not connected (reconnecting, or another page has taken it over).
 */
type State = "idle" | "starting" | "on" | "away";

export class VisitorSession {
  private state: State = "idle";
  private key: string | undefined;
  private capture: Capture | undefined;
  private retries = 0;
  private lostAt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private stopAsked = false;
  private runningSince = 0;
  private told: string | undefined;
  /** What may be told of the page: nothing before they have come. */
  private rules: Rules | undefined;
  private continuedHere = false;
  private readonly events = new Events();
  private readonly link: Link;

  constructor(
    private readonly internal: Internal,
    private readonly captureIntegrity: string,
  ) {
    this.link = new Link(internal.config, {
      message: (message) => this.onMessage(message),
      closed: (code, retry) => this.onClosed(code, retry),
    });
    addEventListener("pagehide", () => this.leavePage());
    addEventListener("pageshow", (event) => {
      if (event.persisted) this.resumeWhenShown();
    });
  }

  /** What GLANCE.Cobrowse.Visitor offers. */
  api(): Visitor {
    return {
      startSession: (argument?: unknown) => this.start(argument),
      stopSession: () => this.stop(),
      inSession: () => {
        this.noticeEnd();
        return this.state === "on" || this.state === "away";
      },
      getKey: () => {
        if (this.key === undefined) this.events.fail("nosession");
        return this.key;
      },
      addEventListener: (name: unknown, listener: unknown) => this.events.add(name, listener),
      removeEventListener: (name: unknown, listener: unknown) => this.events.remove(name, listener),
    };
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
      this.whenShown(() => this.resumeWhenShown());
    }
  }

  /** Another page of the visitor may have ended the session: then the ticket is gone. */
  private noticeEnd(): void {
    if (this.state === "away" && !readTicket()) this.end("visitor");
  }

  private start(argument: unknown): void {
    this.noticeEnd();
    if (this.state !== "idle") {
      this.events.fail("insession");
      return;
    }
    const start = startFrom(argument, this.internal.config.identity);
    if (!start) {
      this.events.fail("badkey");
      return;
    }
    this.state = "starting";
    this.stopAsked = false;
    this.loadCapture();
    void this.link.open((token) => this.helloStart(token, start));
  }

  private helloStart(token: string, start: Start) {
    return { type: "start", token, key: start.key, person: start.person } as const;
  }

  private stop(): void {
    if (this.state === "idle") {
      this.events.fail("nosession");
    } else if (this.state === "starting") {
      this.stopAsked = true;
    } else if (this.link.isOpen()) {
      this.link.send({ type: "stop" });
    } else {
      // The relay must hear of it: take the session up once more, only to end it.
      this.stopAsked = true;
      clearTimeout(this.retryTimer);
      this.resume();
    }
  }

  private resume(): void {
    const ticket = readTicket();
    this.noticeEnd();
    if (!ticket) return;
    if (!this.stopAsked) this.loadCapture();
    void this.link.open((token) => ({
      type: "resume",
      token,
      ticket,
    }));
  }

  private onMessage(message: ToVisitor): void {
    switch (message.type) {
      case "started":
      case "continued":
        this.onRunning(message.key, message.ticket, message.rules);
        break;
      case "agentjoin":
        this.events.fire("agentjoin", { name: message.name });
        break;
      case "keyframe":
        this.capture?.keyframe();
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
    this.rules = rules;
    this.state = "on";
    this.key = key;
    this.runningSince = Date.now();
    writeTicket(ticket);
    this.link.send({ type: "confirm", ticket });
    if (this.stopAsked) {
      this.link.send({ type: "stop" });
      return;
    }
    this.told = undefined;
    this.tellPage();
    if (this.capture) this.capture.keyframe();
    else this.startCapture();
    if (isNew) this.events.fire("sessionstart");
    else if (!this.continuedHere) this.events.fire("sessioncontinue");
    this.continuedHere = true;
  }

  private onRefused(code: string, message: string): void {
    const known: ErrorCode = code in ERRORS ? (code as ErrorCode) : "refused";
    if (this.state === "starting") {
      this.state = "idle";
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
      this.events.fail(this.internal.blocked ? "policy" : "service");
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
    if (retry && Date.now() - this.lostAt < RESUME_WINDOW_MS) {
      const wait = Math.min(FIRST_RETRY_MS * 2 ** this.retries++, LAST_RETRY_MS);
      this.retryTimer = setTimeout(() => this.resume(), wait * (0.75 + Math.random() / 2));
    } else if (code === TAKEN_OVER) {
      // Another tab is in front now. This one may come back.
      this.stopCapture();
      this.whenShown(() => this.resumeWhenShown());
    } else {
      this.events.fail("conndrop");
      this.end("error");
    }
  }

  /** Once a person sees this page: it is in front, and no longer only prerendered. */
  private whenShown(resume: () => void): void {
    const shown = () => {
      if (!isShown()) return;
      document.removeEventListener("visibilitychange", shown);
      document.removeEventListener("prerenderingchange", shown);
      removeEventListener("focus", shown);
      resume();
    };
    // Of two windows side by side, both visible, the one that is used has the session.
    addEventListener("focus", shown);
    document.addEventListener("visibilitychange", shown);
    document.addEventListener("prerenderingchange", shown);
  }

  private end(reason: string): void {
    this.stopCapture();
    this.link.close();
    clearTimeout(this.retryTimer);
    this.state = "idle";
    this.key = undefined;
    this.continuedHere = false;
    this.stopAsked = false;
    this.retries = 0;
    this.lostAt = 0;
    writeTicket("");
    this.events.fire("sessionend", { reason });
  }

  /** The page goes, perhaps into the browser's back/forward cache. */
  private leavePage(): void {
    clearTimeout(this.retryTimer);
    this.stopCapture();
    this.link.close();
    if (this.state === "on") this.state = "away";
    if (this.state === "starting") this.state = "idle";
    this.continuedHere = false;
  }

  private loadCapture(tries = CAPTURE_TRIES): void {
    if (this.internal.startCapture) return;
    const version = encodeURIComponent(this.captureIntegrity.slice(-16));
    this.internal.insert(`capture.js?v=${version}`, this.captureIntegrity, () => {
      if (this.internal.startCapture) {
        this.startCapture();
      } else if (tries > 1 && this.state !== "idle") {
        setTimeout(() => this.loadCapture(tries - 1), CAPTURE_RETRY_MS);
      } else if (this.state !== "idle") {
        this.events.fail(this.internal.blocked ? "policy" : "service");
        this.stop();
      }
    });
  }

  /** Needs two things, whichever comes last: the capture script and a running session. */
  private startCapture(): void {
    if (this.state !== "on" || this.capture || !this.rules) return;
    const sink = {
      isOpen: () => this.link.isOpen(),
      pendingBytes: () => this.link.pendingBytes(),
      send: (frame: Uint8Array) => this.link.send(frame),
      pageChanged: () => this.tellPage(),
    };
    this.capture = this.internal.capture = this.internal.startCapture?.(sink, this.rules);
  }

  /** The title may come late, and an address change without a page load. */
  private tellPage(): void {
    const now = `${location.href} ${document.title}`;
    if (!this.rules || this.told === now) return;
    this.told = now;
    this.link.send({ type: "page", page: currentPage(VERSION, this.rules) });
  }

  private stopCapture(): void {
    this.capture?.stop();
    this.capture = this.internal.capture = undefined;
  }
}

function isShown(): boolean {
  const prerendering = "prerendering" in document && document.prerendering;
  return document.visibilityState === "visible" && !prerendering;
}

function writeTicket(ticket: string): void {
  const age = ticket ? "" : "; Max-Age=0";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  // biome-ignore lint/suspicious/noDocumentCookie: cookieStore is missing on plain http
  document.cookie = `${SESSION_COOKIE}=${ticket}; Path=/; SameSite=Lax${age}${secure}`;
}
