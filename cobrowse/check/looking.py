"""One load of a page in a real browser, and what it looks like then."""

import asyncio
import base64
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Final

import msgspec
from playwright.async_api import BrowserContext, Frame, Page, ViewportSize
from playwright.async_api import Error as BrowserError

from cobrowse.check.observed import FrameSeen, Load, Seen
from cobrowse.check.watching import FRAME_PATIENCE_S, MAX_FRAMES, Watch

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
# How often a page may lead on by a script while it is looked at.
_LOOKS: Final = 4
_LEFT: Final = re.compile(r"context was destroyed|Cannot find context|navigat|detached", re.I)
_PICTURE_PATIENCE_S: Final = 10.0
# Frames so small are nothing that anybody looks at.
_LEAST_FRAME_PX: Final = 3
_PAGES: Final = ("text/html", "application/xhtml+xml")
# What the script leaves in each page and frame that it runs in.
_HAS_SCRIPT: Final = "!!window.GLANCE?.Cobrowse?._internal"
# Of a frame's element, as the page around it sees it; null where nobody sees it.
_OF_FRAME: Final = """(frame, least) => {
  const { width, height, right, bottom } = frame.getBoundingClientRect();
  const isSeen = frame.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const isOutside = right + scrollX <= 0 || bottom + scrollY <= 0;
  if (!isSeen || isOutside || Math.min(width, height) < least) return null;
  const sandbox = frame.getAttribute("sandbox");
  const src = frame.hasAttribute("srcdoc") ? "" : (frame.getAttribute("src") ?? "");
  const isPage = src && !/^(?:about|javascript):/i.test(src.trim());
  return {
    can_script: sandbox === null || sandbox.toLowerCase().split(/\\s+/).includes("allow-scripts"),
    is_reached: !!frame.contentDocument,
    src: isPage ? new URL(src, document.baseURI).href : "",
  };
}"""


class Unloadable(Exception):
    """A page that the browser does not get; says why."""


class NoPage(Unloadable):
    """What it gets is no page of this site: a download, a feed, a picture, another site."""


class _Gone(Unloadable):
    """It was left while it was looked at."""


@dataclass
class Visit:
    """A page that is open. load: as it was when it had loaded."""

    page: Page
    load: Load
    _watch: Watch
    _loaded_at: float = field(default_factory=time.monotonic)

    def open_ms(self) -> float:
        """How long it has been open since it had loaded."""
        return (time.monotonic() - self._loaded_at) * 1000

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
    watch = Watch(page, await context.new_cdp_session(page))
    await watch.begin()
    for tried in range(1, tries + 1):
        try:
            await _go(page, url)
            break
        except NoPage:
            raise
        except Unloadable:
            if tried == tries:
                raise
            watch.forget()
    for tried in range(1, _LOOKS + 1):
        await settle(page)
        await watch.listen_to_frames()
        try:
            load = await _look(page, url, watch)
            break
        except _Gone as error:
            if tried == _LOOKS:
                raise Unloadable("it leads on and on") from error
    if twice:
        await page.wait_for_timeout(_LATER_MS)
        load.trees.append((await _see(page)).tree)
    yield Visit(page, load, watch)


async def _go(page: Page, url: str) -> None:
    try:
        response = await page.goto(url, timeout=ANSWER_TIMEOUT_MS, wait_until="commit")
    except BrowserError as error:
        if "Download is starting" in error.message:
            raise NoPage("it is a download") from error
        found = re.search(r"net::\w+|Timeout \d+ms", error.message)
        raise Unloadable(found[0] if found else error.message.splitlines()[0]) from error
    if response is None:
        raise Unloadable("no page")


async def settle(page: Page) -> None:
    """Until nothing is loading any more, or some seconds."""
    with contextlib.suppress(BrowserError):
        await page.wait_for_load_state("load", timeout=_LOAD_TIMEOUT_MS)
        await page.wait_for_load_state("networkidle", timeout=_SETTLE_TIMEOUT_MS)


async def _look(page: Page, asked: str, watch: Watch) -> Load:
    """Raises: Unloadable, _Gone."""
    seen, response = await _see(page), watch.response
    if seen.media_type not in _PAGES:
        raise NoPage(f"it is {seen.media_type or 'something else'}, no HTML")
    if response is None:
        raise Unloadable("no page")
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
            screenshot=await picture(page),
            cookies=list(await page.context.cookies(page.url)),
        )
    except BrowserError as error:
        raise Unloadable(error.message.splitlines()[0]) from error


async def _see(page: Page) -> Seen:
    """What look.js tells. Raises: Unloadable, _Gone."""
    session = await page.context.new_cdp_session(page)
    try:
        tree = await session.send("Page.getFrameTree")
        frame = tree["frameTree"]["frame"]["id"]
        world = await session.send(
            "Page.createIsolatedWorld", {"frameId": frame, "worldName": _WORLD}
        )
        asks = {"contextId": world["executionContextId"], "returnByValue": True}
        await session.send("Runtime.evaluate", asks | {"expression": f"({_LOOK})(true)"})
        await page.wait_for_timeout(_MOMENT_MS)  # what takes a moment is there the second time
        answer = await session.send("Runtime.evaluate", asks | {"expression": f"({_LOOK})(false)"})
        if "exceptionDetails" in answer:
            told = answer["exceptionDetails"].get("exception", {}).get("description", "an error")
            raise Unloadable(f"its document cannot be read: {told.splitlines()[0]}")
        return msgspec.convert(answer["result"].get("value"), Seen)
    except BrowserError as error:
        if _LEFT.search(error.message):
            raise _Gone("it was left while it was looked at") from error
        raise Unloadable(error.message.splitlines()[0]) from error
    except msgspec.ValidationError as error:
        raise Unloadable(f"its document cannot be read: {error}") from error


async def picture(page: Page) -> bytes:
    """PNG, as the page is now; b"" where the browser gives none in time."""
    with contextlib.suppress(BrowserError, TimeoutError):
        async with asyncio.timeout(_PICTURE_PATIENCE_S):
            session = await page.context.new_cdp_session(page)
            # Not Playwright's own, which waits for fonts that never come.
            taken = await session.send("Page.captureScreenshot", {"format": "png"})
            await session.detach()
            return base64.b64decode(taken["data"])
    return b""


async def _frames(page: Page) -> list[FrameSeen]:
    found = await asyncio.gather(*(_frame(frame) for frame in page.frames[1 : MAX_FRAMES + 1]))
    return [frame for frame in found if frame]


async def _frame(frame: Frame) -> FrameSeen | None:
    """None for one that nobody looks at, or that is gone."""
    with contextlib.suppress(BrowserError, TimeoutError):
        async with asyncio.timeout(FRAME_PATIENCE_S):
            element = await frame.frame_element()
            told = await element.evaluate(_OF_FRAME, _LEAST_FRAME_PX)
            if told is None:
                return None
            is_waiting = bool(told["src"]) and frame.url in ("", "about:blank")
            return FrameSeen(
                url=told["src"] if is_waiting else frame.url,
                can_script=told["can_script"],
                is_reached=told["is_reached"] and not is_waiting,
                has_script=told["can_script"] and await has_script_in(frame),
                is_waiting=is_waiting,
            )
    return None


async def has_script_in(frame: Frame | Page) -> bool:
    """Whether the proxy's script is there. One that does not answer has none."""
    with contextlib.suppress(TimeoutError, BrowserError):
        async with asyncio.timeout(FRAME_PATIENCE_S):
            return bool(await frame.evaluate(_HAS_SCRIPT))
    return False
