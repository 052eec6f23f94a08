"""What the visitor's page and the agent's copy of it must have in common."""

import difflib
import json
import time

import pytest
from playwright.sync_api import Frame, Page, expect

from cobrowse.check import pixels

# A page as nested lists. Left out: what the copy carries in another form (scripts, style sheets),
# and what it needs no addresses and no behaviour for.
_TREE = """
(body) => {
  const skip = new Set(["SCRIPT", "NOSCRIPT", "STYLE", "LINK", "META", "TEMPLATE"]);
  const unequal = new Set([
    "src", "srcset", "href", "action", "method", "value", "selected", "checked", "autocomplete",
    "enctype", "onsubmit", "onclick", "name",
  ]);
  const walk = (node) => {
    if (node.nodeType === 3) return node.data.trim();
    if (node.nodeType !== 1 || skip.has(node.tagName)) return "";
    const shown = [node.tagName.toLowerCase()];
    const attributes = [...node.attributes]
      .filter(({ name }) => !unequal.has(name) && !name.startsWith("cobrowse-"))
      .filter(({ name }) => !(name === "id" && node.tagName === "INPUT"))
      .filter(({ name }) => node.type !== "hidden" || name === "type")
      .filter(({ name }) => !/^(?:data-|auto|novalidate)/.test(name))
      .map(({ name, value }) => `${name}=${value}`);
    shown.push(attributes.sort().join(" "));
    if (node.tagName === "A") shown.push("link " + node.hasAttribute("href"));
    if (node.tagName === "SELECT") shown.push("selected " + node.selectedIndex);
    else if (node.tagName === "TEXTAREA") shown.push("value " + node.value);
    else if (node.tagName === "INPUT" && !/^(?:hidden|checkbox|radio)$/.test(node.type))
      shown.push("value " + node.value);
    if (node.tagName === "INPUT") shown.push("checked " + node.checked);
    shown.push([...node.childNodes].map(walk).filter((child) => child !== ""));
    return shown;
  };
  return [body.ownerDocument.compatMode, walk(body)];
}
"""
# The page's sockets, to break them.
SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...args) { super(...args); window.sockets.push(this); }
};
"""
# The line of a page can be cut, and is not made again before window.isCut is false.
CUTS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(url, ...more) {
    super(window.isCut ? `${url}-cut` : url, ...more);
    window.sockets.push(this);
  }
};
window.cut = () => {
  window.isCut = true;
  for (const socket of window.sockets) socket.close();
};
"""
_COPY = 'document.querySelector("#screen iframe").contentDocument.body'


def until(page: Page | Frame, expression: str, *, timeout_s: float = 20.0) -> None:
    """Wait for a JavaScript condition, also where the page's own policy forbids eval()."""
    deadline = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(20)


def wait_for_equal_trees(visitor: Page, agent: Page) -> None:
    """Until the agent's copy equals the page; fails with the lines that differ."""
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    deadline = time.monotonic() + 20.0
    while True:
        wanted = visitor.evaluate(f"({_TREE})(document.body)")
        found = agent.evaluate(f"({_TREE})({_COPY})")
        if wanted == found:
            return
        if time.monotonic() > deadline:
            page, copy = (json.dumps(t, indent=1).splitlines() for t in (wanted, found))
            pytest.fail("\n".join(difflib.unified_diff(page, copy, "page", "copy", n=2)))
        agent.wait_for_timeout(20)


def difference(visitor: Page, agent: Page) -> float:
    """How unlike the two look: the share of pixels that differ clearly, 0 to 1."""
    agent.evaluate("document.querySelector('.cursor').style.visibility = 'hidden'")
    # What the visitor sees of us is no part of the page. It comes a moment after the session does.
    visitor.locator("cobrowse-visitor").evaluate("(ours) => { ours.hidden = true; }")
    return pixels.difference(visitor.screenshot(), agent.locator("#screen").screenshot())
