"""What visitors do in tests, and what their pages tell and send."""

import contextlib
import zlib
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, Frame, Locator, Page, Request, WebSocket

from relay import wire
from tests.browser.conftest import VIEWPORT
from tests.browser.mirror import SOCKETS, until, wait_for_equal_trees
from tests.stack import Stack

# Our interface lives in a closed shadow tree, which tests cannot look into: here it is an open one.
OPEN_UI = """
const { attachShadow } = Element.prototype;
Element.prototype.attachShadow = function (init) {
  const mode = /^cobrowse-(?:visitor|gestures)$/.test(this.localName) ? "open" : init.mode;
  return attachShadow.call(this, { ...init, mode });
};
"""
# Listeners from the first moment, before anything can have happened.
LISTEN = """
window.heard = [];
new MutationObserver((_, observer) => {
  if (!window.GLANCE?.Cobrowse?.Visitor) return;
  observer.disconnect();
  for (const name of ["error", "sessionstart", "sessionend", "sessioncontinue", "agentjoin",
                      "clickstart", "clickstop", "connection"])
    GLANCE.Cobrowse.Visitor.addEventListener(name, (data) => window.heard.push([name, data]));
}).observe(document, { childList: true, subtree: true });
"""
API = "GLANCE.Cobrowse.Visitor"
RANDOM = '"GLANCE_KEYTYPE_RANDOM"'
COLLECT = """
() => {
  window.heard = [];
  for (const name of ["error", "sessionstart", "sessionend", "sessioncontinue", "agentjoin"])
    GLANCE.Cobrowse.Visitor.addEventListener(name, (data) => window.heard.push([name, data]));
}
"""


@contextlib.contextmanager
def visiting(browser: Browser, stack: Stack) -> Iterator[Page]:
    """The demo bank's home page, with listeners and an interface that tests can see."""
    context = browser.new_context(viewport=VIEWPORT, locale="en-GB")
    context.set_default_timeout(20_000)
    for script in (OPEN_UI, LISTEN, SOCKETS):
        context.add_init_script(script)
    page = context.new_page()
    page.goto(stack.visitor_url + "/")
    yield page
    context.close()


def call(page: Page | Frame, text: str) -> Any:
    return page.evaluate(f"{API}.{text}")


def wait_for(page: Page | Frame, name: str, times: int = 1) -> Any:
    """The data of an event, once it has come so many times."""
    until(page, f"window.heard.filter(([name]) => name === '{name}').length >= {times}")
    return page.evaluate(f"window.heard.filter(([name]) => name === '{name}').at(-1)[1]")


def wait_for_error(page: Page, code: str) -> None:
    until(page, f"window.heard.some(([name, data]) => name === 'error' && data.code === '{code}')")


def start(page: Page, argument: str = "'GLANCE_KEYTYPE_RANDOM'") -> str:
    call(page, f"startSession({argument})")
    wait_for(page, "sessionstart")
    return str(call(page, "getKey()"))


def button(page: Page | Frame) -> Locator:
    return page.locator("cobrowse-visitor .start")


def dialog(page: Page | Frame) -> Locator:
    return page.locator("cobrowse-visitor dialog")


def bar(page: Page) -> Locator:
    return page.locator("cobrowse-visitor .bar")


def log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/login")
    page.fill("#user", "renee")
    page.fill("#password", "any")
    page.click("input[type=submit]")
    page.wait_for_url("**/accounts")


def start_session(page: Page, argument: str = "") -> str:
    """Start a session as a page would, and return its key."""
    page.evaluate(COLLECT)
    page.evaluate(f"GLANCE.Cobrowse.Visitor.startSession({argument})")
    until(page, "window.heard.some(([name]) => name === 'sessionstart')")
    return str(page.evaluate("GLANCE.Cobrowse.Visitor.getKey()"))


def heard(page: Page) -> list[Any]:
    return list(page.evaluate("window.heard"))


def session_with_an_agent(stack: Stack, visitor: Page, agent: Page) -> None:
    """A session on the bank's first page, and an agent who sees it."""
    visitor.goto(f"{stack.visitor_url}/")
    agent.goto(stack.agent_view(start_session(visitor, RANDOM)))
    wait_for_equal_trees(visitor, agent)


def everything_sent(page: Page) -> list[str | bytes]:
    """All messages that a page sends over its sockets from now on."""
    messages: list[str | bytes] = []

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: messages.append(payload))

    page.on("websocket", watch)
    return messages


def files_sent(page: Page) -> list[str]:
    """What a page sends from now on to name files, and to give them."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if "/.cobrowse/asset" in request.url:
            sent.append(request.url + (request.post_data_buffer or b"").decode("latin-1"))

    page.on("request", note)
    return sent


def readable(messages: list[str | bytes]) -> str:
    """The messages as text, capture frames inflated."""
    before, text = b"", ""
    for message in messages:
        if isinstance(message, str):
            text += message
            continue
        if wire.is_keyframe(message):
            before = b""
        # Each frame is deflated with the text before it as dictionary.
        inflate = zlib.decompressobj(-15, zdict=before[-8192:])
        plain = inflate.decompress(message[8:])
        before += plain
        text += plain.decode()
    return text
