"""cobrowse check: would this site work? Loads its pages with and without the proxy, and reports."""

import asyncio
import contextlib
import datetime
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from playwright.async_api import async_playwright
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from cobrowse import forwarding
from cobrowse.check import report, stage
from cobrowse.check.crawling import links
from cobrowse.check.findings import Grade, PageReport, Report, printable
from cobrowse.check.pairs import Pairs, Visitor
from cobrowse.check.passages import plain_url
from cobrowse.processes import StartError

MAX_PAGES: Final = 200
MAX_TIMEOUT_S: Final = 3600


@dataclass(frozen=True)
class Asked:
    """url: of the first page. pages: most that are looked at. timeout_s: for each.

    cookies: of a login: name and value.
    """

    url: str
    pages: int = 1
    timeout_s: float = 180.0
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
    if not 1 <= asked.timeout_s <= MAX_TIMEOUT_S:
        raise StartError(f"--timeout takes seconds, 1 to {MAX_TIMEOUT_S}")
    found = asyncio.run(check(asked, Console(stderr=True)))
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


async def check(asked: Asked, console: Console) -> Report:
    """Args: console: shows how far it is, if it is a terminal. Raises: as run()."""
    url, _ = forwarding.site_of(asked.url)
    program = forwarding.find_browser(asked.browser)
    async with contextlib.AsyncExitStack() as running:
        progress = running.enter_context(_progress(console))
        task = progress.add_task("starting proxy, relay and browser", total=None)
        serving = running.enter_context(stage.serving(url, asked.config, asked.include))
        playwright = await running.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=program, args=forwarding.flags(serving.pin)
        )
        running.push_async_callback(browser.close)
        pairs = Pairs(browser, serving, Visitor(url, asked.cookies), asked.timeout_s)
        waiting, pages = deque([url]), list[PageReport]()
        known, led_to = {_plain(url)}, set[str]()
        while waiting and len(pages) < asked.pages:
            at = waiting.popleft()
            if _plain(at) in led_to:
                continue
            total = min(asked.pages, len(pages) + 1 + len(waiting))
            progress.update(task, completed=len(pages), total=total, description=printable(at))
            page, first = await pairs.look(at)
            if first is None and not pages:
                raise StartError(f"{at} cannot be loaded: {page.findings[0].text}")
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
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _plain(url: str) -> str:
    return plain_url(url).rstrip("/")
