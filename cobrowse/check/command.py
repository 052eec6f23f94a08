"""cobrowse check: would this site work? Loads its pages with and without the proxy, and reports."""

import asyncio
import contextlib
import datetime
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from playwright.async_api import Browser, HttpCredentials, Playwright, async_playwright
from playwright.async_api import Error as BrowserError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from cobrowse import forwarding
from cobrowse.check import judging, report, stage
from cobrowse.check.crawling import links
from cobrowse.check.findings import Grade, PageReport, Report, printable
from cobrowse.check.looking import NoPage, Unloadable
from cobrowse.check.mirroring import bounded
from cobrowse.check.pairs import Pairs, Visitor
from cobrowse.check.passages import plain_url
from cobrowse.check.redacting import Secrets
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
    for path in (json, html):
        _check_writable(path)
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


def _check_writable(path: str | None) -> None:
    """Before the work, not after it. Raises: StartError."""
    if not path or path == "-":
        return
    file = Path(path).expanduser()
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise StartError(f"cannot write {path}: no file can be there")


async def check(asked: Asked, console: Console) -> Report:
    """Args: console: shows how far it is, if it is a terminal. Raises: as run()."""
    url, password = _of_address(forwarding.site_of(asked.url)[0])
    secrets = Secrets([*dict(asked.cookies).values(), password["password"] if password else ""])
    visitor = Visitor(url, asked.cookies, password)
    program = forwarding.find_browser(asked.browser)
    async with contextlib.AsyncExitStack() as running:
        progress = running.enter_context(_progress(console))
        task = progress.add_task("starting proxy, relay and browser", total=None)
        serving = running.enter_context(stage.serving(url, asked.config, asked.include))
        playwright = await running.enter_async_context(async_playwright())
        browser = await _launched(playwright, program, serving.pin)
        running.push_async_callback(_close, browser)
        pairs = Pairs(browser, serving, visitor, asked.timeout_s, secrets)
        waiting, pages = deque([url]), list[PageReport]()
        known, led_to = {_plain(url)}, set[str]()
        while waiting and len(pages) < asked.pages:
            at = waiting.popleft()
            if _plain(at) in led_to:
                continue
            total = min(asked.pages, len(pages) + 1 + len(waiting))
            shown = printable(secrets.without(at))
            progress.update(task, completed=len(pages), total=total, description=shown)
            first, why = None, None
            try:
                page, first = await pairs.look(at)
            except Unloadable as error:
                page, why = _unchecked(at, error), error
            # Without them, all other pages would seem broken.
            serving.processes.raise_if_one_ended()
            if not browser.is_connected():
                raise StartError(f"the browser has ended at {shown}")
            if why and not pages:
                raise StartError(printable(secrets.without(f"{at} cannot be loaded: {why}")))
            pages.append(page)
            if first is None:
                continue
            led_to.add(_plain(first.url))
            for link in links(first.seen.html, first.url):
                if _plain(link) not in known and len(waiting) < MAX_PAGES:
                    known.add(_plain(link))
                    waiting.append(link)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Report(
        url=secrets.without(url),
        at=now,
        version=version("cobrowse-proxy"),
        pages=[secrets.page(page) for page in pages],
    )


def _of_address(url: str) -> tuple[str, HttpCredentials | None]:
    """An address without user name and password, and these, which are for its own site alone."""
    parts = urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    if not parts.username:
        return plain.geturl(), None
    return plain.geturl(), HttpCredentials(
        username=unquote(parts.username),
        password=unquote(parts.password or ""),
        origin=f"{plain.scheme}://{plain.netloc}",
    )


async def _launched(playwright: Playwright, program: str, pin: str) -> Browser:
    """Raises: StartError."""
    try:
        return await playwright.chromium.launch(executable_path=program, args=forwarding.flags(pin))
    except BrowserError as error:
        raise StartError(f"{program} does not start, or is no Chromium") from error


async def _close(browser: Browser) -> None:
    async with bounded():
        await browser.close()


def _unchecked(url: str, error: Unloadable) -> PageReport:
    finding = judging.unchecked(str(error), is_page=not isinstance(error, NoPage))
    return PageReport(url=url, findings=[finding])


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
