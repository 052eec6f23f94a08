"""A page is never worse for us: no relay, a silent one, pages nobody looks at, a lost line."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from cobrowse import up
from cobrowse.processes import Processes
from tests.browser.mirror import SOCKETS, until, wait_for_equal_trees
from tests.browser.pages import complaints
from tests.browser.visiting import COLLECT, RANDOM, heard, session_with_an_agent, start_session
from tests.stack import Origin, Stack, config_text, free_port, running_stack


def opened_in_the_background(stack: Stack, visitor: Page) -> Page:
    """Another tab of the visitor, which nobody sees before BRING_TO_FRONT."""
    hidden = visitor.context.new_page()
    hidden.add_init_script(
        """Object.defineProperty(document, "visibilityState", {
          configurable: true, get: () => window.shownNow ? "visible" : "hidden" });"""
    )
    hidden.goto(f"{stack.visitor_url}/branches")
    until(hidden, "GLANCE.Cobrowse._internal.ready === true")
    return hidden


BRING_TO_FRONT = "window.shownNow = true; document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture(params=["down", "hanging"])
def without_relay(request: pytest.FixtureRequest, tmp_path: Path, origin: Origin) -> Iterator[str]:
    """The visitor's address of a proxy whose relay is not there, or never says a word."""
    config = tmp_path / "cobrowse.toml"
    config.write_text(config_text(tmp_path))
    (tmp_path / "token_secret").write_text("obviously-fake-secret-of-enough-length")
    port = free_port()
    processes = Processes()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        relay_port = silent.getsockname()[1] if request.param == "hanging" else free_port()
        at = ("127.0.0.1", port)
        up.start_proxy(processes, str(config), origin.url, at, ("127.0.0.1", relay_port))
        try:
            processes.wait_ready(*at, "the proxy")
            yield f"http://127.0.0.1:{port}"
        finally:
            processes.stop()


def test_without_a_relay_the_page_is_whole(
    without_relay: str, visitor: Page, origin: Origin
) -> None:
    found = complaints(visitor)
    visitor.goto(f"{without_relay}/rates")  # returns after the page's load event
    assert visitor.evaluate("document.readyState") == "complete"
    until(visitor, "+document.getElementById('ticks').textContent > 1")
    assert visitor.evaluate("document.querySelectorAll('link, img').length") == 2
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor.inSession()") is False
    assert found == []


def test_without_a_relay_a_start_is_answered_by_an_error(without_relay: str, visitor: Page) -> None:
    visitor.goto(f"{without_relay}/")
    visitor.evaluate(COLLECT)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession()")
    until(visitor, "window.heard.length > 0", timeout_s=20)
    message = "The co-browsing service cannot be reached."
    assert heard(visitor) == [["error", {"code": "service", "msg": message}]]
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor.inSession()") is False


def test_an_idle_page_asks_for_nothing_before_its_load_event(stack: Stack, visitor: Page) -> None:
    visitor.goto(f"{stack.visitor_url}/")
    ours = "getEntriesByType('resource').filter(({ name }) => name.includes('/.cobrowse/'))"
    until(visitor, f"performance.{ours}.length === 2")
    loads: dict[str, Any] = visitor.evaluate(
        """() => {
          const [page] = performance.getEntriesByType("navigation");
          const ours = performance.getEntriesByType("resource")
            .filter(({ name }) => name.includes("/.cobrowse/"));
          return { load: page.loadEventStart, ours: ours.map(({ startTime }) => startTime) };
        }"""
    )
    assert len(loads["ours"]) == 2  # the loader, and the group's settings
    assert min(loads["ours"]) >= loads["load"]
    # Nothing of ours stays behind, not even the snippet.
    assert visitor.evaluate("document.querySelectorAll('script').length") == 0
    assert visitor.evaluate("document.cookie") == ""


def test_a_page_in_the_background_does_not_take_the_session(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    session_with_an_agent(stack, visitor, agent)
    hidden = opened_in_the_background(stack, visitor)
    assert hidden.evaluate("GLANCE.Cobrowse.Visitor.inSession()") is True
    expect(agent.locator("#title")).to_have_text("Nordhaven Savings Bank")
    # Brought to the front, it goes on with the session, and the first page lets go of it.
    hidden.evaluate(BRING_TO_FRONT)
    wait_for_equal_trees(hidden, agent)
    expect(agent.locator("#title")).to_have_text("Branches - Nordhaven Savings Bank")


def test_a_prerendered_page_does_not_take_the_session(stack: Stack, visitor: Page) -> None:
    visitor.goto(f"{stack.visitor_url}/")
    start_session(visitor, RANDOM)
    asked: list[str] = []
    other = visitor.context.new_page()
    other.on("request", lambda request: asked.append(request.url))
    other.add_init_script(
        "Object.defineProperty(document, 'prerendering', { get: () => !window.activated })"
    )
    other.goto(f"{stack.visitor_url}/branches")
    until(other, "GLANCE.Cobrowse._internal.ready === true")
    assert not [url for url in asked if url.endswith("/token")]
    other.evaluate(COLLECT)
    activate = "window.activated = true; document.dispatchEvent(new Event('prerenderingchange'))"
    other.evaluate(activate)
    until(other, "window.heard.some(([name]) => name === 'sessioncontinue')")


def test_a_lost_line_is_made_again(stack: Stack, visitor: Page, agent: Page) -> None:
    visitor.add_init_script(SOCKETS)
    visitor.goto(f"{stack.visitor_url}/")
    key = start_session(visitor, RANDOM)
    agent.goto(stack.agent_view(key))
    wait_for_equal_trees(visitor, agent)
    visitor.evaluate("window.sockets.at(-1).close()")
    visitor.evaluate("document.querySelector('h1').textContent = 'Changed meanwhile'")
    wait_for_equal_trees(visitor, agent)
    assert [name for name, _ in heard(visitor)] == ["sessionstart", "agentjoin"]
    expect(agent.locator("#state")).to_have_text("Live")


def test_a_relay_that_is_killed_is_missed_for_a_moment_only(
    origin: Origin, tmp_path: Path, visitor: Page, agent: Page
) -> None:
    with running_stack(tmp_path, origin.url) as stack:
        session_with_an_agent(stack, visitor, agent)
        key = visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()")
        visitor.evaluate("GLANCE.Cobrowse.Visitor.sendSessionMessage('n', 'before')")
        stack.kill_relay()
        expect(agent.locator("#state")).to_have_text("Reconnecting …")
        visitor.evaluate("document.querySelector('h1').textContent = 'Changed meanwhile'")
        visitor.evaluate("GLANCE.Cobrowse.Visitor.sendSessionMessage('n', 'meanwhile')")
        stack.start_relay()
        expect(agent.locator("#state")).to_have_text("Live", timeout=5_000)
        wait_for_equal_trees(visitor, agent)
        expect(agent.locator("#visitor")).to_be_visible()
        assert [name for name, _ in heard(visitor)] == ["sessionstart", "agentjoin"]
        visitor.goto(f"{stack.visitor_url}/branches")
        wait_for_equal_trees(visitor, agent)
        assert visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()") == key
        visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
        expect(agent.locator("#notice")).to_have_text("The visitor has ended the session.")


def test_a_page_that_comes_back_from_the_cache_goes_on(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    session_with_an_agent(stack, visitor, agent)
    visitor.goto(f"{stack.visitor_url}/branches")
    wait_for_equal_trees(visitor, agent)
    visitor.go_back()
    until(visitor, "document.title === 'Nordhaven Savings Bank'")
    wait_for_equal_trees(visitor, agent)
    expect(agent.locator("#title")).to_have_text("Nordhaven Savings Bank")


def test_a_stop_before_the_loader_is_there_ends_the_session(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    session_with_an_agent(stack, visitor, agent)
    visitor.add_init_script(
        """document.addEventListener("DOMContentLoaded", () => {
          window.readyThen = !!GLANCE.Cobrowse._internal.ready;
          GLANCE.Cobrowse.Visitor.stopSession();
        });"""
    )
    held: list[Route] = []
    visitor.route("**/loader.js", lambda route: held.append(route))
    visitor.goto(f"{stack.visitor_url}/branches", wait_until="domcontentloaded")
    assert visitor.evaluate("window.readyThen") is False
    deadline = time.monotonic() + 20
    while not held:  # the browser has asked, and tells of it in its own time
        assert time.monotonic() < deadline
        visitor.wait_for_timeout(20)
    held[0].continue_()
    expect(agent.locator("#notice")).to_have_text("The visitor has ended the session.")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")


def test_a_tab_that_lost_the_session_can_still_stop_it(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    session_with_an_agent(stack, visitor, agent)
    other = visitor.context.new_page()
    other.goto(f"{stack.visitor_url}/branches")
    wait_for_equal_trees(other, agent)
    other.evaluate(COLLECT)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    expect(agent.locator("#notice")).to_have_text("The visitor has ended the session.")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")


def test_a_tab_hears_when_the_session_ended_in_another(stack: Stack, visitor: Page) -> None:
    visitor.goto(f"{stack.visitor_url}/")
    start_session(visitor, RANDOM)
    hidden = opened_in_the_background(stack, visitor)
    hidden.evaluate(COLLECT)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")
    hidden.evaluate(BRING_TO_FRONT)
    until(hidden, "window.heard.some(([name]) => name === 'sessionend')")
    assert hidden.evaluate("GLANCE.Cobrowse.Visitor.inSession()") is False


def test_a_session_that_cannot_be_captured_ends_with_an_error(stack: Stack, visitor: Page) -> None:
    visitor.route("**/capture.js*", lambda route: route.fulfill(body=""))
    visitor.goto(f"{stack.visitor_url}/")
    start_session(visitor, RANDOM)
    until(visitor, "window.heard.some(([name]) => name === 'sessionend')")
    assert [name for name, _ in heard(visitor)] == ["sessionstart", "error", "sessionend"]
