"""Error codes that a page is told only when something around it goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.visiting import API, LISTEN, call, start, wait_for, wait_for_error
from tests.stack import Origin, Stack, running_stack

SETTINGS = 'mask = "none"\nmax_sessions = 1\naway_s = 1'


@pytest.fixture
def stack(tmp_path: Path, origin: Origin) -> Iterator[Stack]:
    with running_stack(tmp_path, origin.url, settings=SETTINGS) as stack:
        yield stack


@pytest.fixture
def page(stack: Stack, visitor: Page) -> Page:
    visitor.add_init_script(LISTEN)
    visitor.goto(stack.visitor_url + "/")
    return visitor


def test_a_session_too_many(page: Page, stack: Stack, browser: Browser) -> None:
    other = browser.new_context().new_page()
    other.add_init_script(LISTEN)
    other.goto(stack.visitor_url + "/")
    start(other)
    call(page, "startSession()")
    wait_for_error(page, "limit")
    call(other, "stopSession()")
    wait_for(other, "sessionend")
    other.context.close()
    start(page)


def test_a_page_that_the_relay_does_not_accept(page: Page) -> None:
    tokens: list[str] = []

    def again(route: Route) -> None:
        """The token of the first start, which counts once."""
        if not tokens:
            tokens.append(route.fetch().text())
        route.fulfill(body=tokens[0])

    page.route("**/.cobrowse/token*", again)
    start(page)
    call(page, "stopSession()")
    wait_for(page, "sessionend")
    call(page, "startSession()")
    wait_for_error(page, "refused")
    assert call(page, "inSession()") is False


def test_too_many_messages(page: Page, stack: Stack, agent: Page) -> None:
    agent.goto(stack.agent_view(start(page)))
    expect(agent.locator("#state")).to_have_text("Live")
    wait_for(page, "agentjoin")
    page.evaluate(f"for (let i = 0; i < 65; i++) {API}.sendSessionMessage('note', i)")
    wait_for_error(page, "busy")
    assert call(page, "inSession()") is True


def test_a_line_that_stays_lost(page: Page, stack: Stack) -> None:
    start(page)
    stack.kill_relay()
    wait_for_error(page, "conndrop")
    assert wait_for(page, "sessionend") == {"reason": "error"}
    assert call(page, "inSession()") is False
