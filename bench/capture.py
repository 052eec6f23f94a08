"""What watching a page costs the page: snapshot, changes, memory; beside other engines.

    python -m bench.capture [--runs 5] [--only snapshot|changes|memory]

Each engine runs in the same Chromium on the same made-up pages, in turn, on a fresh page each time.
"main thread" is Chromium's own account (Performance.getMetrics, TaskDuration) from the start of the
engine until nothing more happens, less what it takes in as long afterwards; "longest" is the
longest task that Chromium reports (it reports those of 50 ms and more). rrweb and OpenReplay's
tracker are installed from npm into .bench. Prints; asserts nothing.
"""

import argparse
import contextlib
import statistics
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium_path

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
PEERS: Final = ROOT / ".bench" / "engines"
PACKAGES: Final = ("rrweb@2.2.2", "@openreplay/tracker@19")
ENGINES: Final = ("ours", "rrweb", "openreplay")
NODES: Final = (3_000, 25_000, 150_000)
SETTLE_MS: Final = 1_500
# What OpenReplay's server says when a session begins.
STARTED: Final = (
    b'{"token": "t", "userUUID": "u", "sessionID": "1", "projectID": "1", "delay": 0, '
    b'"beaconSizeLimit": 1000000, "startTimestamp": 1, "compressionThreshold": 24000, '
    b'"canvasEnabled": false, "assistOnly": false, "features": {}}'
)
CHANGES_S: Final = 5
KINDS: Final = ("text", "attribute", "style", "row")

# As many nodes as asked, about 600 rules, every third element with a class.
PAGE: Final = """<!doctype html><html><head><meta charset=utf-8><title>Made up</title><style>
{rules}
</style></head><body><main id=main></main><script>
const parts = [];
for (let n = 0; n < {nodes}; n += 10)
  parts.push(`<section class="c${{n % 600}}"><h3 id=h${{n}}>Title ${{n}}</h3>`
    + `<p data-n="${{n}}" style="color: rgb(${{n % 255}}, 0, 0)">Some text, <b>bold</b>, and`
    + ` <a href="/item/${{n}}">a link to ${{n}}</a>.</p></section>`);
document.getElementById("main").innerHTML = parts.join("");
</script></body></html>"""
LONG_TASKS: Final = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({ type: "longtask" });
"""
# A thousand changed nodes a second, ten at a time.
CHANGES: Final = """
([kind, seconds]) => new Promise((done) => {
  const places = [...document.querySelectorAll("main > section")].slice(0, 200);
  const list = document.createElement("ul");
  document.body.append(list);
  let n = 0;
  const change = {
    text: (place) => { place.firstChild.firstChild.data = "Title " + n; },
    attribute: (place) => { place.title = "at " + n; },
    style: (place) => { place.style.paddingLeft = (n % 7) + "px"; },
    row: () => {
      const row = document.createElement("li");
      row.innerHTML = `<b>${n}</b><i>row</i>`;
      list.prepend(row);
      if (list.childNodes.length > 50) list.lastChild.remove();
    },
  }[kind];
  const ends = performance.now() + seconds * 1000;
  const timer = setInterval(() => {
    for (let i = 0; i < (kind === "row" ? 2 : 10); i++, n++) change(places[n % places.length]);
    if (performance.now() > ends) { clearInterval(timer); done(n); }
  }, 10);
})
"""
# What half an hour of a busy page brings, as fast as the page can.
LONG_SESSION: Final = """
async () => {
  const main = document.getElementById("main");
  const turn = () => new Promise((done) => setTimeout(done));
  for (let unit = 0; unit < 1800; unit++) {
    const row = document.createElement("section");
    row.innerHTML = `<h3>Row ${unit}</h3><p class=c${unit % 600}>x</p>`;
    main.prepend(row);
    row.firstChild.firstChild.data += "!";
    row.style.color = "red";
    row.attachShadow({ mode: "open" }).innerHTML = "<slot></slot>";
    if (unit % 12 === 0) {
      const frame = document.createElement("iframe");
      frame.srcdoc = "<p>".repeat(300);
      row.append(frame);
      await new Promise((loaded) => { frame.onload = loaded; });
    }
    await turn();
    row.remove();
    document.documentElement.scrollTop = unit % 100;
    if (unit % 50 === 0) await turn();
  }
}
"""


def install_peers() -> None:
    PEERS.mkdir(parents=True, exist_ok=True)
    if not (PEERS / "node_modules").is_dir():
        subprocess.run(["npm", "init", "-y"], cwd=PEERS, check=True, capture_output=True)
        subprocess.run(["npm", "install", "--no-audit", *PACKAGES], cwd=PEERS, check=True)


def bundle(engine: str) -> Path:
    """One script of an engine for a page."""
    esbuild = str(ROOT / "web" / "node_modules" / ".bin" / "esbuild")
    source = next(HERE.glob(f"engines/{engine}.*"))
    modules = ROOT / "web" / "node_modules" if engine == "ours" else PEERS / "node_modules"
    made = PEERS / f"{engine}.js"
    subprocess.run(
        [esbuild, str(source), "--bundle", "--minify", "--format=iife", "--log-level=error",
         f"--outfile={made}"],
        check=True,
        env={"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin:/usr/local/bin"},
    )  # fmt: skip
    return made


def build() -> None:
    """Bundle each engine."""
    install_peers()
    for engine in ENGINES:
        bundle(engine)


class Site(BaseHTTPRequestHandler):
    """The made-up pages, and a server that OpenReplay's tracker is content with."""

    def do_GET(self) -> None:
        nodes = int(self.path.strip("/") or 0) if self.path.strip("/").isdecimal() else 0
        rules = "\n".join(
            f".c{n} {{ padding: {n % 9}px; border: 1px solid #{n % 999:03}; }}" for n in range(600)
        )
        self._answer("text/html", PAGE.format(nodes=nodes, rules=rules).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer("application/json", STARTED)

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def opened(browser: Browser, url: str, engine: str) -> Iterator[tuple[Page, CDPSession]]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.add_init_script(LONG_TASKS)
    page.goto(url)
    if engine != "none":
        page.add_script_tag(path=str(PEERS / f"{engine}.js"))
    page.wait_for_timeout(SETTLE_MS)
    cdp = context.new_cdp_session(page)
    cdp.send("Performance.enable")
    yield page, cdp
    context.close()


def busy_ms(cdp: CDPSession) -> float:
    metrics = {m["name"]: m["value"] for m in cdp.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"]) * 1000


def heap_mb(page: Page, cdp: CDPSession) -> float:
    for _ in range(3):
        cdp.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(200)
    return float(cdp.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


# In a task of its own: Chromium does not report what a debugger's call takes.
START: Final = """
async () => {
  window.longest = 0;
  await new Promise((turn) => setTimeout(turn));
  window.stopEngine = await window.startEngine();
}
"""


def snapshot(browser: Browser, site: str, runs: int) -> None:
    print("\nFirst snapshot of a page: milliseconds, median of each run's fresh page; and what the")
    print("engine takes afterwards, while nothing happens, percent of one core")
    print(f"{'nodes':>8}  {'engine':<12}{'main thread':>12}{'longest':>10}{'KB':>8}{'idle':>8}")
    for nodes in NODES:
        found: dict[str, list[tuple[float, ...]]] = {e: [] for e in ("none", *ENGINES)}
        window_ms = SETTLE_MS + nodes / 40
        for _ in range(runs):
            for engine, results in found.items():
                with opened(browser, f"{site}/{nodes}", engine) as (page, cdp):
                    before = busy_ms(cdp)
                    if engine != "none":
                        page.evaluate(START)
                    page.wait_for_timeout(window_ms)
                    settled = busy_ms(cdp)
                    page.wait_for_timeout(window_ms)
                    idle = busy_ms(cdp) - settled
                    longest = page.evaluate("window.longest")
                    size = page.evaluate("(window.counts?.bytes ?? 0) / 1000")
                    results.append((settled - before - idle, longest, size, idle))
        alone, _, _, alone_idle = medians(found["none"])
        for engine in ENGINES:
            busy, longest, size, idle = medians(found[engine])
            shown = f"{longest:10.0f}" if longest else f"{'<50':>10}"
            rest = (idle - alone_idle) / window_ms * 100
            text = f"{nodes:>8}  {engine:<12}{busy - alone:12.0f}{shown}{size:8.0f}{rest:8.1f}"
            print(text, flush=True)


def medians(results: list[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(statistics.median(column) for column in zip(*results, strict=True))


def changes(browser: Browser, site: str, runs: int) -> None:
    print(f"\nA thousand changed nodes a second for {CHANGES_S} s: share of one core, percent")
    print(f"{'kind':<11}" + "".join(f"{engine:>12}" for engine in ENGINES))
    for kind in KINDS:
        found: dict[str, list[float]] = {engine: [] for engine in ("none", *ENGINES)}
        for _ in range(runs):
            for engine, results in found.items():
                with opened(browser, f"{site}/3000", engine) as (page, cdp):
                    if engine != "none":
                        page.evaluate(START)
                        page.wait_for_timeout(SETTLE_MS)
                    before = busy_ms(cdp)
                    page.evaluate(CHANGES, [kind, CHANGES_S])
                    results.append((busy_ms(cdp) - before) / CHANGES_S / 10)
        alone = statistics.median(found["none"])
        shares = (statistics.median(found[engine]) - alone for engine in ENGINES)
        print(f"{kind:<11}" + "".join(f"{share:12.1f}" for share in shares), flush=True)


def memory(browser: Browser, site: str) -> None:
    print("\nJavaScript heap over what half an hour brings (1,800 rows, 150 frames), MB")
    print(f"{'engine':<12}{'before':>8}{'after':>8}")
    for engine in ("none", *ENGINES):
        with opened(browser, f"{site}/3000", engine) as (page, cdp):
            if engine != "none":
                page.evaluate(START)
                page.wait_for_timeout(SETTLE_MS)
            before = heap_mb(page, cdp)
            page.evaluate(LONG_SESSION)
            page.wait_for_timeout(SETTLE_MS)
            print(f"{engine:<12}{before:8.1f}{heap_mb(page, cdp):8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="what watching a page costs the page")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("snapshot", "changes", "memory"))
    asked = parser.parse_args()
    build()
    with serving() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        if asked.only in (None, "snapshot"):
            snapshot(browser, site, asked.runs)
        if asked.only in (None, "changes"):
            changes(browser, site, asked.runs)
        if asked.only in (None, "memory"):
            memory(browser, site)
        browser.close()


if __name__ == "__main__":
    main()
