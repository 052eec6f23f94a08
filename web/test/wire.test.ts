// The same vectors as tests/unit/test_wire.py: both languages mean the same bytes.
import assert from "node:assert/strict";
import { test } from "node:test";
import ids from "../../tests/cases/asset_ids.json";
import vectors from "../../tests/cases/wire.json";
import { assetId } from "../src/asset";
import {
  type FromVisitor,
  mayReconnect,
  packFrame,
  type ToVisitor,
  unpackFrame,
} from "../src/wire";

// A vector that the types do not allow does not compile.
const messages: [FromVisitor[], ToVisitor[]] = [
  vectors.from_visitor as FromVisitor[],
  vectors.to_visitor as ToVisitor[],
];

test("frames", () => {
  for (const { keyframe, sequence, payload, hex } of vectors.frames) {
    const frame = { keyframe, sequence, payload: new Uint8Array(Buffer.from(payload, "hex")) };
    assert.equal(Buffer.from(packFrame(frame)).toString("hex"), hex);
    assert.deepEqual(unpackFrame(new Uint8Array(Buffer.from(hex, "hex"))), frame);
  }
});

test("ids of files are those of the proxy", () => {
  for (const [address, id] of Object.entries(ids)) assert.equal(assetId(address), id);
});

test("every message type is in the vectors", () => {
  const types = messages.map((list) => list.map((message) => message.type));
  assert.deepEqual(types, [
    ["start", "resume", "confirm", "page", "stop", "message", "ack"],
    [
      ["started", "continued", "agentjoin", "agents", "message", "ack"],
      ["undelivered", "beat", "keyframe", "ended", "refused"],
    ].flat(),
  ]);
});

test("close codes", () => {
  for (const code of [1000, 1006, ...vectors.close_codes.may_reconnect]) assert(mayReconnect(code));
  for (const code of [1009, ...vectors.close_codes.final]) assert(!mayReconnect(code));
});
