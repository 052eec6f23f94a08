"""One page at a time: loaded without the proxy and with it, and what there is to say of the two."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from playwright.async_api import Browser, BrowserContext, HttpCredentials, ViewportSize
from playwright.async_api import Error as BrowserError

from cobrowse.check import judging, judging_frames, judging_session
from cobrowse.check.findings import Finding, PageReport
from cobrowse.check.looking import VIEWPORT, NoPage, Unloadable, Visit, loaded, settle
from cobrowse.check.mirroring import bounded, is_live, mirror
from cobrowse.check.observed import Load, Mirrored
from cobrowse.check.passages import plain_url
from cobrowse.check.pixels import shrunk
from cobrowse.check.redacting import Secrets
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
    """Who loads the pages. url: of the site that the cookies are for. password: what an address
    may have before its host.
    """

    url: str
    cookies: tuple[tuple[str, str], ...]
    password: HttpCredentials | None = None


class Pairs:
    """Loads pages of one site."""

    def __init__(
        self,
        browser: Browser,
        serving: Stage,
        visitor: Visitor,
        timeout_s: float,
        secrets: Secrets,
    ) -> None:
        """
        Args: timeout_s: for one page with the proxy, and without; it may keep its browser busy for
            ever. secrets: learns the values of all cookies.
        """
        self._browser, self._stage, self._visitor = browser, serving, visitor
        self._timeout_s, self._secrets = timeout_s, secrets

    async def look(self, url: str) -> tuple[PageReport, Load]:
        """What there is to say of a page, and its first load.

        Raises: Unloadable, where it cannot be loaded without the proxy, either.
        """
        async with self._bounded(url):
            first = await self._without(url)
        page = PageReport(url=url, findings=[])
        try:
            async with self._bounded(url):
                await self._compare(page, first)
        except Unloadable as error:
            told = judging.unfinished if page.findings else judging.unloadable
            page.findings.append(told(str(error)))
        self._stage.forget_bodies()
        return page, first

    @contextlib.asynccontextmanager
    async def _bounded(self, url: str) -> AsyncIterator[None]:
        """What a page does to its own browser is no reason to lose the report on the others."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except Unloadable:
            raise
        except TimeoutError as error:
            raise Unloadable(f"no answer in {self._timeout_s:g} s") from error
        except BrowserError as error:
            raise Unloadable(error.message.splitlines()[0]) from error
        except Exception as error:
            logger.exception("%s could not be looked at", self._secrets.without(url))
            raise Unloadable(f"it could not be looked at: {type(error).__name__}") from error

    async def _without(self, url: str) -> Load:
        async with self._context(through=False) as context, loaded(context, url) as visit:
            if await is_live(visit.page):
                raise Unloadable("the page has a co-browse script without this proxy")
            if urlsplit(visit.load.url).hostname not in self._stage.hosts:
                raise NoPage(f"it leads to another site, {plain_url(visit.load.url)}")
            return visit.load

    async def _compare(self, page: PageReport, first: Load) -> None:
        """Fill in the report, as far as it gets."""
        url, without, before = page.url, [first], len(self._stage.passages())
        # What the network does once is not the proxy's doing.
        async with (
            self._context(through=True) as context,
            loaded(context, url, tries=2) as visit,
        ):
            load = visit.load
            through = [load]
            page.pictures = {
                "Without the proxy": shrunk(first.screenshot),
                "Through it": shrunk(load.screenshot),
            }
            passage = await self._stage.passage(
                {plain_url(load.url), plain_url(load.answered)}, load.status, before
            )
            passages = self._stage.passages()[before:]
            for _ in range(_MORE_LOADS):
                if not judging.are_alike(without, through):
                    await self._again(url, without, through)
            page.without, page.through = judging.metrics(without), judging.metrics(through)
            group = self._stage.settings.groups[self._stage.group]
            cookies = {cookie["name"]: cookie["value"] for cookie in load.cookies}
            page.findings += [
                *judging.judge_landing(load, is_logged_in=bool(self._visitor.cookies)),
                *judging.judge(without, through, passage, self._stage.body),
                *judging_frames.judge_frames(first.frames, load.frames, passages),
                *judging.judge_cookies(cookies, list(group.cookies.sources())),
            ]
            if passage and passage.outcome == SPLICED:
                await self._mirror(page, visit, without)
            page.findings += judging.judge_later(load, visit.page.url)
            if workers := visit.workers():
                has_script = await _has_script_again(context, url)
                page.findings += judging_frames.judge_workers(workers, has_script)

    async def _mirror(self, page: PageReport, visit: Visit, without: Sequence[Load]) -> None:
        """A session, and what the page has to say of it."""
        async with self._desk() as desk:
            mirrored = await mirror(visit, desk, self._stage)
        page.findings += judging_session.judge_session(mirrored, visit.since())
        if mirrored.page:
            page.difference = mirrored.difference
            page.pictures["In a session"] = shrunk(mirrored.page)
            page.pictures["What the agent sees"] = shrunk(mirrored.copy)
        page.findings += await self._meanwhile(page.url, without, visit, mirrored)

    async def _meanwhile(
        self, url: str, without: Sequence[Load], visit: Visit, mirrored: Mirrored
    ) -> list[Finding]:
        """What a page complains of during a session, and not when it is open as long without."""
        later, open_ms = visit.since(), visit.open_ms()
        if not any(judging_session.judge_meanwhile(without, later, mirrored)):
            return []
        async with self._context(through=False) as context, loaded(context, url) as waiting:
            await waiting.page.wait_for_timeout(open_ms)
            known = [*without, waiting.load, waiting.since()]
        return list(judging_session.judge_meanwhile(known, later, mirrored))

    async def _again(self, url: str, without: list[Load], through: list[Load]) -> None:
        """Load it again on both sides, to tell what the proxy does from what is chance."""
        for is_through, loads in ((False, without), (True, through)):
            # One that fails tells nothing: the first has come.
            with contextlib.suppress(Unloadable):
                async with (
                    self._context(through=is_through) as context,
                    loaded(context, url, twice=True) as visit,
                ):
                    loads.append(visit.load)

    @contextlib.asynccontextmanager
    async def _context(self, *, through: bool) -> AsyncIterator[BrowserContext]:
        """A visitor's browser, with nothing of an earlier page."""
        context = await self._browser.new_context(
            viewport=VIEWPORT,
            proxy={"server": self._stage.proxy, "bypass": "<-loopback>"} if through else None,
            # The proxy trusts what origin_ca names; a browser has no such list.
            ignore_https_errors=not through and bool(self._stage.settings.proxy.origin_ca),
            http_credentials=self._visitor.password,
            accept_downloads=False,
        )
        try:
            for name, value in self._visitor.cookies:
                await context.add_cookies(
                    [{"name": name, "value": value, "url": urljoin(self._visitor.url, "/")}]
                )
            yield context
        finally:
            async with bounded():
                self._secrets.learn(cookie["value"] for cookie in await context.cookies())
            async with bounded():
                await context.close()

    @contextlib.asynccontextmanager
    async def _desk(self) -> AsyncIterator[BrowserContext]:
        """An agent's browser."""
        context = await self._browser.new_context(viewport=_DESK)
        try:
            yield context
        finally:
            async with bounded():
                await context.close()


async def _has_script_again(context: BrowserContext, url: str) -> bool:
    """Whether the page has the script when it is loaded a second time."""
    page = await context.new_page()
    try:
        await page.goto(url, wait_until="commit")
        await settle(page)
        return await is_live(page)
    except BrowserError:
        return False
