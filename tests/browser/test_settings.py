"""The settings page in a browser: edited, tried, published, and seen by a visitor."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.conftest import TIMEOUT_MS
from tests.browser.test_viewer import violations
from tests.browser.visiting import OPEN_UI, button, dialog
from tests.stack import GROUP, Origin, Stack, running_stack
from tests.wire.settings_client import PASSWORD, command

SIZES = ({"width": 1280, "height": 900}, {"width": 400, "height": 800})
# The site without the proxy, with a tag of its own.
TAG = """(src) => {
  const tag = Object.assign(document.createElement("script"), { id: "cobrowsescript", src });
  document.head.append(tag);
}"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Stack]:
    """The whole, with the group's settings in the store."""
    folder: Path = tmp_path_factory.mktemp("settings")
    with running_stack(folder, origin.url, settings=None) as stack:
        command(folder / "cobrowse.toml", "password", text=PASSWORD + "\n")
        yield stack


@pytest.fixture
def admin(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(OPEN_UI)
    yield context.new_page()
    context.close()


def log_in(admin: Page, stack: Stack) -> None:
    admin.goto(f"{stack.relay_url}/settings")
    admin.get_by_label("Password", exact=True).fill(PASSWORD)
    admin.keyboard.press("Enter")
    admin.wait_for_url(f"**/settings/{GROUP}")


def preview(admin: Page) -> FrameLocator:
    return admin.frame_locator("#preview")


def press(admin: Page, name: str) -> None:
    """A button, by keyboard."""
    admin.get_by_role("button", name=name, exact=True).focus()
    admin.keyboard.press("Enter")


def test_edited_tried_published_and_seen(
    settings: Stack, origin: Origin, admin: Page, visitor: Page, agent: Page
) -> None:
    asked: list[str] = []
    admin.on("request", lambda request: asked.append(request.url))
    log_in(admin, settings)
    # The preview is the visitor's own script, in a frame that cannot reach the page around it.
    shown = preview(admin)
    expect(shown.locator("cobrowse-visitor .start")).to_be_visible()
    frame = admin.frame(url="**/preview/")
    assert frame is not None and frame.evaluate("origin") == "null"
    admin.locator("[name='button.text']").fill("Get help now")
    admin.locator("[name='terms.title']").fill("Before we <b>start</b>")
    admin.get_by_label("Show the button when a page loads").check()
    expect(shown.locator("cobrowse-visitor .start")).to_contain_text("Get help now")
    press(admin, "Show the terms")
    expect(shown.locator("cobrowse-visitor dialog")).to_contain_text("Before we <b>start</b>")
    # What is wrong is told, and the preview stays.
    admin.locator("[name='button.color']").fill("red;x")
    expect(admin.locator("#previewed")).to_contain_text("button.color")
    admin.locator("[name='button.color']").fill("yellow")
    expect(admin.locator("#previewed")).to_be_empty()

    # Rows come and go by keyboard.
    press(admin, "Add a row")
    admin.keyboard.type("h1")
    admin.keyboard.press("Tab")
    admin.keyboard.type("Headline")
    press(admin, "Add a row")
    admin.keyboard.type("p[")
    assert admin.locator(".row").count() == 2

    # A page of the site: fetched by the relay, and harmless here.
    before = len(asked)
    admin.locator("#trial-url").fill(f"{origin.url}/")
    press(admin, "Show the page")
    expect(admin.locator("#trial-found")).to_contain_text("1 element of this page would be hidden.")
    expect(admin.locator("#trial-found")).to_contain_text("No selector: p[")
    expect(admin.locator("#trial-list")).to_contain_text("h1 Welcome to Nordhaven")
    admin.get_by_role("button", name="Remove this row").last.focus()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("button", name="Remove this row")).to_be_focused()
    expect(admin.locator("#trial-found")).not_to_contain_text("No selector")
    admin.locator("#trial-selector").fill("a")
    expect(admin.locator("#trial-list")).to_contain_text("Transfer money")
    trial = admin.frame_locator("#trial-page")
    box = trial.locator("a", has_text="Transfer money").bounding_box()
    assert box is not None
    admin.mouse.click(box["x"] + 5, box["y"] + 5)  # leads nowhere
    expect(trial.locator("h1")).to_have_text("Welcome to Nordhaven")
    admin.locator("#trial-url").fill("http://169.254.169.254/")
    press(admin, "Show the page")
    expect(admin.locator("#trial-found")).to_contain_text("Only pages of the sites behind the")
    assert not [url for url in asked[before:] if not url.startswith(settings.relay_url)]

    admin.locator("[name='trusted_domains']").fill("*.chat.test")
    answer = admin.locator("#domain-answer")
    for address, told in (
        ("https://eu.chat.test/window?x", "Trusted: https://eu.chat.test"),
        ("http://eu.chat.test/", "it must come by https"),
        ("https://chat.test.evil.test/", "none of the domains is chat.test.evil.test"),
        ("chat", "This is no address"),
    ):
        admin.locator("#domain-url").fill(address)
        expect(answer).to_contain_text(told)

    # Staging has it at once, and production when it is published.
    press(admin, "Save for staging")
    admin.wait_for_url("**done=saved")
    for page in (visitor, agent):
        page.add_init_script(OPEN_UI)
    agent.goto(origin.url)
    tag = f"{settings.relay_url}/cobrowse/CobrowseJS.ashx?group={GROUP}&site=staging"
    agent.evaluate(TAG, tag)
    expect(button(agent)).to_contain_text("Get help now")
    visitor.goto(settings.visitor_url)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.showButton(true)")
    expect(button(visitor)).to_be_visible()
    assert "Get help now" not in (button(visitor).text_content() or "")
    changes = admin.get_by_role("region", name="Not published yet")
    expect(changes).to_contain_text("button.text")
    admin.get_by_label("What is this about?").fill("Friendlier")
    press(admin, "Publish")
    admin.wait_for_url("**done=published")
    visitor.reload()
    expect(button(visitor)).to_contain_text("Get help now")
    button(visitor).click()
    expect(dialog(visitor)).to_contain_text("Before we <b>start</b>")
    expect(admin.get_by_role("region", name="Versions")).to_contain_text("Friendlier")
    expect(admin.get_by_role("region", name="Who did what")).to_contain_text("published version 1")
    press(admin, "Log out")
    expect(admin.get_by_label("Password", exact=True)).to_be_visible()


def test_every_state_is_for_everybody(settings: Stack, admin: Page) -> None:
    """Light and dark, wide and narrow."""

    def check(state: str) -> None:
        for size in SIZES:
            admin.set_viewport_size({"width": size["width"], "height": size["height"]})
            for scheme in ("light", "dark"):
                admin.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                assert violations(admin) == [], (state, size, scheme)
            wide = admin.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], (state, size)

    admin.goto(f"{settings.relay_url}/settings")
    check("login")
    log_in(admin, settings)
    check("as it is")
    admin.locator("[name='waiting_s']").fill("soon")
    admin.locator("[name='trusted_domains']").fill("a b " + "c" * 200)
    press(admin, "Add a row")
    admin.keyboard.press("Tab")
    admin.keyboard.type("a name alone")
    press(admin, "Save for staging")
    expect(admin.locator("#problems")).to_be_focused()
    expect(admin.locator("[name='waiting_s']")).to_have_value("soon")
    check("problems")
    admin.get_by_role("link", name="Waiting for an agent").click()
    expect(admin.locator("[name='waiting_s']")).to_be_in_viewport()
    admin.once("dialog", lambda dialog: dialog.accept())
    admin.goto(f"{settings.relay_url}/settings/none")
    check("no such group")
