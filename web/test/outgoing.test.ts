import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Outgoing } from "../src/capture/outgoing";
import { FrameDecoder } from "../src/codec";

type Item = number | "keyframe" | "secret";

let sent: { keyframe: boolean; events: Item[] }[];
let open: boolean;
let pending: number;
let asked: number;
let outgoing: Outgoing<Item>;

const settled = () => new Promise<void>((done) => setImmediate(done));

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  [sent, open, pending, asked] = [[], true, 0, 0];
  const decoder = new FrameDecoder<Item>();
  outgoing = new Outgoing<Item>(
    {
      isOpen: () => open,
      pendingBytes: () => pending,
      pageChanged: () => {},
      send(frame) {
        const decoded = decoder.decode(frame);
        assert(decoded);
        sent.push(decoded);
      },
    },
    {
      startsKeyframe: (event) => event === "keyframe",
      filter(event) {
        if (event === "secret") throw new Error("the page has broken our filter");
      },
      keyframe() {
        asked++;
        outgoing.add("keyframe");
      },
    },
  );
});

async function add(...events: Item[]): Promise<void> {
  for (const event of events) outgoing.add(event);
  await settled();
}

test("an idle link takes each event at once", async () => {
  await add("keyframe");
  await add(1);
  await add(2);
  assert.deepEqual(
    sent.map(({ events }) => events),
    [["keyframe"], [1], [2]],
  );
});

test("nothing leaves before a keyframe, and nothing that it makes worthless", async () => {
  await add(1);
  await add(2, "keyframe", 3);
  assert.deepEqual(sent, [{ keyframe: true, events: ["keyframe", 3] }]);
});

test("under pressure events are gathered into one frame", async () => {
  await add("keyframe");
  pending = 100_000;
  await add(1);
  await add(2);
  mock.timers.tick(20);
  await add(3);
  assert.equal(sent.length, 1);
  pending = 0;
  mock.timers.tick(20);
  assert.deepEqual(sent[1], { keyframe: false, events: [1, 2, 3] });
});

test("a backlog is replaced by a keyframe", async () => {
  await add("keyframe");
  pending = 100_000;
  await add(1);
  for (let n = 0; n < 6_000; n++) outgoing.add(n);
  mock.timers.tick(20);
  assert.equal(asked, 1);
  pending = 0;
  mock.timers.tick(20);
  assert.deepEqual(sent[1], { keyframe: true, events: ["keyframe"] });
});

test("what a closed link loses is made good by the next keyframe", async () => {
  await add("keyframe");
  open = false;
  await add(1);
  open = true;
  await add(2);
  await add("keyframe", 3);
  assert.deepEqual(
    sent.map(({ events }) => events),
    [["keyframe"], ["keyframe", 3]],
  );
});

test("an event that cannot be filtered does not leave, nor what builds on it", async () => {
  await add("keyframe");
  await add("secret");
  await add(1);
  await add("keyframe");
  assert.equal(sent.length, 2);
  assert(!JSON.stringify(sent).includes("secret"));
});

test("after close nothing leaves", async () => {
  await add("keyframe");
  outgoing.add(1);
  outgoing.close();
  await settled();
  await add(2);
  assert.equal(sent.length, 1);
});
