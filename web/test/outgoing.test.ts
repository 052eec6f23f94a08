import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Outgoing } from "../src/capture/outgoing";
import { FrameDecoder } from "../src/codec";
import type { Op } from "../src/ops";

let sent: { keyframe: boolean; ops: Op[] }[];
let open: boolean;
let pending: number;
let asked: number;
let outgoing: Outgoing;
let now: number;

const START: Op = ["start", { doctype: "", width: 1, height: 1 }];
const text = (value: string, node = 2): Op => ["text", node, value];
const settled = () => new Promise<void>((done) => setImmediate(done));

beforeEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  mock.timers.enable({ apis: ["setTimeout"] });
  now = 1000;
  mock.method(performance, "now", () => now);
  [sent, open, pending, asked] = [[], true, 0, 0];
  const decoder = new FrameDecoder<Op>();
  outgoing = new Outgoing(
    {
      isOpen: () => open,
      pendingBytes: () => pending,
      tell: () => {},
      failed: () => {},
      send(frame) {
        const decoded = decoder.decode(frame);
        assert(decoded);
        sent.push(decoded);
      },
    },
    () => asked++,
  );
});

/** Some time passes before each batch, so that an idle link takes it at once. */
async function add(...ops: Op[]): Promise<void> {
  pass(50);
  for (const op of ops) outgoing.add(op);
  await settled();
}

function pass(ms: number): void {
  now += ms;
  mock.timers.tick(ms);
}

const opsSent = () => sent.map(({ ops }) => ops);

test("an idle link takes each operation at once", async () => {
  await add(START);
  await add(text("a"));
  assert.deepEqual(opsSent(), [[START], [text("a")]]);
  assert.deepEqual(
    sent.map(({ keyframe }) => keyframe),
    [true, false],
  );
});

test("nothing leaves before a keyframe, and nothing that it makes worthless", async () => {
  await add(text("a"));
  await add(text("b"), START, text("c"));
  assert.deepEqual(sent, [{ keyframe: true, ops: [START, text("c")] }]);
});

test("what comes quickly is gathered, and of one thing only the last word is sent", async () => {
  await add(START);
  for (let n = 0; n < 100; n++) outgoing.add(text(`hot ${n}`), "text 2");
  outgoing.add(text("other", 3), "text 3");
  outgoing.add(text("hot at last"), "text 2");
  await settled();
  assert.equal(sent.length, 1);
  pass(8);
  assert.deepEqual(opsSent()[1], [text("other", 3), text("hot at last")]);
});

test("under pressure operations wait", async () => {
  await add(START);
  pending = 100_000;
  await add(text("a"));
  pass(20);
  await add(text("b"));
  assert.equal(sent.length, 1);
  pending = 0;
  pass(20);
  assert.deepEqual(sent[1], { keyframe: false, ops: [text("a"), text("b")] });
});

test("a backlog is replaced by a keyframe", async () => {
  await add(START);
  pending = 100_000;
  await add(text("a"));
  for (let n = 0; n < 6_000; n++) outgoing.add(text("b"));
  pass(20);
  assert.equal(asked, 1);
  outgoing.add(START);
  pending = 0;
  pass(20);
  assert.deepEqual(sent[1], { keyframe: true, ops: [START] });
});

test("what a closed link loses is made good by the next keyframe", async () => {
  await add(START);
  open = false;
  await add(text("a"));
  open = true;
  await add(text("b"));
  await add(START, text("c"));
  assert.deepEqual(opsSent(), [[START], [START, text("c")]]);
});

test("what cannot be sent is not sent, and a keyframe is asked for", async () => {
  await add(START);
  const circle: unknown[] = [];
  circle.push(circle);
  await add(circle as unknown as Op, text("on it"));
  await add(text("after it"));
  assert.equal(sent.length, 1);
  assert.equal(asked, 1);
});

test("after close nothing leaves", async () => {
  await add(START);
  outgoing.add(text("a"));
  outgoing.close();
  await settled();
  await add(text("b"), START);
  pass(100);
  assert.equal(sent.length, 1);
});
