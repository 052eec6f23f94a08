"""One page at a time: loaded without the proxy and with it, and what there is to say of the two."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from playwright.async_api import Browser, BrowserContext, ViewportSize
from playwright.async_api import Error as BrowserError

from cobrowse.check import judging
from cobrowse.check.fields import sensitive
from cobrowse.check.findings import PageReport
from cobrowse.check.looking import VIEWPORT, Unloadable, loaded
from cobrowse.check.mirroring import is_live, mirror
from cobrowse.check.observed import Load
from cobrowse.check.passages import plain_url
from cobrowse.check.stage import Stage
from proxy_addon.splice import SPLICED

logger = logging.getLogger(__name__)

# Room for the visitor's page at its full size beside the agent's own parts.
_DESK: Final[ViewportSize] = {"width": 1700, "height": 1100}
# Of a page that is not alike at once. What is one of two by chance is taken for the proxy's doing
# in one of 32 cases, and seldom where it changes while the page is open.
_MORE_LOADS: Final = 2


@dataclass(frozen=True)
class Visitor:
    """Who loads the pages. url: of the site that the cookies are for."""

    url: str
    cookies: tuple[tuple[str, str], ...]


class Pairs:
    """Loads pages of one site."""

    def __init__(
        self, browser: Browser, serving: Stage, visitor: Visitor, timeout_s: float
    ) -> None:
        """timeout_s: for one page, which may keep its browser busy for ever."""
        self._browser, self._stage, self._visitor = browser, serving, visitor
        self._timeout_s = timeout_s

    async def look(self, url: str) -> tuple[PageReport, Load | None]:
        """What there is to say of a page, and its first load; None where it is no page."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._look(url)
        except Unloadable as error:
            why = str(error)
        except TimeoutError:
            why = f"no answer in {self._timeout_s:g} s"
        except BrowserError as error:
            why = error.message.splitlines()[0]
        except Exception as error:
            # What a page does to its own browser is no reason to lose the report on the others.
            logger.exception("%s could not be looked at", url)
            why = f"it could not be looked at: {type(error).__name__}"
        return PageReport(url=url, findings=[judging.unloadable(why)]), None

    async def _look(self, url: str) -> tuple[PageReport, Load]:
        async with self._context(through=False) as context, loaded(context, url) as (page, first):
            if await is_live(page):
                raise Unloadable("the page has a co-browse script without this proxy")
            without = [first]
        before = len(self._stage.passages())
        async with self._context(through=True) as context, loaded(context, url) as (page, load):
            through = [load]
            passage = await self._stage.passage(
                {plain_url(load.url), plain_url(load.answered)}, before
            )
            for _ in range(_MORE_LOADS):
                if not judging.are_alike(without, through):
                    await self._again(url, without, through)
            group = self._stage.settings.groups[self._stage.group]
            cookies = {cookie["name"]: cookie["value"] for cookie in load.cookies}
            findings = [
                *judging.judge(without, through, passage, self._stage.body),
                *judging.judge_frames(load.frames, self._stage.passages()[before:]),
                *judging.judge_cookies(cookies, list(group.cookies.sources())),
            ]
            mirrored = None
            if passage and passage.outcome == SPLICED:
                async with self._desk() as desk:
                    fields = sensitive(load.seen.html)
                    mirrored = await mirror(page, desk, self._stage, load.files, fields)
                findings += judging.judge_session(mirrored)
            if load.seen.workers:
                has_script = await _has_script_again(context, url)
                findings += judging.judge_workers(load.seen.workers, has_script)
        pictures = {
            "Without the proxy": first.screenshot,
            "Through it": load.screenshot,
            "In a session": mirrored.page if mirrored else b"",
            "What the agent sees": mirrored.copy if mirrored else b"",
        }
        found = PageReport(
            url=url,
            findings=findings,
            without=judging.metrics(without),
            through=judging.metrics(through),
            difference=mirrored.difference if mirrored and not mirrored.error else None,
            pictures={name: picture for name, picture in pictures.items() if picture},
        )
        return found, first

    async def _again(self, url: str, without: list[Load], through: list[Load]) -> None:
        """Load it again on both sides, to tell what the proxy does from what is chance."""
        for is_through, loads in ((False, without), (True, through)):
            async with (
                self._context(through=is_through) as context,
                loaded(context, url, twice=True) as (_, load),
            ):
                loads.append(load)

    @contextlib.asynccontextmanager
    async def _context(self, *, through: bool) -> AsyncIterator[BrowserContext]:
        """A visitor's browser, with nothing of an earlier page."""
        context = await self._browser.new_context(
            viewport=VIEWPORT,
            proxy={"server": self._stage.proxy, "bypass": "<-loopback>"} if through else None,
            # The proxy trusts what origin_ca names; a browser has no such list.
            ignore_https_errors=not through and bool(self._stage.settings.proxy.origin_ca),
        )
        try:
            for name, value in self._visitor.cookies:
                await context.add_cookies(
                    [{"name": name, "value": value, "url": urljoin(self._visitor.url, "/")}]
                )
            yield context
        finally:
            await context.close()

    @contextlib.asynccontextmanager
    async def _desk(self) -> AsyncIterator[BrowserContext]:
        """An agent's browser."""
        context = await self._browser.new_context(viewport=_DESK)
        try:
            yield context
        finally:
            await context.close()


async def _has_script_again(context: BrowserContext, url: str) -> bool:
    """Whether the page has the script when it is loaded a second time."""
    page = await context.new_page()
    try:
        await page.goto(url)
        return await is_live(page)
    except BrowserError:
        return False
