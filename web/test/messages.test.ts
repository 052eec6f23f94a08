import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { type MessageHandlers, Messages } from "../src/messages";
import type { Acknowledged, SessionMessage } from "../src/wire";

type Sent = SessionMessage | Acknowledged;

/** Two ends and a line between them that may be cut, or lose what is on it. */
class Line {
  open = true;
  readonly got: unknown[] = [];
  readonly lost: string[] = [];
  private on: [to: "left" | "right", message: Sent][] = [];
  left: Messages;
  right: Messages;

  constructor() {
    this.left = new Messages(this.handlers("right", () => {}));
    this.right = new Messages(this.handlers("left", (payload) => this.got.push(payload)));
  }

  handlers(to: "left" | "right", deliver: (payload: unknown) => void): MessageHandlers {
    return {
      isOpen: () => this.open,
      send: (message) => this.open && this.on.push([to, structuredClone(message)]),
      deliver: (_, payload) => deliver(payload),
      lost: (name) => this.lost.push(name),
    };
  }

  run(keeps: () => boolean = () => true): void {
    while (this.on.length) {
      const [to, message] = this.on.shift() as [to: "left" | "right", message: Sent];
      if (keeps()) this[to].hear(message);
    }
  }

  cut(): void {
    this.on = [];
  }
}

const END = "the-agents-end";
let line: Line;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setInterval"] });
  line = new Line();
});

test("in order, and once", () => {
  for (let n = 1; n <= 20; n++) line.left.say(END, "n", n);
  line.run();
  assert.deepEqual(
    line.got,
    Array.from({ length: 20 }, (_, at) => at + 1),
  );
  mock.timers.tick(10_000);
  line.run();
  assert.equal(line.got.length, 20);
});

test("over a line that loses and is cut at any time", () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  for (let round = 0; round < 50; round++) {
    line = new Line();
    for (let n = 1; n <= 40; n++) {
      line.left.say(END, "n", n);
      if (random() < 0.2) line.run(() => random() < 0.7);
      if (random() < 0.1) line.cut();
      line.open = random() < 0.8;
    }
    line.open = true;
    for (let again = 0; again < 60; again++) {
      mock.timers.tick(2_000);
      line.run(() => random() < 0.8);
    }
    assert.deepEqual(
      line.got,
      Array.from({ length: 40 }, (_, at) => at + 1),
    );
  }
});

test("a page that comes late hears what its sender still keeps, and nothing out of turn", () => {
  line.left.say(END, "n", 1);
  line.run();
  line.left.say(END, "n", 2);
  line.cut(); // lost on its way, and with it the page that it went to
  line.right = new Messages(line.handlers("left", (payload) => line.got.push(payload)));
  line.left.say(END, "n", 3);
  line.run();
  mock.timers.tick(2_000);
  line.run();
  assert.deepEqual(line.got, [1, 2, 3]);
});

test("what waits is capped, and lost when the end is gone", () => {
  line.open = false;
  let taken = 0;
  while (line.left.say(END, "n", "x".repeat(100))) taken++;
  assert.equal(taken, 64);
  assert(!line.left.say("other-end", "n", "x".repeat(2_000_000)));
  line.left.gone([END]);
  assert.equal(line.lost.length, 64);
  assert(line.left.say(END, "n", 1));
});

test("the next page of the tab goes on, and only one", () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
    removeItem: (name: string) => void kept.delete(name),
  } as unknown as Storage;
  const make = (key = "KEY") =>
    new Messages(
      line.handlers("right", () => {}),
      storage,
      key,
    );
  line.left = make();
  line.left.say(END, "n", 1);
  line.run();
  line.open = false;
  line.left.say(END, "n", 2);
  line.left.save();
  line.open = true;
  line.left = make();
  line.left.sendAgain();
  line.left.say(END, "n", 3);
  line.run();
  assert.deepEqual(line.got, [1, 2, 3]);
  assert.equal(kept.size, 0);
  line.left.save();
  const other = make("another session");
  other.say(END, "n", 4);
  line.run();
  assert.deepEqual(line.got, [1, 2, 3, 4]);
});
