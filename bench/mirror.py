"""What the agent's side costs, and how soon it shows what happens; beside plain rrweb.

    python -m bench.mirror [--samples 200] [--seconds 20] [--only latency|load|bytes]

Two browser processes, visitor and agent, on one host; the same page for all, in one run. rrweb goes
over a bare WebSocket with the advice of its guide for live mirroring. "in the DOM" is when the
agent's page has it, "painted" the end of the display frame after that; a visitor's browser tells
of a scroll in its own next display frame. The same is measured of ours behind a late join, an
agent's reload, a line that broke and a page that was left. Prints; asserts nothing.
"""

import argparse
import contextlib
import re
import statistics
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import CDPSession, Page, sync_playwright
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from bench.capture import STARTED, bundle, install_peers
from tests.browser.conftest import FLAGS, chromium_path
from tests.browser.mirror import SOCKETS, until
from tests.browser.pages import Pages, respond, serving_pages

KINDS: Final = ("text", "attribute", "row", "input", "scroll", "mouse")
PAUSE_MS: Final = 40  # an idle link: each change has gone before the next
PER_SECOND: Final = 1_000
PAGE: Final = """<!doctype html><meta charset=utf-8><title>mirror</title><style>
body { margin: 0; font: 14px sans-serif } #box { height: 100px; overflow: auto }
#tall { height: 100000px }</style><p id=probe>x</p><div id=rows></div><input id=field>
<div id=box><div id=tall></div></div><main id=main></main><script>
main.innerHTML = Array.from({length: 200}, (_, n) =>
  `<section><b>row ${n}</b> text</section>`).join("")
</script>"""
# Each change has a number; when it was made is kept at the visitor's.
ACT: Final = """
([samples, pause, kind]) => new Promise((done) => {
  window.made = {};
  const change = {
    text: (n) => { probe.firstChild.data = `n${n}n`; },
    attribute: (n) => { probe.title = `n${n}n`; },
    row: (n) => {
      const row = document.createElement("p");
      row.title = `n${n}n`;
      rows.replaceChildren(row);
    },
    input: (n) => {
      field.value = `n${n}n`;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    },
    scroll: (n) => { box.scrollTop = n; },
    mouse: (n) => document.body.dispatchEvent(
      new MouseEvent("mousemove", { bubbles: true, clientX: n, clientY: 5 })),
  }[kind];
  let n = 0;
  const tick = () => {
    if (n++ === samples) return setTimeout(done, 300);
    window.made[n] = performance.timeOrigin + performance.now();
    change(n);
    setTimeout(tick, pause * (0.75 + Math.random() / 2));
  };
  tick();
})
"""
WATCH: Final = """
([kind, copy, cursor]) => {
  window.seen = {};
  window.painted = {};
  const page = eval(copy);
  const note = (n) => {
    if (!n || window.seen[n]) return;
    const now = () => performance.timeOrigin + performance.now();
    window.seen[n] = now();
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { window.painted[n] = now(); };
    requestAnimationFrame(() => channel.port2.postMessage(0));
  };
  const numbered = (text) => note(+(/^n(\\d+)n$/.exec(text)?.[1] ?? 0));
  if (kind === "scroll") {
    const box = page.getElementById("box");
    const { Element } = page.defaultView;
    const native = Object.getOwnPropertyDescriptor(Element.prototype, "scrollTop");
    const { scrollTo } = Element.prototype;
    const noteTop = () => note(Math.round(native.get.call(box)));
    Object.defineProperty(box, "scrollTop", {
      get: () => native.get.call(box),
      set: (top) => { native.set.call(box, top); noteTop(); },
    });
    box.scrollTo = (...to) => { scrollTo.apply(box, to); noteTop(); };
  } else if (kind === "mouse") {
    const mouse = document.querySelector(cursor);
    new MutationObserver(() => note(Math.round(parseFloat(mouse.style.left))))
      .observe(mouse, { attributes: true });
  } else if (kind === "input") {
    const field = page.getElementById("field");
    const { HTMLInputElement } = page.defaultView;
    const native = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
    Object.defineProperty(field, "value", {
      configurable: true,
      get: () => native.get.call(field),
      set: (value) => { native.set.call(field, value); numbered(value); },
    });
  } else {
    new MutationObserver((records) => {
      for (const { type, target, addedNodes } of records) {
        if (type === "characterData") numbered(target.data);
        else if (type === "attributes") numbered(target.title);
        else for (const node of addedNodes) numbered(node.title ?? node.data);
      }
    }).observe(page.body,
      { subtree: true, childList: true, characterData: true, attributes: true });
  }
}
"""
LOAD: Final = """
([seconds, perSecond]) => new Promise((done) => {
  const places = [...document.querySelectorAll("main > section > b")];
  const ends = performance.now() + seconds * 1000;
  let n = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < perSecond / 50; i++, n++) {
      const place = places[n % places.length];
      if (n % 3 === 0) place.firstChild.data = `row ${n}`;
      else if (n % 3 === 1) place.title = `at ${n}`;
      else {
        const other = document.createElement("i");
        other.textContent = n;
        rows.prepend(other);
        if (rows.childNodes.length > 200) rows.lastChild.remove();
      }
    }
    if (performance.now() > ends) { clearInterval(timer); done(n); }
  }, 20);
})
"""
# Five minutes of somebody on a page, each second in a hundredth of it.
MINUTES: Final = 5
SESSION: Final = """
(seconds) => new Promise((done) => {
  const words = "the quick brown fox jumps over the lazy dog and says good morning".split(" ");
  let second = 0;
  const tick = () => {
    if (second++ === seconds) return setTimeout(done, 500);
    for (let n = 0; n < 10; n++) {
      const [clientX, clientY] = [(second * 37 + n * 11) % 900, (second * 17 + n * 7) % 600];
      document.body.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX, clientY }));
    }
    if (second % 3 === 0) document.documentElement.scrollTop = (second * 53) % 2000;
    if (second % 2 === 0) {
      field.value = words.slice(0, second % words.length).join(" ");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    if (second % 20 === 0) {
      rows.innerHTML = words.map((word, n) => `<p class=r${n}>${word} ${second * n}</p>`).join("");
    }
    if (second % 5 === 0) probe.firstChild.data = `it is second ${second}`;
    setTimeout(tick, 10);
  };
  tick();
})
"""


@contextlib.contextmanager
def bare_relay() -> Iterator[str]:
    """Hands what comes at /from to whoever is at /to, and to who comes there later, all of it."""
    readers: list[ServerConnection] = []
    kept: list[str | bytes] = []
    lock = threading.Lock()

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.path == "/to":
            with lock:
                readers.append(connection)
                for message in kept:
                    connection.send(message)
            with contextlib.suppress(ConnectionClosed):
                for _ in connection:
                    pass
            return
        kept.clear()
        for message in connection:
            with lock:
                kept.append(message)
                for reader in list(readers):
                    try:
                        reader.send(message)
                    except ConnectionClosed:
                        readers.remove(reader)

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()


@dataclass
class Engine:
    """copy, cursor: how the agent's page calls the copied document, and what draws the mouse."""

    name: str
    begin: Callable[[Page, Page], None]
    copy: str
    cursor: str


def ours(site: Pages) -> Engine:
    def begin(visitor: Page, agent: Page) -> None:
        visitor.goto(site.proxied + "/")
        visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
        until(visitor, "GLANCE.Cobrowse.Visitor.inSession()")
        key = visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")
        agent.goto(site.stack.agent_view(key))
        agent.locator("body[data-page=shown]").wait_for()

    return Engine(
        "ours", begin, 'document.querySelector("#screen iframe").contentDocument', ".cursor"
    )


def rrweb(site: Pages, relay: str) -> Engine:
    script = bundle("rrweb_socket").read_text()
    frame = 'document.querySelector(".replayer-wrapper iframe").contentDocument'

    def begin(visitor: Page, agent: Page) -> None:
        visitor.goto(site.direct + "/")
        visitor.evaluate(script)
        visitor.evaluate("(url) => startRecording(url)", relay + "/from")
        agent.goto(site.direct + "/replay")
        agent.evaluate(script)
        agent.evaluate("(url) => startReplaying(url)", relay + "/to")
        until(agent, f"!!{frame}?.getElementById('field')", timeout_s=20)
        visitor.evaluate(
            "document.body.dispatchEvent(new MouseEvent('mousemove', {bubbles: true}))"
        )
        until(agent, "!!document.querySelector('.replayer-mouse')?.style.left", timeout_s=20)

    return Engine("rrweb 2.2.2", begin, frame, ".replayer-mouse")


# -- how soon ------------------------------------------------------------------------------------


def latency(engine: Engine, visitor: Page, agent: Page, samples: int) -> None:
    for kind in KINDS:
        engine.begin(visitor, agent)
        show_latency(engine, engine.name, kind, visitor, agent, samples)


def show_latency(
    engine: Engine, name: str, kind: str, visitor: Page, agent: Page, samples: int
) -> None:
    agent.evaluate(WATCH, [kind, engine.copy, engine.cursor])
    visitor.evaluate(ACT, [samples, PAUSE_MS, kind])
    agent.wait_for_timeout(1_500)  # the buffer of rrweb's guide
    made: dict[str, float] = visitor.evaluate("window.made")
    shown = f"{name:<17}{kind:<11}"
    for what in ("seen", "painted"):
        at: dict[str, float] = agent.evaluate(f"window.{what}")
        waits = [at[n] - made[n] for n in at if n in made]
        cuts = statistics.quantiles(waits, n=100) if len(waits) > 1 else [float("nan")] * 99
        shown += f"{cuts[49]:9.1f}{cuts[94]:9.1f}"
    lost = 1 - len(at) / samples
    print(f"{shown}{lost:9.0%}", flush=True)


def join_late(visitor: Page, agent: Page) -> None:
    address = agent.url
    agent.goto("about:blank")
    visitor.evaluate(LOAD, [3, PER_SECOND])
    agent.goto(address)


def reload(visitor: Page, agent: Page) -> None:
    agent.reload()


def break_line(visitor: Page, agent: Page) -> None:
    visitor.evaluate("window.sockets.at(-1).close()")
    until(visitor, "window.sockets.length > 1 && window.sockets.at(-1).readyState === 1")


def leave_page(visitor: Page, agent: Page) -> None:
    visitor.reload()
    until(visitor, "window.GLANCE?.Cobrowse?.Visitor?.inSession()")


# What may have come before. Each leaves the agent with the page shown, or about to be.
BEFORE: Final = {
    "late join": join_late,
    "agent's reload": reload,
    "line broke": break_line,
    "next page": leave_page,
}


def latency_after(engine: Engine, visitor: Page, agent: Page, samples: int) -> None:
    for n, (name, happen) in enumerate(BEFORE.items()):
        for kind in KINDS:
            engine.begin(visitor, agent)
            happen(visitor, agent)
            mark = f"{name} {n}"
            visitor.evaluate("(text) => { probe.firstChild.data = text; }", mark)
            until(agent, f"{engine.copy}?.getElementById('probe')?.firstChild.data === {mark!r}")
            show_latency(engine, name, kind, visitor, agent, samples)


# -- what it costs -------------------------------------------------------------------------------


def load(engine: Engine, visitor: Page, agent: Page, seconds: int) -> None:
    engine.begin(visitor, agent)
    line = agent.context.new_cdp_session(agent)
    line.send("Performance.enable")
    before, busy = heap(line), metric(line, "TaskDuration")
    visitor.evaluate(LOAD, [seconds, PER_SECOND])
    took = metric(line, "TaskDuration") - busy
    agent.wait_for_timeout(2_000)
    after = heap(line)
    visitor.evaluate(LOAD, [seconds, PER_SECOND])
    agent.wait_for_timeout(2_000)
    last = heap(line)
    print(
        f"{engine.name:<13}{took / seconds:8.1%} of a core"
        f"{before:11.1f}{after:9.1f}{last:9.1f} MB of heap",
        flush=True,
    )
    line.detach()


def heap(line: CDPSession) -> float:
    line.send("HeapProfiler.enable")
    line.send("HeapProfiler.collectGarbage")
    return metric(line, "JSHeapUsedSize") / 1e6


def metric(line: CDPSession, name: str) -> float:
    found = line.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in found if one["name"] == name)


# -- how much ------------------------------------------------------------------------------------


def count_bytes(engine: Engine, visitor: Page, agent: Page) -> None:
    sent: list[bytes] = []

    def watch(socket: Any) -> None:
        socket.on("framesent", lambda p: sent.append(p.encode() if isinstance(p, str) else p))

    visitor.on("websocket", watch)
    engine.begin(visitor, agent)
    visitor.evaluate(SESSION, MINUTES * 60)
    visitor.remove_listener("websocket", watch)
    plain = sum(map(len, sent))
    deflater = zlib.compressobj(6, wbits=-15)
    deflated = 0
    for message in sent:
        deflated += len(deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH)) - 4
    print(
        f"{engine.name:<13}{plain / MINUTES / 1000:10.1f} kB{deflated / MINUTES / 1000:14.1f} kB",
        flush=True,
    )


def tracker(site: Pages, visitor: Page) -> None:
    """OpenReplay's tracker, to a server that takes everything."""
    posted: list[int] = []

    def take(head: bytes) -> bytes:
        # Its worker posts, whose requests a page does not tell of.
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        posted.append(int(length[1]) if length else 0)
        return respond(STARTED.decode(), content_type="application/json")

    for path in ("start", "i", "images"):
        site.responses[f"/ingest/v1/web/{path}"] = take
    visitor.goto(site.direct + "/")
    visitor.evaluate(bundle("openreplay").read_text())
    visitor.evaluate("() => { startEngine(); }")
    visitor.wait_for_timeout(2_000)
    visitor.evaluate(SESSION, MINUTES * 60)
    # It sends what it has gathered by and by, and the rest when its page is left.
    visitor.wait_for_timeout(12_000)
    visitor.goto("about:blank")
    visitor.wait_for_timeout(500)
    print(f"{'OpenReplay':<13}{sum(posted) / MINUTES / 1000:10.1f} kB{'':>17}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="what the agent's side costs, and how soon it is")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--only", choices=("latency", "load", "bytes"))
    asked = parser.parse_args()
    install_peers()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_pages(Path(folder), direct=True) as site,
        bare_relay() as relay,
        sync_playwright() as playwright,
    ):
        site.put("/", PAGE)
        site.put("/replay", "<!doctype html><title>replay</title>")
        launch = playwright.chromium.launch
        browsers = [launch(executable_path=chromium_path(), args=FLAGS) for _ in range(2)]
        visitor, agent = (browser.new_page() for browser in browsers)
        visitor.add_init_script(SOCKETS)
        engines = (ours(site), rrweb(site, relay))
        if asked.only in (None, "latency"):
            print(f"{'':<28}{'in the DOM, ms':>18}{'painted, ms':>18}{'missed':>9}")
            print(f"{'':<28}" + "      p50      p95" * 2)
            for engine in engines:
                latency(engine, visitor, agent, asked.samples)
            print("ours, after")
            latency_after(engines[0], visitor, agent, asked.samples)
        if asked.only in (None, "load"):
            print(f"\n{PER_SECOND:,} changed nodes a second: the agent's page, and its heap")
            print(f"before, after {asked.seconds} s, and after as long again")
            for engine in engines:
                load(engine, visitor, agent, asked.seconds)
        if asked.only in (None, "bytes"):
            print(f"\n{MINUTES} minutes of a visitor: bytes of a minute, as sent and deflated")
            for engine in engines:
                count_bytes(engine, visitor, agent)
            tracker(site, visitor)
        for browser in browsers:
            browser.close()


if __name__ == "__main__":
    main()
