"""A real Chromium, driven by Playwright, and the whole stack behind it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.install_chromium import find
from tests.stack import Origin, Stack, running_stack, serving_origin

FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 20_000
expect.set_options(timeout=TIMEOUT_MS)
VIEWPORT: ViewportSize = {"width": 1000, "height": 700}


def chromium_path() -> str:
    return find() or pytest.fail("there is no Chromium: `make test` installs one")


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def origin() -> Iterator[Origin]:
    with serving_origin() as origin:
        yield origin


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), origin.url) as stack:
        yield stack


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    yield from _page_of_its_own(browser)


@pytest.fixture
def agent(browser: Browser) -> Iterator[Page]:
    yield from _page_of_its_own(browser)


@pytest.fixture
def second_agent(browser: Browser) -> Iterator[Page]:
    yield from _page_of_its_own(browser)


def _page_of_its_own(browser: Browser) -> Iterator[Page]:
    context: BrowserContext = browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()
