"""Every state of the agent's pages, for tests that look at them and for people who want to.

`python -m tests.browser.agent_states FOLDER` leaves pictures, light and dark, wide and narrow.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.conftest import FLAGS, TIMEOUT_MS, VIEWPORT, chromium_path
from tests.browser.visiting import COLLECT, LISTEN, call, log_in, start
from tests.stack import Stack, running_stack, serving_origin

SETTINGS = """
mask = "none"
language = "en"
masked_pages = ["*/branches"]
"""
SIZES: list[ViewportSize] = [{"width": 1024, "height": 700}, {"width": 400, "height": 800}]


def states(stack: Stack, agent: Page, site: Page, other: Page) -> Iterator[str]:
    """Bring the agent's page to one state after the other; the name of each.

    Args: site: the visitor's. other: a second agent's.
    """
    agent.goto(f"{stack.relay_url}/cobrowse/AgentView.aspx?SessionKey=states")
    expect(agent.locator("h1")).to_have_text("Log in to co-browsing")
    yield "login"
    agent.fill("#partnerid", stack.group)
    agent.fill("#partneruserid", "anna")
    agent.fill("#loginkey", "$1$1$wrong")
    agent.click("text=Log in >> nth=-1")
    expect(agent.get_by_role("alert")).to_be_visible()
    yield "wrong-key"
    agent.goto(f"{stack.relay_url}/cobrowse/AgentView.aspx?SessionKey=not+a+key")
    yield "no-key"
    agent.goto(f"{stack.relay_url}/console?{stack.login()}")
    expect(agent.locator("#nothing")).to_be_visible()
    yield "console-empty"
    agent.goto(stack.agent_view("states"))
    expect(agent.locator("#state")).to_have_text("Not connected")
    yield "refused"
    agent.get_by_role("button", name="Wait for it").click()
    expect(agent.locator("#waited")).to_contain_text("0:0")
    yield "pending"
    log_in(site, stack.visitor_url)
    start(site, "{ sessionKey: 'states', name: 'Renée Ångström' }")
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    expect(agent.locator("#state")).to_have_text("Live")
    other.goto(stack.agent_view("states", "bert-from-the-second-level"))
    expect(agent.locator("#agents")).to_contain_text("bert")
    box = agent.locator("#screen").bounding_box()
    assert box is not None
    agent.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.3)
    agent.mouse.down()
    agent.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.45, steps=3)
    agent.mouse.up()
    expect(agent.locator(".mark-box")).to_be_visible()
    yield "live"
    agent.keyboard.press("?")
    expect(agent.locator("#helpbox")).to_be_visible()
    yield "help"
    agent.keyboard.press("Escape")
    agent.keyboard.press("1")
    yield "full-size"
    agent.keyboard.press("f")
    other.goto(f"{stack.relay_url}/console?{stack.login()}")
    site.click("text=Branches")
    expect(agent.locator("#notice")).to_contain_text("hidden from agents")
    yield "hidden-page"
    site.goto(stack.visitor_url + "/accounts")
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    site.goto("about:blank")
    expect(agent.locator("#state")).to_have_text("Visitor is away")
    yield "away"
    site.goto(stack.visitor_url + "/accounts")
    expect(agent.locator("#state")).to_have_text("Live")
    agent.goto(f"{stack.relay_url}/console?{stack.login()}")
    expect(agent.locator("#rows tr")).to_have_count(1)
    yield "console"
    agent.fill("#query", "nobody")
    expect(agent.locator("#nothing")).to_contain_text("nobody")
    yield "console-no-match"
    agent.goto(stack.agent_view("states"))
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    agent.get_by_role("button", name="Leave").click()
    expect(agent.locator("#state")).to_have_text("You have left")
    yield "left"
    agent.get_by_role("button", name="Join again").click()
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    site.evaluate(COLLECT)
    call(site, "stopSession()")
    expect(agent.locator("#state")).to_have_text("Ended")
    yield "ended"


def pages(browser: Browser) -> tuple[Page, Page, Page]:
    """The agent's, the visitor's and the second agent's page, each by itself."""
    made = []
    for _ in range(3):
        context = browser.new_context(viewport=VIEWPORT, locale="en-GB")
        context.set_default_timeout(TIMEOUT_MS)
        made.append(context.new_page())
    agent, site, other = made
    site.add_init_script(LISTEN)
    return agent, site, other


def main(target: Path) -> None:
    target.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_origin() as origin,
        running_stack(Path(folder), origin.url, settings=SETTINGS) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        agent, site, other = pages(browser)
        for name in states(stack, agent, site, other):
            if name == "live":
                site.screenshot(path=target / "visitor.png")
            for size in SIZES:
                agent.set_viewport_size(size)
                for scheme in ("light", "dark"):
                    agent.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                    agent.screenshot(path=target / f"{name}-{size['width']}-{scheme}.png")
            agent.set_viewport_size(VIEWPORT)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
