"""Visitors behind the real proxy, and agents with the real viewer."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page

from tests.browser.mirror import until
from tests.browser.pages import Pages, serving_pages
from tests.fidelity.case import Case, Kind
from tests.fidelity.compare import picture
from tests.fidelity.visitors import Visitors, rest_mouse, set_media

FRAME = 'document.querySelector("#screen iframe")'
COPY = f"{FRAME}.contentDocument"
SHOWN = """
(path) => document.getElementById("url").textContent.replace(/#.*/, "").endsWith(path)
  && document.body.dataset.page === "shown" && !("loading" in document.body.dataset)
"""
# What the visitor sees of us is no part of the page.
HIDE = """
() => {
  const ours = document.querySelector("cobrowse-visitor");
  if (ours) ours.hidden = true;
  return !!ours;
}
"""
WAIT_S = 20.0
# Two names for the site, which then is two sites of one owner; canvases are shown.
HOSTS = ("127.0.0.1", "localhost")
SETTINGS = 'mask = "none"\ncanvas_fps = 5'


def serving_cases(folder: Path) -> AbstractContextManager[Pages]:
    """The site of the cases, and the proxy in front of it."""
    return serving_pages(folder, hosts=HOSTS, settings=SETTINGS)


@dataclass
class Session:
    page: Page
    agent: Page
    is_over: bool = False


class Ours:
    """One session for each kind of visitor; the visitor goes on from case to case."""

    def __init__(self, visitors: Visitors, site: Pages) -> None:
        self._visitors = visitors
        self._site = site
        self._sessions: dict[Kind, Session] = {}
        self._now: Session | None = None
        self._port = site.proxied.rpartition(":")[2]

    def open(self, case: Case) -> Page:
        self._site.responses.update(case.responses(f"http://localhost:{self._port}"))
        session = self._session(case.kind)
        self._now = session
        session.is_over = True  # until it is seen that it is not
        set_media(session.page, dict(case.media))
        set_media(session.agent, dict(case.agent_media))
        rest_mouse(session.page)
        session.page.goto(self._site.proxied + case.path)
        self._until(session, case.path)
        self._hide_our_own(session)
        session.is_over = False
        return session.page

    def deliver(self) -> None:
        assert self._now
        self._now.page.evaluate(HIDE)

    def copy(self) -> tuple[Page, str]:
        assert self._now
        return self._now.agent, COPY

    def picture(self) -> Image.Image:
        assert self._now
        rect = f"{FRAME}.getBoundingClientRect().toJSON()"
        box: FloatRect = self._now.agent.evaluate(rect)
        clip: FloatRect = {name: box[name] for name in ("x", "y", "width", "height")}  # type: ignore
        return picture(self._now.agent, clip)

    def _session(self, kind: Kind) -> Session:
        known = self._sessions.get(kind)
        if known and not known.is_over:
            return known
        if known:
            known.page.context.close()
            known.agent.context.close()
        page = self._visitors.new_page(kind)
        agent = self._visitors.new_agent_page(kind)
        session = self._sessions[kind] = Session(page, agent)
        self._site.put("/", "<!doctype html><title>start</title><h1>Start</h1>")
        page.goto(self._site.proxied + "/")
        page.evaluate("GLANCE.Cobrowse.Visitor.startSession('GLANCE_KEYTYPE_RANDOM')")
        until(page, "GLANCE.Cobrowse.Visitor.inSession()")
        agent.goto(self._site.stack.agent_view(page.evaluate("GLANCE.Cobrowse.Visitor.getKey()")))
        agent.add_style_tag(content=".cursor { visibility: hidden !important }")
        self._until(session, "/")
        return session

    def _hide_our_own(self, session: Session) -> None:
        """Before anybody clicks where it is."""
        deadline = time.monotonic() + WAIT_S
        while not session.page.evaluate(HIDE):
            assert time.monotonic() < deadline, "the visitor's bar never came"
            session.page.wait_for_timeout(20)

    def _until(self, session: Session, path: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not session.agent.evaluate(SHOWN, path):
            assert time.monotonic() < deadline, f"the agent never sees {path}"
            session.agent.wait_for_timeout(20)
