// Capture frames as bytes: JSON, deflated with one context from each keyframe to the next.
import { Deflate, Inflate } from "pako";
import { packFrame, unpackFrame } from "./wire";

const LEVEL = 4;
const SYNC_FLUSH = 2;
// Allocated for each frame, and most frames are small.
const CHUNK_BYTES = 4096;

/** Turns batches of events into frames. */
export class FrameEncoder {
  private sequence = 0;
  private deflate: Deflate | undefined;
  private chunks: Uint8Array[] = [];

  /** A keyframe starts a fresh context: who joins there needs nothing from before. */
  encode(events: readonly unknown[], keyframe: boolean): Uint8Array {
    if (keyframe || !this.deflate) {
      this.deflate = new Deflate({ raw: true, level: LEVEL, chunkSize: CHUNK_BYTES });
      this.deflate.onData = (chunk) => this.chunks.push(chunk as Uint8Array);
    }
    this.chunks = [];
    this.deflate.push(JSON.stringify(events), SYNC_FLUSH);
    return packFrame({ keyframe, sequence: this.sequence++, payload: joined(this.chunks) });
  }
}

/** Turns frames back into batches of events. */
export class FrameDecoder<Event> {
  private inflate: Inflate | undefined;
  private chunks: Uint8Array[] = [];

  /**
   * Undefined for bytes that are no frame, or for a frame whose keyframe is not here.
   * Throws for a payload that is broken.
   */
  decode(bytes: Uint8Array): { keyframe: boolean; events: Event[] } | undefined {
    const frame = unpackFrame(bytes);
    if (!frame) return undefined;
    if (frame.keyframe) {
      this.inflate = new Inflate({ raw: true });
      this.inflate.onData = (chunk) => this.chunks.push(chunk as Uint8Array);
    }
    if (!this.inflate) return undefined;
    this.chunks = [];
    this.inflate.push(frame.payload, SYNC_FLUSH);
    const text = new TextDecoder().decode(joined(this.chunks));
    return { keyframe: frame.keyframe, events: JSON.parse(text) };
  }
}

function joined(chunks: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
