"""One load of a page in a real browser, and what it looks like then."""

import contextlib
import re
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Any, Final

import msgspec
from playwright.async_api import (
    BrowserContext,
    CDPSession,
    Page,
    Response,
    ViewportSize,
)
from playwright.async_api import (
    Error as BrowserError,
)

from cobrowse.check.observed import FrameSeen, Load, Seen

VIEWPORT: Final[ViewportSize] = {"width": 1280, "height": 800}
LOAD_TIMEOUT_MS: Final = 30_000
# How long a page may go on loading things after its load event.
_SETTLE_TIMEOUT_MS: Final = 5_000
# Clocks, tickers and the like have moved on by then.
_LATER_MS: Final = 1_500
_MOMENT_MS: Final = 200
_LOOK: Final = files("cobrowse.check").joinpath("look.js").read_text("utf-8")
_WORLD: Final = "cobrowse-check"
# Frames so small are nothing that anybody looks at.
_LEAST_FRAME_PX: Final = 3
_MAX_COMPLAINTS: Final = 200


class Unloadable(Exception):
    """A page that the browser does not get, or that is none; says why."""


class _Watch:
    """What a page's console, policies and network tell from now on."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self.complaints: list[str] = []
        self.violations: list[str] = []
        self.transfer_bytes = 0
        self.files: list[str] = []
        page.on("console", lambda m: self._complain(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("response", lambda response: self.files.append(response.url))
        session.on("Audits.issueAdded", self._on_issue)
        session.on("Network.loadingFinished", self._on_finished)
        self._session = session

    async def begin(self) -> None:
        await self._session.send("Audits.enable")
        await self._session.send("Network.enable")

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


@contextlib.asynccontextmanager
async def loaded(
    context: BrowserContext, url: str, *, twice: bool = False
) -> AsyncIterator[tuple[Page, Load]]:
    """Load a page in a tab of its own.

    Args: twice: look at the document again after a while, to know what changes by itself.
    Raises: Unloadable.
    """
    page = await context.new_page()
    watch = _Watch(page, await context.new_cdp_session(page))
    await watch.begin()
    response = await _go(page, url)
    await settle(page)
    load = await _look(page, url, response, watch)
    if twice:
        await page.wait_for_timeout(_LATER_MS)
        load.trees.append((await watch.look(page)).tree)
    yield page, load


async def _go(page: Page, url: str) -> Response:
    try:
        response = await page.goto(url, timeout=LOAD_TIMEOUT_MS)
    except BrowserError as error:
        found = re.search(r"net::\w+|Download is starting|Timeout \d+ms", error.message)
        raise Unloadable(found[0] if found else error.message.splitlines()[0]) from error
    if response is None:
        raise Unloadable("no page")
    return response


async def settle(page: Page) -> None:
    """Until nothing is loading any more, or some seconds."""
    with contextlib.suppress(BrowserError):
        await page.wait_for_load_state("networkidle", timeout=_SETTLE_TIMEOUT_MS)


async def _look(page: Page, asked: str, response: Response, watch: _Watch) -> Load:
    seen = await watch.look(page)
    try:
        return Load(
            asked=asked,
            url=page.url,
            answered=response.url,
            status=response.status,
            seen=seen,
            trees=[seen.tree],
            frames=await _frames(page),
            complaints=watch.complaints,
            violations=watch.violations,
            transfer_bytes=watch.transfer_bytes,
            files=watch.files,
            screenshot=await page.screenshot(),
            cookies=list(await page.context.cookies(page.url)),
        )
    except BrowserError as error:
        raise Unloadable(error.message.splitlines()[0]) from error


async def _frames(page: Page) -> list[FrameSeen]:
    found = []
    for frame in page.frames[1:]:
        with contextlib.suppress(BrowserError):  # it is gone
            element = await frame.frame_element()
            box = await element.bounding_box()
            if box and min(box["width"], box["height"]) >= _LEAST_FRAME_PX:
                sandbox = await element.get_attribute("sandbox")
                can_script = sandbox is None or "allow-scripts" in sandbox.lower().split()
                found.append(FrameSeen(frame.url, can_script))
    return found
