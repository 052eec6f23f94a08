import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { matchesAddress, tellableAddress } from "../src/capture/address";
import { browserOf } from "../src/capture/browser";
import { clean } from "../src/text";
import { isTrusted } from "../src/trusted";
import { Events } from "../src/visitor/events";
import { paramsFrom, RANDOM_KEY, startFrom } from "../src/visitor/start";
import { wordsFor } from "../src/words";

/** As startSession(argument) would begin. */
const begin = (argument: unknown, cookies = {}) => startFrom(paramsFrom(argument) ?? {}, cookies);

const page = globalThis as { GLANCE_COBROWSE?: unknown };

beforeEach(() => {
  delete page.GLANCE_COBROWSE;
});

test("the three key rules", () => {
  const cookies = { visitorid: "from-cookie" };
  assert.equal(begin("ABC", cookies)?.key, "ABC");
  assert.equal(begin(RANDOM_KEY, cookies)?.key, "");
  assert.equal(begin(undefined, cookies)?.key, "from-cookie");
  assert.equal(begin(undefined, {})?.key, "");
  assert.equal(begin({ sessionKey: "S" }, cookies)?.key, "S");
  assert.equal(begin({ sessionKey: RANDOM_KEY }, cookies)?.key, "");
  assert.equal(begin({ name: "N" }, cookies)?.key, "from-cookie");
  assert.equal(begin(12345, cookies)?.key, "12345");
});

test("a key that breaks the rules is none", () => {
  for (const key of ["with space", "a/b", "é", "x".repeat(51), {}, []]) {
    if (typeof key === "object") assert.equal(begin({ sessionKey: key }, {}), undefined);
    else assert.equal(begin(key, {}), undefined);
  }
});

test("the page's values come before the cookies', the start's before both", () => {
  page.GLANCE_COBROWSE = { name: "Page", email: "page@shop.test", phone: 5, visitorid: "" };
  const start = begin(
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
  const long = "x".repeat(199);
  page.GLANCE_COBROWSE = { name: long, email: long, phone: long };
  const { name, email, phone } = begin(undefined, {})?.person ?? {};
  assert.deepEqual([name?.length, email?.length, phone?.length], [63, 127, 31]);
  page.GLANCE_COBROWSE = "not an object";
  assert.deepEqual(begin(undefined, {})?.person, {});
});

test("a visitor id that is no key is not cut to one", () => {
  for (const visitorid of ["x".repeat(51), "x".repeat(999), "a b"]) {
    page.GLANCE_COBROWSE = { visitorid, name: "N" };
    assert.equal(begin(undefined, {}), undefined);
    assert.deepEqual(begin("KEY", {}), { key: "KEY", person: { name: "N" } });
  }
  page.GLANCE_COBROWSE = { visitorid: "x".repeat(50) };
  assert.equal(begin(undefined, {})?.key.length, 50);
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

test("addresses of hidden pages", () => {
  const at = "https://shop.test/account/7?a=1#b";
  for (const pattern of [
    "/account/*",
    "shop.test/*",
    "https://shop.test/acc*7",
    "*",
    "/*/7",
    "/*?a=*",
    "/account/7",
  ])
    assert(matchesAddress(pattern, at), pattern);
  for (const pattern of [
    "/account",
    "http://shop.test/*",
    "test/*",
    "/account/7?",
    "/a*8",
    "shop.test",
    "",
  ])
    assert(!matchesAddress(pattern, at), pattern);
});

test("what may be told of an address", () => {
  const rules = {
    mask: "none",
    selectors: [],
    pages: ["/secret/*"],
    title: false,
    query: false,
    assets: "",
    canvas_fps: 0,
  } as const;
  const open = { ...rules, selectors: [], pages: ["/secret/*"] };
  assert.equal(tellableAddress("https://u:p@a.test/x?q#h", open), "https://a.test/x?q#h");
  assert.equal(
    tellableAddress("https://a.test/x?q#h", { ...open, query: true }),
    "https://a.test/x",
  );
  assert.equal(tellableAddress("https://a.test/secret/x?q", open), "https://a.test/");
});

test("which windows may call", () => {
  const domains = ["chat.test", "*.Help.test", "localhost:8080", "port.test:8443"];
  for (const origin of ["https://chat.test", "https://chat.test:444", "https://a.help.test", "https://b.a.help.test",
    "http://localhost:8080", "https://port.test:8443"]) // biome-ignore format: a list
    assert(isTrusted(origin, domains), origin);
  for (const origin of ["http://chat.test", "https://evilchat.test", "https://chat.test.evil.test", "https://help.test",
    "https://evilhelp.test", "http://a.help.test", "http://localhost:81", "https://port.test", "null", "", "file://",
    "https://x.test"]) // biome-ignore format: a list
    assert(!isTrusted(origin, domains), origin);
  assert(!isTrusted("https://chat.test", []));
});

test("the language that is asked for first and there is", () => {
  assert.equal(wordsFor(["de-CH", "en"]).language, "de");
  assert.equal(wordsFor(["", "xx", "AR"]).words.dir, "rtl");
  assert.equal(wordsFor(["constructor", "tlh"]).language, "en");
});

test("every language has the same words", async () => {
  const { readdir, readFile } = await import("node:fs/promises");
  const folder = new URL("../../src/words/", import.meta.url);
  const names = (await readdir(folder)).filter((name) => /^[a-z]{2}\.json$/.test(name));
  assert.equal(names.length, 7);
  const keys = new Set<string>();
  for (const name of names) {
    const words = JSON.parse(await readFile(new URL(name, folder), "utf8"));
    keys.add(Object.keys(words).join());
    assert(
      Object.values(words).every((word) => typeof word === "string" && word),
      name,
    );
    assert(words.watching.includes("{names}"), name);
  }
  assert.equal(keys.size, 1);
});
