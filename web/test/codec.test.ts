import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { FrameDecoder, FrameEncoder } from "../src/codec";
import { packFrame, unpackFrame } from "../src/wire";

const events = (n: number) => [{ type: 3, text: `change ${n}`, more: "ü漢".repeat(n) }];

test("each frame decodes at once, in the context of its keyframe", () => {
  const encoder = new FrameEncoder();
  const decoder = new FrameDecoder<unknown>();
  for (let n = 0; n < 300; n++) {
    const frame = encoder.encode(events(n), n % 100 === 0);
    assert.deepEqual(decoder.decode(frame)?.ops, events(n));
  }
});

test("a late decoder needs the newest keyframe and what followed, nothing before", () => {
  const encoder = new FrameEncoder();
  encoder.encode(events(1), true);
  encoder.encode(events(2), false);
  const kept = [encoder.encode(events(3), true), encoder.encode(events(4), false)];
  const decoder = new FrameDecoder<unknown>();
  assert.deepEqual(
    kept.map((frame) => decoder.decode(frame)?.ops),
    [events(3), events(4)],
  );
});

test("a frame without its keyframe is no frame", () => {
  const encoder = new FrameEncoder();
  encoder.encode(events(1), true);
  assert.equal(new FrameDecoder().decode(encoder.encode(events(2), false)), undefined);
});

test("big batches survive", () => {
  const big = [{ text: Array.from({ length: 200_000 }, (_, i) => i * 7919).join() }];
  const frame = new FrameEncoder().encode(big, true);
  assert.deepEqual(new FrameDecoder().decode(frame)?.ops, big);
});

test("a frame that stands for too much is refused before it is expanded", () => {
  const bomb = new Uint8Array(200 * 1024 * 1024);
  const payload = new Uint8Array(deflateRawSync(bomb));
  const frame = packFrame({ keyframe: true, sequence: 0, payload });
  assert.throws(() => new FrameDecoder().decode(frame), /too much text/);
});

test("broken bytes throw", () => {
  for (const payload of [[7], [255, 255, 255], [1, 2, 0, 0, 0, 91]]) {
    const frame = packFrame({ keyframe: true, sequence: 0, payload: new Uint8Array(payload) });
    assert.throws(() => new FrameDecoder().decode(frame));
  }
});

test("a page's toJSON has no say, and stays", () => {
  const prototypes = [Array.prototype, String.prototype, Object.prototype] as object[];
  const spoil = { value: () => "spoiled", configurable: true };
  for (const prototype of prototypes) Object.defineProperty(prototype, "toJSON", spoil);
  try {
    const frame = new FrameEncoder().encode([["text", 1, "a"]], true);
    assert.equal(prototypes.filter((prototype) => Object.hasOwn(prototype, "toJSON")).length, 3);
    for (const prototype of prototypes) Reflect.deleteProperty(prototype, "toJSON");
    assert.deepEqual(new FrameDecoder().decode(frame)?.ops, [["text", 1, "a"]]);
  } finally {
    for (const prototype of prototypes) Reflect.deleteProperty(prototype, "toJSON");
  }
});

test("headers come back as they went", () => {
  const frame = { keyframe: true, sequence: 4_000_000_000, payload: new Uint8Array([1, 2, 3]) };
  assert.deepEqual(unpackFrame(packFrame(frame)), frame);
  assert.equal(unpackFrame(new Uint8Array(8)), undefined);
  assert.equal(unpackFrame(new Uint8Array([9, 0, 0, 0, 0, 0, 0, 0, 1])), undefined);
});
