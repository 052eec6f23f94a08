"""DOM change in the visitor's page to the same change in the agent's DOM, on one host.

    python -m bench.latency [--samples 300]

Two browser processes, so that neither waits for the other's main thread, and the whole stack: the
visitor's socket once through the proxy, once straight to the relay. Both pages read the same clock
(performance.timeOrigin + performance.now(), 0.1 ms steps); one writes the time into the DOM, the
other reads it there. "late join" is an agent's page load, to the copy with all that has happened;
it is looked for each 20 ms. Prints; asserts nothing, because machines differ.
"""

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium_path
from tests.browser.mirror import until
from tests.stack import Stack, free_port, running_stack, serving_origin

PAUSE_MS = 40  # an idle link: each change has gone before the next

VISITOR = r"""
([samples, pause, kind]) => new Promise((done) => {
  // With letters in it: so many digits may be a card's, which does not leave.
  const now = () =>
    (performance.timeOrigin + performance.now()).toFixed(1).replace(/\d{4}/g, "$&x");
  const change = {
    text: () => { document.getElementById("probe").firstChild.data = now(); },
    attribute: () => { document.getElementById("probe").title = now(); },
    row: () => {
      const row = document.createElement("p");
      row.title = now();
      row.textContent = "row";
      const place = document.getElementById("rows");
      place.replaceChildren(row);
    },
    input: () => {
      const field = document.getElementById("field");
      field.value = now();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    },
  }[kind];
  let left = samples;
  const tick = () => {
    if (left-- === 0) return done();
    change();
    setTimeout(tick, pause * (0.75 + Math.random() / 2));
  };
  tick();
})
"""
AGENT = """
(kind) => {
  window.latencies = [];
  const copy = document.querySelector("#screen iframe").contentDocument;
  const seen = (text) => {
    const at = parseFloat(text.replaceAll("x", ""));
    if (at > 1e12) window.latencies.push(performance.timeOrigin + performance.now() - at);
  };
  if (kind === "input") {
    const field = copy.getElementById("field");
    const native = Object.getOwnPropertyDescriptor(
      copy.defaultView.HTMLInputElement.prototype, "value");
    Object.defineProperty(field, "value", {
      configurable: true,
      get: () => native.get.call(field),
      set: (value) => { native.set.call(field, value); seen(value); },
    });
    return;
  }
  new MutationObserver((records) => {
    for (const record of records) {
      if (record.type === "characterData") seen(record.target.data);
      else if (record.type === "attributes") seen(record.target.title);
      else for (const node of record.addedNodes) if (node.title) seen(node.title);
    }
  }).observe(copy.body, { subtree: true, childList: true, characterData: true, attributes: true });
}
"""
# When the whole of the next page stood in the copy.
SHOWN = """
() => {
  window.shown = 0;
  new MutationObserver(() => {
    if ("loading" in document.body.dataset) window.left = true;
    else if (window.left) window.shown ||= performance.timeOrigin + performance.now();
  }).observe(document.body, { attributes: true });
}
"""
PAINTED = """
() => {
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return paint ? performance.timeOrigin + paint.startTime : 0;
}
"""
PROBE = """
document.body.insertAdjacentHTML("beforeend",
  '<div id="probe">x</div><div id="rows"></div><input id="field">');
"""

# As many as the relay gives a late agent before it asks for a keyframe instead.
FRAMES = 390
NODES = 10_000
LARGE = """
(nodes) => {
  const rows = [];
  for (let n = 0; n < nodes / 5; n++) rows.push(`<tr><td>${n}<td class=c>cell<td><b>x</b>`);
  document.body.innerHTML = `<h1 id=probe>start</h1><table>${rows.join("")}</table>`;
}
"""
# Each change a frame of its own.
CHANGE = """
(frames) => new Promise((done) => {
  const probe = document.getElementById("probe").firstChild;
  let n = 0;
  const tick = () => {
    probe.data = `change ${++n}`;
    if (n < frames) setTimeout(tick, 9);
    else setTimeout(done, 100);
  };
  tick();
})
"""
COMPLETE = """
(() => {{
  const copy = document.querySelector("#screen iframe")?.contentDocument;
  const done = document.body.dataset.page && copy?.getElementById("probe")?.textContent === "{}";
  if (done) window.complete ||= performance.now();
  return done;
}})()
"""


@contextlib.contextmanager
def stacks(folder: Path) -> Iterator[dict[str, Stack]]:
    """The stack with each way of the visitor's socket."""
    with serving_origin() as origin, contextlib.ExitStack() as running:
        found = {}
        for way in ("through the proxy", "straight to the relay"):
            own = folder / way.replace(" ", "-")
            own.mkdir()
            port, relay_port = free_port(), free_port()
            direct = f"ws://127.0.0.1:{relay_port}/visitor/socket"
            more = f'[proxy]\ndirect_url = "{direct}"\n' if way.startswith("straight") else ""
            stack = running_stack(own, origin.url, more_config=more, ports=(port, relay_port))
            found[way] = running.enter_context(stack)
        yield found


def measure(visitor: Page, agent: Page, stack: Stack, kind: str, samples: int) -> list[float]:
    """Milliseconds of each change that arrived."""
    visitor.goto(f"{stack.visitor_url}/branches")
    visitor.evaluate(PROBE)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "GLANCE.Cobrowse.Visitor.inSession()")
    key = visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")
    agent.goto(stack.agent_view(key))
    agent.locator("body[data-page=shown]").wait_for()
    agent.evaluate(AGENT, kind)
    visitor.evaluate(VISITOR, [samples, PAUSE_MS, kind])
    until(agent, f"window.latencies.length >= {samples}")
    latencies: list[float] = agent.evaluate("window.latencies")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")
    return latencies


def navigate(visitor: Page, agent: Page, stack: Stack, samples: int) -> list[float]:
    """Milliseconds from the next page's first paint to its whole copy."""
    visitor.goto(f"{stack.visitor_url}/branches")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "GLANCE.Cobrowse.Visitor.inSession()")
    agent.goto(stack.agent_view(visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")))
    agent.locator("body[data-page=shown]").wait_for()
    found = []
    for number in range(samples):
        agent.evaluate("window.left = false")
        agent.evaluate(SHOWN)
        visitor.goto(stack.visitor_url + ("/" if number % 2 else "/branches"))
        until(visitor, f"({PAINTED})() > 0")
        until(agent, "window.shown > 0")
        found.append(agent.evaluate("window.shown") - visitor.evaluate(PAINTED))
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")
    return found


def join_late(visitor: Page, agent: Page, stack: Stack, samples: int) -> list[float]:
    """Milliseconds from an agent's first byte of page to the copy with all that has happened."""
    visitor.goto(f"{stack.visitor_url}/branches")
    visitor.evaluate(LARGE, NODES)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
    until(visitor, "!!GLANCE.Cobrowse._internal.capture")
    visitor.evaluate(CHANGE, FRAMES)
    key = visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")
    found = []
    for number in range(samples):
        agent.goto(stack.agent_view(key, f"late-{number}"))
        until(agent, COMPLETE.format(f"change {FRAMES}"), timeout_s=60)
        found.append(agent.evaluate("window.complete"))
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="latency from the visitor's DOM to the agent's")
    parser.add_argument("--samples", type=int, default=300)
    samples = parser.parse_args().samples
    print(f"DOM change to the agent's DOM, one host, {samples} samples each, milliseconds\n")
    print(f"{'socket':<23}{'change':<11}{'p50':>7}{'p95':>7}{'p99':>7}")
    with tempfile.TemporaryDirectory() as folder, stacks(Path(folder)) as found:
        with sync_playwright() as playwright:
            launch = playwright.chromium.launch
            browsers = [launch(executable_path=chromium_path(), args=FLAGS) for _ in range(2)]
            visitor, agent = (browser.new_page() for browser in browsers)
            for way, stack in found.items():
                for kind in ("text", "attribute", "row", "input"):
                    latencies = measure(visitor, agent, stack, kind, samples)
                    cuts = statistics.quantiles(latencies, n=100)
                    shown = "".join(f"{cuts[p - 1]:7.1f}" for p in (50, 95, 99))
                    print(f"{way:<23}{kind:<11}{shown}", flush=True)
                waits = navigate(visitor, agent, stack, max(samples // 10, 10))
                cuts = statistics.quantiles(waits, n=100)
                shown = "".join(f"{cuts[p - 1]:7.0f}" for p in (50, 95, 99))
                print(f"{way:<23}{'next page':<11}{shown}  from its first paint", flush=True)
            # The visitor's way does not matter here.
            waits = join_late(visitor, agent, stack, max(samples // 30, 5))
            worst = f"{statistics.median(waits):7.0f}{max(waits):14.0f}"
            print(f"{'late join':<34}{worst}  {NODES:,} nodes and {FRAMES:,} frames", flush=True)
            for browser in browsers:
                browser.close()


if __name__ == "__main__":
    main()
