"""cobrowse check: would this site work? Loads its pages with and without the proxy, and reports."""

import contextlib
import datetime
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urldefrag

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright
from playwright.sync_api import Error as BrowserError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from cobrowse import config, forwarding
from cobrowse.check import judging, report, stage
from cobrowse.check.crawling import links
from cobrowse.check.fields import sensitive
from cobrowse.check.findings import Finding, Grade, PageReport, Report
from cobrowse.check.looking import VIEWPORT, Unloadable, loaded
from cobrowse.check.mirroring import is_live, mirror
from cobrowse.check.observed import Load
from cobrowse.check.stage import Stage
from cobrowse.processes import StartError

MAX_PAGES: Final = 200
# Room for the visitor's page at its full size beside the agent's own parts.
_DESK: Final[ViewportSize] = {"width": 1700, "height": 1100}


# Of a page that is not alike at once. What is one of two by chance is taken for ours in one of
# 32 cases, and seldom where it changes while the page is open.
_MORE_LOADS: Final = 2


@dataclass(frozen=True)
class Asked:
    """url: of the first page. pages: most that are looked at. cookies: of a login, by name."""

    url: str
    pages: int = 1
    cookies: tuple[tuple[str, str], ...] = ()
    include: tuple[str, ...] = ()
    config: str | None = None
    browser: str | None = None


def cookies_of(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Of NAME=VALUE, or @FILE with one of these on each line: what a command line says, others see.

    Raises: StartError.
    """
    lines: list[str] = []
    for one in given:
        try:
            text = Path(one[1:]).expanduser().read_text("utf-8") if one.startswith("@") else one
        except (OSError, UnicodeDecodeError) as error:
            raise StartError(f"--login-cookie: cannot read {one[1:]}: {error}") from error
        lines += [line.strip() for line in text.splitlines() if line.strip()]
    pairs = [(name.strip(), value) for name, _, value in (line.partition("=") for line in lines)]
    if not all(name and value for name, value in pairs):
        raise StartError("--login-cookie takes NAME=VALUE, or @FILE with one on each line")
    return tuple(pairs)


def run(asked: Asked, html: str | None, json: str | None) -> Grade:
    """Check a site, and print and write the report.

    Args: html, json: files to write; "-" for JSON on standard output, in place of the table.
    Raises: ConfigError, StartError, ValueError.
    """
    if not 1 <= asked.pages <= MAX_PAGES:
        raise StartError(f"--crawl takes a number of pages, 1 to {MAX_PAGES}")
    found = check(asked, Console(stderr=True))
    if json == "-":
        print(report.to_json(found).decode(), end="")
    else:
        report.show(found, Console())
    for path, text in ((json, report.to_json(found)), (html, report.to_html(found).encode())):
        if path and path != "-":
            try:
                Path(path).expanduser().write_bytes(text)
            except OSError as error:
                raise StartError(f"cannot write {path}: {error.strerror}") from error
            Console(stderr=True).print(f"Written: {path}", style="dim", highlight=False)
    return found.grade


def check(asked: Asked, console: Console) -> Report:
    """Args: console: shows how far it is, if it is a terminal. Raises: as run()."""
    url, _ = forwarding.site_of(asked.url)
    program = forwarding.find_browser(asked.browser)
    with _progress(console) as progress, contextlib.ExitStack() as running:
        task = progress.add_task("starting proxy, relay and browser", total=None)
        serving = running.enter_context(stage.serving(url, asked.config, asked.include))
        playwright = running.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=program, args=forwarding.flags(serving.pin)
        )
        running.callback(browser.close)
        one = _Check(browser, serving, asked, config.load(asked.config or "")[0].proxy.origin_ca)
        waiting, pages = deque([url]), list[PageReport]()
        known, led_to = {_plain(url)}, set[str]()
        while waiting and len(pages) < asked.pages:
            at = waiting.popleft()
            if _plain(at) in led_to:
                continue
            total = min(asked.pages, len(pages) + 1 + len(waiting))
            progress.update(task, completed=len(pages), total=total, description=at)
            page, first = one.page(at)
            pages.append(page)
            if first is None:
                continue
            led_to.add(_plain(first.url))
            for link in links(first.seen.html, first.url):
                if _plain(link) not in known and len(waiting) < MAX_PAGES:
                    known.add(_plain(link))
                    waiting.append(link)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Report(url=url, at=now, version=version("cobrowse-proxy"), pages=pages)


def _progress(console: Console) -> Progress:
    columns = (
        SpinnerColumn(),
        MofNCompleteColumn(),
        BarColumn(20),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _plain(url: str) -> str:
    return urldefrag(url).url.rstrip("/")


class _Check:
    """What all pages are looked at with."""

    def __init__(self, browser: Browser, serving: Stage, asked: Asked, origin_ca: str) -> None:
        self._browser, self._stage, self._asked = browser, serving, asked
        self._origin_ca = origin_ca
        self._desk = browser.new_context(viewport=_DESK)

    def page(self, url: str) -> tuple[PageReport, Load | None]:
        """Look at one page. Returns what there is to say, and its first load, if it is one."""
        try:
            return self._page(url)
        except Unloadable as error:
            return PageReport(url=url, findings=[Finding("load", Grade.BROKEN, str(error))]), None

    def _page(self, url: str) -> tuple[PageReport, Load]:
        with self._direct() as context, loaded(context, url) as (_, first):
            without = [first]
        before = len(self._stage.passages())
        with self._proxied() as context, loaded(context, url) as (page, load):
            through = [load]
            passage = self._stage.passage(load.url, before)
            if not judging.are_alike(first, load):
                self._again(url, without, through)
            findings = [
                *judging.judge(without, through, passage, self._stage.body),
                *judging.judge_frames(load.frames, self._stage.passages()[before:]),
                *judging.judge_cookies(_values(load), self._mapped()),
            ]
            mirrored = mirror(page, self._desk, self._stage, load.files, sensitive(load.seen.html))
            findings += judging.judge_session(mirrored)
            if load.seen.workers:
                findings += judging.judge_workers(load.seen.workers, _is_live_again(context, url))
        pictures = {
            "Without the proxy": first.screenshot,
            "Through it": load.screenshot,
            "In a session": mirrored.page,
            "What the agent sees": mirrored.copy,
        }
        found = PageReport(
            url=url,
            findings=findings,
            without=judging.metrics(without),
            through=judging.metrics(through),
            difference=None if mirrored.error else mirrored.difference,
            pictures={name: picture for name, picture in pictures.items() if picture},
        )
        return found, first

    def _again(self, url: str, without: list[Load], through: list[Load]) -> None:
        """Load it again on both sides, to tell what the proxy does from what is chance."""
        for context_of, loads in ((self._direct, without), (self._proxied, through)) * _MORE_LOADS:
            with context_of() as context, loaded(context, url, twice=True) as (_, load):
                loads.append(load)

    def _mapped(self) -> list[str]:
        return list(self._stage.settings.groups[self._stage.group].cookies.sources())

    @contextlib.contextmanager
    def _direct(self) -> Iterator[BrowserContext]:
        # Authorities of origin_ca are the proxy's to trust; a browser has no such list.
        context = self._browser.new_context(
            viewport=VIEWPORT, ignore_https_errors=bool(self._origin_ca)
        )
        with self._logged_in(context):
            yield context

    @contextlib.contextmanager
    def _proxied(self) -> Iterator[BrowserContext]:
        context = self._browser.new_context(
            viewport=VIEWPORT, proxy={"server": self._stage.proxy, "bypass": "<-loopback>"}
        )
        with self._logged_in(context):
            yield context

    @contextlib.contextmanager
    def _logged_in(self, context: BrowserContext) -> Iterator[None]:
        try:
            url = forwarding.site_of(self._asked.url)[0]
            for name, value in self._asked.cookies:
                context.add_cookies([{"name": name, "value": value, "url": url}])
            yield
        finally:
            context.close()


def _values(load: Load) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in load.cookies}


def _is_live_again(context: BrowserContext, url: str) -> bool:
    """Whether the page has the script when it is loaded a second time."""
    page: Page = context.new_page()
    try:
        page.goto(url)
        return is_live(page)
    except BrowserError:
        return False
    finally:
        page.close()
