import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { browserOf } from "../src/visitor/browser";
import { Events } from "../src/visitor/events";
import { RANDOM_KEY, startFrom } from "../src/visitor/start";
import { clean } from "../src/visitor/text";

const page = globalThis as { GLANCE_COBROWSE?: unknown };

beforeEach(() => {
  delete page.GLANCE_COBROWSE;
});

test("the three key rules", () => {
  const cookies = { visitorid: "from-cookie" };
  assert.equal(startFrom("ABC", cookies)?.key, "ABC");
  assert.equal(startFrom(RANDOM_KEY, cookies)?.key, "");
  assert.equal(startFrom(undefined, cookies)?.key, "from-cookie");
  assert.equal(startFrom(undefined, {})?.key, "");
  assert.equal(startFrom({ sessionKey: "S" }, cookies)?.key, "S");
  assert.equal(startFrom({ sessionKey: RANDOM_KEY }, cookies)?.key, "");
  assert.equal(startFrom({ name: "N" }, cookies)?.key, "from-cookie");
  assert.equal(startFrom(12345, cookies)?.key, "12345");
});

test("a key that breaks the rules is none", () => {
  for (const key of ["with space", "a/b", "é", "x".repeat(51), {}, []]) {
    if (typeof key === "object") assert.equal(startFrom({ sessionKey: key }, {}), undefined);
    else assert.equal(startFrom(key, {}), undefined);
  }
});

test("the page's values come before the cookies', the start's before both", () => {
  page.GLANCE_COBROWSE = { name: "Page", email: "page@shop.test", phone: 5, visitorid: "" };
  const start = startFrom(
    { name: "Start", visitorid: "no" },
    { name: "C", phone: "1", visitorid: "v" },
  );
  assert.deepEqual(start?.person, {
    name: "Start",
    email: "page@shop.test",
    phone: "1",
    visitorid: "v",
  });
});

test("values are cut to what the service takes", () => {
  page.GLANCE_COBROWSE = { name: "x".repeat(99) };
  assert.equal(startFrom(undefined, {})?.person.name?.length, 63);
  page.GLANCE_COBROWSE = "not an object";
  assert.deepEqual(startFrom(undefined, {})?.person, {});
});

test("texts keep whole characters", () => {
  assert.equal(clean("a\u{1f600}b", 2), "a\u{1f600}");
  assert.equal(clean("a\ud83d", 9), "a\ufffd");
  assert.equal(clean("\ude00a", 9), "\ufffda");
});

test("a listener that throws stops no other and is the page's own error", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const events = new Events();
  const heard: unknown[] = [];
  const listener = (data: object) => heard.push(data);
  events.add("error", () => {
    throw new Error("the page's own");
  });
  events.add("error", listener);
  events.add("error", "not a function");
  events.fail("badkey");
  assert.deepEqual(heard, [
    { code: "badkey", msg: "A session key has 1 to 50 letters, digits, - and _." },
  ]);
  assert.throws(() => context.mock.timers.tick(1), /the page's own/);
  events.remove("error", listener);
  assert.equal(heard.length, 1);
});

test("browsers are told apart", () => {
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
  assert.deepEqual(browserOf(chrome), { name: "Chrome", version: "156.0.0.0", platform: "Linux" });
  assert.equal(browserOf(`${chrome} Edg/156.0.1.2`).name, "Edge");
  const safari =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
  assert.deepEqual(browserOf(safari), { name: "Safari", version: "18.0", platform: "iOS" });
  assert.deepEqual(browserOf(""), { name: "", version: "", platform: "" });
});
