"""What a page may do to itself while it is watched."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.mirror import until, wait_for_equal_trees
from tests.browser.visiting import session_with_an_agent
from tests.stack import Stack


@pytest.mark.parametrize(
    "change",
    [
        "document.open(); document.write('<h1>Written</h1><p>x'); document.close()",
        """document.documentElement.replaceWith(
             new DOMParser().parseFromString('<h1>Replaced</h1>', 'text/html').documentElement)""",
        """const body = document.createElement("body");
           body.innerHTML = "<h1>Another body</h1>"; document.body.replaceWith(body)""",
    ],
)
def test_a_page_that_replaces_itself_is_followed(
    stack: Stack, visitor: Page, agent: Page, change: str
) -> None:
    session_with_an_agent(stack, visitor, agent)
    visitor.evaluate(f"() => {{ {change} }}")
    wait_for_equal_trees(visitor, agent)
    visitor.evaluate("document.querySelector('h1').textContent += ', and changed'")
    wait_for_equal_trees(visitor, agent)
    agent.reload()
    wait_for_equal_trees(visitor, agent)


def test_title_and_address_follow_the_page(stack: Stack, visitor: Page, agent: Page) -> None:
    session_with_an_agent(stack, visitor, agent)
    visitor.evaluate("history.pushState({}, '', '/?step=2'); document.title = 'Step 2'")
    expect(agent.locator("#title")).to_have_text("Step 2")
    expect(agent.locator("#url")).to_have_text(f"{stack.visitor_url}/?step=2")
    agent.reload()
    expect(agent.locator("#title")).to_have_text("Step 2")


def test_of_two_windows_the_one_in_use_has_the_session(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    session_with_an_agent(stack, visitor, agent)
    other = visitor.context.new_page()
    other.goto(f"{stack.visitor_url}/branches")
    wait_for_equal_trees(other, agent)
    visitor.evaluate("window.dispatchEvent(new Event('focus'))")
    wait_for_equal_trees(visitor, agent)
    other.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    expect(agent.locator("#notice")).to_have_text("The visitor has ended the session.")
    until(visitor, "GLANCE.Cobrowse.Visitor.inSession() === false")
    until(other, "GLANCE.Cobrowse.Visitor.inSession() === false")


def test_an_image_that_loads_late_reaches_the_copy(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    session_with_an_agent(stack, visitor, agent)
    visitor.evaluate(
        """() => {
          const image = new Image();
          image.id = "late";
          document.body.append(image);
          setTimeout(() => { image.src = "/files/logo.svg?late"; });
        }"""
    )
    shown = "document.querySelector('#screen iframe').contentDocument.getElementById('late')"
    until(agent, f"{shown} !== null && {shown}.naturalWidth === 300")
    assert agent.evaluate(f"{shown}.src").startswith(f"{stack.relay_url}/assets/")
