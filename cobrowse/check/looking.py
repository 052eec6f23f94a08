"""One load of a page in a real browser, and what it looks like then."""

import contextlib
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

import msgspec
from playwright.sync_api import (
    BrowserContext,
    CDPSession,
    Frame,
    Page,
    Response,
    ViewportSize,
)
from playwright.sync_api import (
    Error as BrowserError,
)

from cobrowse.check.observed import FrameSeen, Load, Seen

VIEWPORT: Final[ViewportSize] = {"width": 1280, "height": 800}
LOAD_TIMEOUT_MS: Final = 30_000
# How long a page may go on loading things after its load event.
_SETTLE_TIMEOUT_MS: Final = 5_000
# Clocks, tickers and the like have moved on by then.
_LATER_MS: Final = 1_500
_LOOK: Final = files("cobrowse.check").joinpath("look.js").read_text("utf-8")
_WORLD: Final = "cobrowse-check"
# Frames so small are nothing that anybody looks at.
_LEAST_FRAME_PX: Final = 3
_MAX_COMPLAINTS: Final = 200


class Unloadable(Exception):
    """A page that the browser does not get, or that is none; says why."""


class _Watch:
    """What a page's console, policies and network tell from now on."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.violations: list[str] = []
        self.transfer_bytes = 0
        self.files: list[str] = []
        page.on("console", lambda m: self._complain(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("response", self._on_response)
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.on("Audits.issueAdded", self._on_issue)
        self._session.on("Network.loadingFinished", self._on_finished)
        self._session.send("Audits.enable")
        self._session.send("Network.enable")

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

    def _on_response(self, response: Response) -> None:
        self.files.append(response.url)

    def isolated(self, expression: str) -> Any:
        """The value of a function's text, in a world of its own.

        Raises: BrowserError.
        """
        tree = self._session.send("Page.getFrameTree")
        frame = tree["frameTree"]["frame"]["id"]
        world = self._session.send(
            "Page.createIsolatedWorld", {"frameId": frame, "worldName": _WORLD}
        )
        answer = self._session.send(
            "Runtime.evaluate",
            {
                "expression": f"({expression})()",
                "contextId": world["executionContextId"],
                "returnByValue": True,
                "awaitPromise": True,
            },
        )
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")


@contextlib.contextmanager
def loaded(
    context: BrowserContext, url: str, *, twice: bool = False
) -> Iterator[tuple[Page, Load]]:
    """Load a page in a tab of its own.

    Args: twice: look at the document again after a while, to know what changes by itself.
    Raises: Unloadable.
    """
    page = context.new_page()
    try:
        watch = _Watch(page)
        response = _go(page, url)
        settle(page)
        load = _look(page, url, response, watch)
        if twice:
            page.wait_for_timeout(_LATER_MS)
            load.trees.append(_seen(watch).tree)
        yield page, load
    finally:
        page.close()


def _go(page: Page, url: str) -> Response:
    try:
        response = page.goto(url, timeout=LOAD_TIMEOUT_MS)
    except BrowserError as error:
        found = re.search(r"net::\w+|Download is starting|Timeout \d+ms", error.message)
        raise Unloadable(found[0] if found else error.message.splitlines()[0]) from error
    if response is None:
        raise Unloadable("no page")
    return response


def settle(page: Page) -> None:
    """Until nothing is loading any more, or some seconds."""
    with contextlib.suppress(BrowserError):
        page.wait_for_load_state("networkidle", timeout=_SETTLE_TIMEOUT_MS)


def _seen(watch: _Watch) -> Seen:
    """Raises: Unloadable."""
    try:
        return msgspec.convert(watch.isolated(_LOOK), Seen)
    except (BrowserError, msgspec.ValidationError) as error:
        raise Unloadable(str(error).splitlines()[0]) from error


def _look(page: Page, asked: str, response: Response, watch: _Watch) -> Load:
    seen = _seen(watch)
    try:
        return Load(
            asked=asked,
            url=page.url,
            status=response.status,
            seen=seen,
            trees=[seen.tree],
            frames=_frames(page),
            complaints=watch.complaints,
            violations=watch.violations,
            transfer_bytes=watch.transfer_bytes,
            files=watch.files,
            screenshot=page.screenshot(),
            cookies=list(page.context.cookies(page.url)),
        )
    except BrowserError as error:
        raise Unloadable(error.message.splitlines()[0]) from error


def _frames(page: Page) -> list[FrameSeen]:
    found = []
    for frame in page.frames[1:]:
        with contextlib.suppress(BrowserError):  # it is gone
            element = frame.frame_element()
            box = element.bounding_box()
            if box and min(box["width"], box["height"]) >= _LEAST_FRAME_PX:
                sandbox = element.get_attribute("sandbox")
                can_script = sandbox is None or "allow-scripts" in sandbox.lower().split()
                found.append(FrameSeen(frame.url, _url_of(frame.parent_frame), can_script))
    return found


def _url_of(frame: Frame | None) -> str:
    return frame.url if frame else ""
