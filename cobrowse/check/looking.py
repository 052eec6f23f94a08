"""One load of a page in a real browser, and what it looks like then."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Final

import msgspec
from playwright.async_api import (
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Frame,
    Page,
    Response,
    ViewportSize,
)
from playwright.async_api import (
    Error as BrowserError,
)

from cobrowse.check.observed import FrameSeen, Load, Seen

VIEWPORT: Final[ViewportSize] = {"width": 1280, "height": 800}
# Until a page answers.
ANSWER_TIMEOUT_MS: Final = 30_000
# Until its load event, which never comes where one of its files never ends; and how long it may go
# on loading things after that.
_LOAD_TIMEOUT_MS: Final = 12_000
_SETTLE_TIMEOUT_MS: Final = 5_000
# Clocks, tickers and the like have moved on by then.
_LATER_MS: Final = 1_500
_MOMENT_MS: Final = 200
_LOOK: Final = files("cobrowse.check").joinpath("look.js").read_text("utf-8")
_WORLD: Final = "cobrowse-check"
# Frames so small are nothing that anybody looks at.
_LEAST_FRAME_PX: Final = 3
_MAX_FRAMES: Final = 50
_MAX_COMPLAINTS: Final = 200
_MAX_FILES: Final = 5_000
_PAGES: Final = ("text/html", "application/xhtml+xml")
# What the script leaves in each page and frame that it runs in.
_HAS_SCRIPT: Final = "!!window.GLANCE?.Cobrowse?._internal"
_PATIENCE_S: Final = 5.0


class Unloadable(Exception):
    """A page that the browser does not get; says why."""


class NoPage(Unloadable):
    """What it gets is no HTML: a download, a feed, a picture."""


class _Watch:
    """What a page's console, policies and network tell from now on."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self.complaints: list[str] = []
        self.violations: list[str] = []
        self.transfer_bytes = 0
        # Whether each came; None while nothing is known.
        self._files: dict[str, bool | None] = {}
        self.workers: list[str] = []
        page.on("console", self._on_message)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("request", lambda request: self._note(request.url, None))
        page.on("requestfailed", lambda request: self._note(request.url, False))
        page.on("response", lambda response: self._note(response.url, response.status < 400))
        page.context.on("serviceworker", lambda worker: self.workers.append(worker.url))
        session.on("Audits.issueAdded", self._on_issue)
        session.on("Network.loadingFinished", self._on_finished)
        self._page, self._session = page, session

    async def begin(self) -> None:
        await self._session.send("Audits.enable")
        await self._session.send("Network.enable")

    def forget(self) -> None:
        """What was told of a load that failed."""
        for told in (self.complaints, self.violations, self._files):
            told.clear()
        self.transfer_bytes = 0

    async def listen_to_frames(self) -> None:
        """Frames of other sites are pages to the browser, which keeps what they complained of."""
        for frame in self._page.frames[1 : _MAX_FRAMES + 1]:
            with contextlib.suppress(BrowserError):  # it is of this site
                session = await self._page.context.new_cdp_session(frame)
                session.on("Audits.issueAdded", self._on_issue)
                await session.send("Audits.enable")

    def files(self) -> dict[str, bool]:
        """By address, whether it came."""
        return {url: came is not False for url, came in self._files.items()}

    def _note(self, url: str, came: bool | None) -> None:
        # What came once is there: our own script may ask for it again, where it may not.
        if not self._files.get(url) and (url in self._files or len(self._files) < _MAX_FILES):
            self._files[url] = came

    def _on_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            url = message.location.get("url", "")
            is_of_file = message.text.startswith("Failed to load resource")
            self._complain(f"{message.text} {url}" if is_of_file else message.text)

    def _complain(self, text: str) -> None:
        if len(self.complaints) < _MAX_COMPLAINTS:
            self.complaints.append(text)

    def _on_issue(self, event: dict[str, Any]) -> None:
        details = event["issue"]["details"].get("contentSecurityPolicyIssueDetails")
        if details and len(self.violations) < _MAX_COMPLAINTS:
            what = details.get("blockedURL") or details["contentSecurityPolicyViolationType"]
            told = " (report only)" if details.get("isReportOnly") else ""
            self.violations.append(f"{details['violatedDirective']}: {what}{told}")

    def _on_finished(self, event: dict[str, Any]) -> None:
        self.transfer_bytes += int(event["encodedDataLength"])

    async def look(self, page: Page) -> Seen:
        """Raises: Unloadable."""
        try:
            tree = await self._session.send("Page.getFrameTree")
            frame = tree["frameTree"]["frame"]["id"]
            world = await self._session.send(
                "Page.createIsolatedWorld", {"frameId": frame, "worldName": _WORLD}
            )
            for beat in (True, False):
                answer = await self._session.send(
                    "Runtime.evaluate",
                    {
                        "expression": _LOOK,
                        "contextId": world["executionContextId"],
                        "returnByValue": True,
                    },
                )
                if beat:  # what takes a moment is there the second time
                    await page.wait_for_timeout(_MOMENT_MS)
            return msgspec.convert(answer["result"].get("value"), Seen)
        except (BrowserError, msgspec.ValidationError) as error:
            raise Unloadable(str(error).splitlines()[0]) from error


@dataclass
class Visit:
    """A page that is open. load: as it was when it had loaded."""

    page: Page
    load: Load
    _watch: _Watch

    def workers(self) -> list[str]:
        """Scripts of the page's own service workers."""
        origin = "/".join(self.load.url.split("/")[:3]) + "/"
        return [url for url in dict.fromkeys(self._watch.workers) if url.startswith(origin)]

    def since(self) -> Load:
        """The load, with what the page has complained of since then, and with all files."""
        return replace(
            self.load,
            complaints=self._watch.complaints[len(self.load.complaints) :],
            violations=self._watch.violations[len(self.load.violations) :],
            files=self._watch.files(),
        )


@contextlib.asynccontextmanager
async def loaded(
    context: BrowserContext, url: str, *, tries: int = 1, twice: bool = False
) -> AsyncIterator[Visit]:
    """Load a page in a tab of its own.

    Args: twice: look at the document again after a while, to know what changes by itself.
    Raises: Unloadable.
    """
    page = await context.new_page()
    watch = _Watch(page, await context.new_cdp_session(page))
    await watch.begin()
    for tried in range(1, tries + 1):
        try:
            response = await _go(page, url)
            break
        except NoPage:
            raise
        except Unloadable:
            if tried == tries:
                raise
            watch.forget()
    await settle(page)
    await watch.listen_to_frames()
    load = await _look(page, url, response, watch)
    if twice:
        await page.wait_for_timeout(_LATER_MS)
        load.trees.append((await watch.look(page)).tree)
    yield Visit(page, load, watch)


async def _go(page: Page, url: str) -> Response:
    try:
        response = await page.goto(url, timeout=ANSWER_TIMEOUT_MS, wait_until="commit")
    except BrowserError as error:
        if "Download is starting" in error.message:
            raise NoPage("it is a download") from error
        found = re.search(r"net::\w+|Timeout \d+ms", error.message)
        raise Unloadable(found[0] if found else error.message.splitlines()[0]) from error
    if response is None:
        raise Unloadable("no page")
    return response


async def settle(page: Page) -> None:
    """Until nothing is loading any more, or some seconds."""
    with contextlib.suppress(BrowserError):
        await page.wait_for_load_state("load", timeout=_LOAD_TIMEOUT_MS)
        await page.wait_for_load_state("networkidle", timeout=_SETTLE_TIMEOUT_MS)


async def _look(page: Page, asked: str, response: Response, watch: _Watch) -> Load:
    seen = await watch.look(page)
    if seen.media_type not in _PAGES:
        raise NoPage(f"it is {seen.media_type or 'something else'}, no HTML")
    try:
        return Load(
            asked=asked,
            url=page.url,
            answered=response.url,
            status=response.status,
            seen=seen,
            trees=[seen.tree],
            frames=await _frames(page),
            complaints=list(watch.complaints),
            violations=list(watch.violations),
            transfer_bytes=watch.transfer_bytes,
            files=watch.files(),
            screenshot=await page.screenshot(),
            cookies=list(await page.context.cookies(page.url)),
        )
    except BrowserError as error:
        raise Unloadable(error.message.splitlines()[0]) from error


async def _frames(page: Page) -> list[FrameSeen]:
    found = []
    for frame in page.frames[1 : _MAX_FRAMES + 1]:
        with contextlib.suppress(BrowserError):  # it is gone
            element = await frame.frame_element()
            box = await element.bounding_box()
            if box and min(box["width"], box["height"]) >= _LEAST_FRAME_PX:
                sandbox = await element.get_attribute("sandbox")
                can_script = sandbox is None or "allow-scripts" in sandbox.lower().split()
                has_script = can_script and await has_script_in(frame)
                found.append(FrameSeen(frame.url, can_script, has_script))
    return found


async def has_script_in(frame: Frame | Page) -> bool:
    """Whether the proxy's script is there. One that does not answer has none."""
    with contextlib.suppress(TimeoutError, BrowserError):
        async with asyncio.timeout(_PATIENCE_S):
            return bool(await frame.evaluate(_HAS_SCRIPT))
    return False
