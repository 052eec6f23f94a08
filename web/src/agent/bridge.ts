// What the viewer in a frame and the page around it say to each other: the two halves of the Agent API.
// Both post to an exact origin, and both look at where a message is from and which window sent it.

export type EventName = "sessionend" | "navigate" | "error";

/**
 * page: an id that a page makes for its own life. seq: of its messages, counted up from 1. base: the
 * lowest that it still keeps. kept: what the viewer before had to leave.
 */
export type ToViewer =
  | { cobrowse: "agent"; type: "hello"; page: string; kept?: string }
  | {
      cobrowse: "agent";
      type: "say";
      page: string;
      seq: number;
      base: number;
      name: string;
      payload: string;
    }
  | { cobrowse: "agent"; type: "leave"; url: string };

/**
 * ready: the viewer is there and waits for hello. taken: up to this number nothing need be said again.
 * keep: text for the viewer that comes next, where frames have no storage.
 */
export type ToPage =
  | { cobrowse: "agent"; type: "ready" }
  | { cobrowse: "agent"; type: "welcome"; page: string; taken: number }
  | { cobrowse: "agent"; type: "taken"; seq: number }
  | { cobrowse: "agent"; type: "keep"; kept: string }
  | { cobrowse: "agent"; type: "event"; name: EventName; data?: object }
  | { cobrowse: "agent"; type: "message"; name: string; payload: string };

/** Undefined for what is none of these messages. */
export function read<Message>(data: unknown): Message | undefined {
  const marked = data !== null && typeof data === "object" && Object.hasOwn(data, "cobrowse");
  return marked && (data as { cobrowse: unknown }).cobrowse === "agent"
    ? (data as Message)
    : undefined;
}

/** As much as the relay takes. */
export const MAX_PAYLOAD_BYTES = 65_536;
export const MAX_NAME = 256;

/** Whether a frame may be led there. */
export function isWebAddress(url: string): boolean {
  try {
    return /^https?:$/.test(new URL(url).protocol);
  } catch {
    return false;
  }
}
