// Capture frames as bytes: JSON, each frame deflated with the text before it as dictionary, from each
// keyframe on afresh.
import { deflateSync, Inflate, inflateSync } from "fflate";
import { fromJson, toJson } from "./native";
import { packFrame, unpackFrame } from "./wire";

const LEVEL = 4;
/** How much of the text before a frame its dictionary holds: as many bytes as can be hashed at once. */
const DICTIONARY_BYTES = 8192;
/** One frame's text; the relay takes 8 MiB of compressed bytes. */
const MAX_TEXT_BYTES = 128 * 1024 * 1024;
/** A kilobyte may stand for a megabyte: so much is expanded between two looks at the size. */
const PIECE_BYTES = 16_384;
/** What most frames stand for has room here; a new array for each would cost more than all else. */
const ROOM = new Uint8Array(65_536);

/** The last bytes of all text so far. */
class Dictionary {
  bytes = new Uint8Array(0);

  add(text: Uint8Array): void {
    if (text.length >= DICTIONARY_BYTES) {
      this.bytes = text.slice(-DICTIONARY_BYTES);
      return;
    }
    const kept = this.bytes.subarray(-Math.max(1, DICTIONARY_BYTES - text.length));
    const joined = new Uint8Array(kept.length + text.length);
    joined.set(kept);
    joined.set(text, kept.length);
    this.bytes = joined;
  }
}

/** Turns batches of operations into frames. */
export class FrameEncoder {
  private sequence = 0;
  private dictionary = new Dictionary();
  private readonly utf8 = new TextEncoder();

  /** A keyframe starts afresh: who joins there needs nothing from before. */
  encode(ops: readonly unknown[], keyframe: boolean): Uint8Array {
    if (keyframe) this.dictionary = new Dictionary();
    const text = this.utf8.encode(toJson(ops));
    const payload = deflateSync(text, { level: LEVEL, dictionary: this.dictionary.bytes });
    this.dictionary.add(text);
    return packFrame({ keyframe, sequence: this.sequence++, payload });
  }
}

/** Turns frames back into batches of operations. */
export class FrameDecoder<Op> {
  private dictionary: Dictionary | undefined;

  /**
   * Undefined for bytes that are no frame, or for a frame whose keyframe is not here.
   * Throws for a payload that is broken.
   */
  decode(bytes: Uint8Array): { keyframe: boolean; ops: Op[] } | undefined {
    const frame = unpackFrame(bytes);
    if (!frame) return undefined;
    if (frame.keyframe) this.dictionary = new Dictionary();
    if (!this.dictionary) return undefined;
    const text = expand(frame.payload, this.dictionary.bytes);
    this.dictionary.add(text);
    return { keyframe: frame.keyframe, ops: fromJson(new TextDecoder().decode(text)) as Op[] };
  }
}

/** Good until the next call. Throws for bytes that are broken or stand for too much. */
function expand(payload: Uint8Array, dictionary: Uint8Array): Uint8Array {
  if (payload.length <= PIECE_BYTES) {
    const quick = inflateSync(payload, { dictionary, out: ROOM });
    if (quick.length < ROOM.length) return quick;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  const inflate = new Inflate({ dictionary }, (chunk) => {
    size += chunk.length;
    if (size > MAX_TEXT_BYTES) throw new RangeError("a frame of too much text");
    chunks.push(chunk);
  });
  for (let at = 0; at < payload.length; at += PIECE_BYTES) {
    inflate.push(payload.subarray(at, at + PIECE_BYTES), at + PIECE_BYTES >= payload.length);
  }
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  const text = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    text.set(chunk, at);
    at += chunk.length;
  }
  return text;
}
