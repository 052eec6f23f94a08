"""What a page's console, policies and network tell while it is open."""

import asyncio
import contextlib
from typing import Any, Final

from playwright.async_api import CDPSession, ConsoleMessage, Frame, Page, Response
from playwright.async_api import Error as BrowserError

MAX_FRAMES: Final = 50
# Until a frame answers: its page may keep its browser busy.
FRAME_PATIENCE_S: Final = 3.0
_MAX_COMPLAINTS: Final = 200
_MAX_CHARACTERS: Final = 2_000
_MAX_FILES: Final = 5_000


class Watch:
    """From now on. response: of the document that is shown."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self.complaints: list[str] = []
        self.violations: list[str] = []
        self.workers: list[str] = []
        self.transfer_bytes = 0
        self.response: Response | None = None
        # Whether each came; None while nothing is known.
        self._files: dict[str, bool | None] = {}
        page.on("console", self._on_message)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("request", lambda request: self._note(request.url, None))
        page.on("requestfailed", lambda request: self._note(request.url, False))
        page.on("response", self._on_response)
        # What it opens by itself would stand in front of it, and take its session.
        page.on("popup", _close)
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
        frames = self._page.frames[1 : MAX_FRAMES + 1]
        await asyncio.gather(*(self._listen_to(frame) for frame in frames))

    async def _listen_to(self, frame: Frame) -> None:
        with contextlib.suppress(BrowserError, TimeoutError):  # it is of this site, or busy
            async with asyncio.timeout(FRAME_PATIENCE_S):
                session = await self._page.context.new_cdp_session(frame)
                session.on("Audits.issueAdded", self._on_issue)
                await session.send("Audits.enable")

    def files(self) -> dict[str, bool]:
        """By address, whether it came."""
        return {url: came is not False for url, came in self._files.items()}

    def _on_response(self, response: Response) -> None:
        self._note(response.url, response.status < 400)
        with contextlib.suppress(BrowserError):  # of a service worker: it has no frame
            request = response.request
            if request.is_navigation_request() and request.frame == self._page.main_frame:
                self.response = response

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
            self.complaints.append(text[:_MAX_CHARACTERS])

    def _on_issue(self, event: dict[str, Any]) -> None:
        details = event["issue"]["details"].get("contentSecurityPolicyIssueDetails")
        if details and len(self.violations) < _MAX_COMPLAINTS:
            what = details.get("blockedURL") or details["contentSecurityPolicyViolationType"]
            told = " (report only)" if details.get("isReportOnly") else ""
            self.violations.append(f"{details['violatedDirective']}: {what}{told}")

    def _on_finished(self, event: dict[str, Any]) -> None:
        self.transfer_bytes += int(event["encodedDataLength"])


async def _close(popup: Page) -> None:
    with contextlib.suppress(BrowserError):
        await popup.close()
