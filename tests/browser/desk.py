"""An agent's desktop: a site of its own that shows the viewer in a frame and drives the API."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Frame, Page

from tests.browser.mirror import until
from tests.browser.pages import NOTHING, respond
from tests.stack import GROUP
from tests.wire.raw import raw_server

API = "GLANCE.Cobrowse.Agent"
# A viewer whose login has run out: its token is none.
WRONG_TOKEN = """
const { parse } = JSON;
JSON.parse = (text) => {
  const made = parse(text);
  if (made?.token) made.token = `x${made.token}`;
  return made;
};
"""
# Listens first, and shows the viewer when the test says so.
DESK = """<!doctype html><html lang="en"><title>Desk</title>
<h1>Desk</h1><iframe id="frame" name="viewer" title="Viewer" width="980" height="560"></iframe>
<script src="{relay}/cobrowse/CobrowseJS.ashx?group={group}&site=production&script=Agent"></script>
<script>
  window.heard = [];
  const agent = window.GLANCE?.Cobrowse.Agent;
  agent?.init(document.getElementById("frame"));
  for (const name of ["navigate", "sessionend", "error"])
    agent?.addEventListener(name, (...args) => heard.push(args));
</script>"""


@dataclass
class Desk:
    """Where the site is, and what it answers by path."""

    port: int
    responses: dict[str, bytes] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Another site than the relay's, which is at 127.0.0.1."""
        return f"http://localhost:{self.port}"

    @property
    def stranger(self) -> str:
        """The same pages from a host that nobody trusts."""
        return f"http://stranger.localhost:{self.port}"


@contextlib.contextmanager
def serving_desk(relay_url: str) -> Iterator[Desk]:
    with raw_server() as server:
        desk = Desk(int(server.url.rpartition(":")[2]))

        def answer(connection: socket.socket, head: bytes) -> None:
            path = head.split()[1].decode("latin-1").partition("?")[0]
            connection.sendall(desk.responses.get(path, NOTHING))

        server.answer = answer
        desk.responses["/"] = respond(DESK.format(relay=relay_url, group=GROUP))
        desk.responses["/left"] = respond(
            "<!doctype html><title>Left</title><h1>You have left</h1>"
        )
        yield desk


def show(page: Page, url: str) -> None:
    """Lead the frame somewhere."""
    page.evaluate("(url) => { document.getElementById('frame').src = url; }", url)


def viewer(page: Page) -> Frame:
    """What is in the frame."""
    handle = page.query_selector("#frame")
    frame = handle.content_frame() if handle else None
    assert frame is not None
    return frame


def heard(page: Page, name: str, times: int = 1) -> list[list[object]]:
    """All events of a name, as handlers got them, once there are so many."""
    until(page, f"heard.filter(([name]) => name === '{name}').length >= {times}")
    return list(page.evaluate(f"heard.filter(([name]) => name === '{name}')"))
