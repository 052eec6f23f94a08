"""The demo as people start it: a bank, its chat, and a CRM, each on a site of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from tests.browser.conftest import VIEWPORT
from tests.browser.mirror import until
from tests.browser.visiting import LISTEN, OPEN_UI, bar, dialog, log_in, wait_for
from tests.stack import free_port


@dataclass(frozen=True)
class Demo:
    bank: str
    crm: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """cobrowse demo, with nothing of any earlier run."""
    at = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    process = subprocess.Popen(
        [sys.executable, "-m", "cobrowse", "demo", "--listen", at[0], "--relay-listen", at[1]],
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path_factory.mktemp("data"))},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    said = ""
    while "Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, f"the demo has ended: {said}"
        said += line
    found = {name: re.search(rf"{name} +(\S+)", said) for name in ("Visitor", "CRM")}
    assert found["Visitor"] and found["CRM"], said
    yield Demo(found["Visitor"][1].rstrip("/"), found["CRM"][1].rstrip("/"))
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.fixture
def people(browser: Browser) -> Iterator[tuple[BrowserContext, BrowserContext]]:
    """The browsers of a customer and of an agent."""
    contexts = [browser.new_context(viewport=VIEWPORT) for _ in range(2)]
    contexts[0].add_init_script(OPEN_UI)
    yield contexts[0], contexts[1]
    for context in contexts:
        context.close()


def chat_of(customer: BrowserContext, bank: Page) -> Page:
    with customer.expect_page() as opened:
        bank.click("text=Chat with us")
    return opened.value


def viewer(page: Page) -> FrameLocator:
    return page.frame_locator("#viewer")


def test_a_chat_starts_a_session_that_the_crm_shows(
    demo: Demo, people: tuple[BrowserContext, BrowserContext]
) -> None:
    customer, desk = people
    crm = desk.new_page()
    crm.goto(demo.crm)
    crm.click("[aria-label='See the page of Renée Ångström']")
    expect(crm.get_by_role("status")).to_have_text("Nobody shares a page under this number now.")

    bank = customer.new_page()
    bank.add_init_script(LISTEN)
    log_in(bank, demo.bank)
    chat = chat_of(customer, bank)
    assert chat.url.startswith("http://localhost:")
    chat.click("text=Share my page")
    bank.bring_to_front()
    wait_for(bank, "sessionstart")

    # The CRM's server asks by SOAP; its page embeds the address that comes back.
    crm.click("text=Look again")
    shown = viewer(crm)
    expect(shown.locator("#state")).to_have_text("Live")
    page = shown.frame_locator("#screen iframe").locator("h1")
    expect(page).to_have_text("Your accounts")
    wait_for(bank, "agentjoin")
    assert "loginkey" not in crm.content().split("data-joinurl")[0]

    # It drives the Agent API: what the visitor does is told, messages go both ways.
    bank.click("text=Transfer money")
    expect(crm.locator("#state")).to_contain_text("/transfer")
    until(bank, "GLANCE.Cobrowse.Visitor.inSession()")
    bank.evaluate(
        """() => GLANCE.Cobrowse.Visitor.addSessionMessageListener("note", (name, { text }) => {
          document.title = text; })"""
    )
    crm.fill("#text", "What is the sum?")
    crm.click("text=Send")
    until(bank, "document.title === 'What is the sum?'")
    bank.evaluate("GLANCE.Cobrowse.Visitor.sendSessionMessage('note', {text: '400 crowns'})")
    expect(crm.locator("#heard")).to_contain_text("the customer: 400 crowns")
    crm.click("text=Leave the session")
    expect(viewer(crm).get_by_text("You have left the session.").first).to_be_visible()
    bar(bank).locator("button", has_text="End").click()
    wait_for(bank, "sessionend")


def test_a_chat_shows_the_terms_first(
    demo: Demo, people: tuple[BrowserContext, BrowserContext]
) -> None:
    customer, _ = people
    bank = customer.new_page()
    bank.add_init_script(LISTEN)
    log_in(bank, demo.bank)
    chat_of(customer, bank).click("text=Read the terms first")
    bank.bring_to_front()
    dialog(bank).locator("button", has_text="Accept").click()
    wait_for(bank, "sessionstart")
    assert bank.evaluate("GLANCE.Cobrowse.Visitor.getKey()") == "NB-40721"
    bank.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    wait_for(bank, "sessionend")


def test_a_chat_of_somebody_else_is_refused(
    demo: Demo, people: tuple[BrowserContext, BrowserContext]
) -> None:
    """The same page from a host that nobody trusts: nothing happens, and it is counted."""
    customer, _ = people
    bank = customer.new_page()
    bank.add_init_script(LISTEN)
    log_in(bank, demo.bank)
    chat = chat_of(customer, bank)
    with chat.expect_navigation(url="http://stranger.localhost:*/chat"):
        # By a script, as a user's own navigation would cut the window off from its opener.
        chat.evaluate("location.host = location.host.replace('localhost', 'stranger.localhost')")
    assert chat.evaluate("!!window.opener")
    refused = "GLANCE.Cobrowse._internal.refused"
    for number, name in enumerate(("Share my page", "Read the terms"), 1):
        chat.click(f"text={name}")
        until(bank, f"{refused} === {number}")
    assert not bank.evaluate("GLANCE.Cobrowse.Visitor.inSession()")
    assert dialog(bank).count() == 0
    assert bank.evaluate("window.heard") == []


def test_a_key_of_nobody_finds_nothing(
    demo: Demo, people: tuple[BrowserContext, BrowserContext]
) -> None:
    """A key that nobody can have, and markup in it."""
    _, desk = people
    crm = desk.new_page()
    crm.goto(f"{demo.crm}/customer?key=%3Cb%3Ehello")
    expect(crm.locator("h1")).to_have_text("Session <b>hello")
    expect(crm.get_by_role("status")).to_have_text("Nobody shares a page under this number now.")
    crm.goto(demo.crm)
    crm.fill("input", "no-such-key")
    crm.click("text=See their page >> nth=-1")
    expect(crm.locator("h1")).to_have_text("Session no-such-key")
