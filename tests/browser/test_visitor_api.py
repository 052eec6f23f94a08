"""Every method and event of GLANCE.Cobrowse.Visitor, as docs/api.md lists them, in a browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.agents import Join, api_stack, hears, join, page
from tests.browser.conftest import VIEWPORT
from tests.browser.mirror import until
from tests.browser.pages import Pages, respond, serving_pages
from tests.browser.visiting import (
    API,
    LISTEN,
    OPEN_UI,
    bar,
    button,
    call,
    dialog,
    start,
    wait_for,
    wait_for_error,
)
from tests.relays import said
from tests.stack import Origin, Stack, running_stack

__all__ = ["api_stack", "join", "page"]


# -- the button and the terms --------------------------------------------------------------------


def test_the_button_is_shown_hidden_and_toggled(page: Page) -> None:
    call(page, "showButton(true)")
    expect(button(page)).to_have_text("Share this page")
    call(page, "showButton(false)")
    expect(button(page)).to_be_hidden()
    call(page, "toggleButton()")
    expect(button(page)).to_be_visible()
    call(page, "toggleButton()")
    expect(button(page)).to_be_hidden()
    assert page.locator("cobrowse-visitor").count() == 0  # nothing of us is left in the page


def test_the_button_asks_first_and_accept_starts(page: Page) -> None:
    call(page, "showButton(true)")
    button(page).click()
    wait_for(page, "clickstart")
    expect(dialog(page)).to_be_visible()
    assert call(page, "inSession()") is False
    dialog(page).get_by_role("button", name="Accept").click()
    wait_for(page, "sessionstart")
    expect(button(page)).to_be_hidden()
    bar(page).get_by_role("button", name="End").click()
    wait_for(page, "clickstop")
    assert wait_for(page, "sessionend") == {"reason": "visitor"}
    expect(button(page)).to_be_visible()
    expect(bar(page)).to_have_count(0)


@pytest.mark.parametrize("way", ["Decline", "Escape"])
def test_terms_that_are_declined_start_nothing(page: Page, way: str) -> None:
    call(page, "showTerms()")
    expect(dialog(page)).to_be_visible()
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog(page).get_by_role("button", name=way).click()
    expect(dialog(page)).to_have_count(0)
    assert page.evaluate("window.heard") == []
    call(page, "showTerms()")
    expect(dialog(page)).to_be_visible()  # it can be asked again


def test_the_terms_hold_the_focus(page: Page) -> None:
    call(page, "showTerms()")
    expect(dialog(page)).to_be_visible()
    focused = "document.activeElement?.localName === 'cobrowse-visitor'"
    for _ in range(6):
        page.keyboard.press("Tab")
        # Chromium lets the focus out to its own toolbar and back, never to the page.
        assert page.evaluate(f"{focused} || document.activeElement === document.body")


def test_terms_take_start_params(page: Page, join: Join) -> None:
    call(page, 'showTerms({ sessionKey: "TERMS-1", name: "Lise Meitner" })')
    dialog(page).get_by_role("button", name="Accept").click()
    wait_for(page, "sessionstart")
    assert call(page, "getKey()") == "TERMS-1"
    assert hears(join("TERMS-1"), "joined")["person"]["name"] == "Lise Meitner"


def test_terms_that_are_shown_again_start_what_was_asked_for_last(page: Page) -> None:
    call(page, 'showTerms({ sessionKey: "FIRST" })')
    expect(dialog(page)).to_be_visible()
    call(page, 'showTerms({ sessionKey: "SECOND" })')
    dialog(page).get_by_role("button", name="Accept").click()
    wait_for(page, "sessionstart")
    assert call(page, "getKey()") == "SECOND"


# -- starting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["startSession", "button", "glance_button", "terms"])
def test_the_page_says_who_the_visitor_is_however_a_session_starts(
    page: Page, join: Join, way: str
) -> None:
    page.evaluate(
        f"""window.GLANCE_COBROWSE = {{ visitorid: "id-{way}", name: "Niels Bohr",
             email: "nbohr@shop.test", phone: "314-159-2653" }}"""
    )
    if way == "startSession":
        call(page, "startSession()")
    elif way == "glance_button":
        page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<p glance_button=startSession id=go>x')"
        )
        page.click("#go")
    else:
        call(page, "showButton(true)" if way == "button" else "showTerms()")
        if way == "button":
            button(page).click()
        dialog(page).get_by_role("button", name="Accept").click()
    wait_for(page, "sessionstart")
    assert call(page, "getKey()") == f"id-{way}"
    assert hears(join(f"id-{way}"), "joined")["person"] == {
        "visitorid": f"id-{way}",
        "name": "Niels Bohr",
        "email": "nbohr@shop.test",
        "phone": "314-159-2653",
        "levels": dict.fromkeys(("visitorid", "name", "email", "phone"), "claimed"),
    }


def test_start_params_come_before_the_page(page: Page, join: Join) -> None:
    page.evaluate("window.GLANCE_COBROWSE = { visitorid: 'page', name: 'Page', phone: '1' }")
    key = start(
        page,
        '{ sessionKey: "ABCD", name: "Albert Einstein", email: "ae@shop.test", phone: "2" }',
    )
    assert key == "ABCD"
    assert hears(join("ABCD"), "joined")["person"] == {
        "visitorid": "page",
        "name": "Albert Einstein",
        "email": "ae@shop.test",
        "phone": "2",
        "levels": dict.fromkeys(("visitorid", "name", "email", "phone"), "claimed"),
    }


@pytest.mark.parametrize("way", ["button", "startSession", "glance startSession", "glance terms"])
def test_set_start_params_count_for_each_start_without_arguments(page: Page, way: str) -> None:
    until(page, "GLANCE.Cobrowse._internal.ready")  # elements do nothing before
    call(page, f'setStartParams({{ sessionKey: "SET-{way.replace(" ", "-")}" }})')
    page.evaluate(
        """document.body.insertAdjacentHTML("beforeend",
             "<p data-glancebutton=startSession id=start>x<p glance_button=showTerms id=terms>y")"""
    )
    if way == "button":
        call(page, "showButton(true)")
        button(page).click()
    elif way == "startSession":
        call(page, "startSession()")
    else:
        page.click("#start" if way == "glance startSession" else "#terms")
    if way in ("button", "glance terms"):
        dialog(page).get_by_role("button", name="Accept").click()
    wait_for(page, "sessionstart")
    assert call(page, "getKey()") == f"SET-{way.replace(' ', '-')}"
    # For the next one only.
    call(page, "stopSession()")
    wait_for(page, "sessionend")
    call(page, "startSession()")
    wait_for(page, "sessionstart", 2)
    assert call(page, "getKey()").isdecimal()


def test_a_start_that_fails_uses_no_params_up(page: Page) -> None:
    call(page, 'setStartParams({ sessionKey: "KEPT-1" })')
    page.route("**/.cobrowse/token*", lambda route: route.abort())
    call(page, "startSession()")
    wait_for(page, "error")
    page.unroute("**/.cobrowse/token*")
    call(page, "startSession()")
    wait_for(page, "sessionstart")
    assert call(page, "getKey()") == "KEPT-1"


def test_start_params_can_be_cleared_and_give_way_to_arguments(page: Page) -> None:
    call(page, 'setStartParams({ sessionKey: "SET" })')
    assert start(page, '"GIVEN"') == "GIVEN"
    call(page, "stopSession()")
    wait_for(page, "sessionend")
    call(page, "setStartParams()")
    call(page, "startSession()")
    wait_for(page, "sessionstart", 2)
    assert call(page, "getKey()").isdecimal()


def test_a_session_is_started_once(page: Page) -> None:
    key = start(page)
    for again in ("startSession()", "showTerms()"):
        page.evaluate("window.heard.length = 0")
        call(page, again)
        wait_for_error(page, "insession")
    assert call(page, "getKey()") == key


# -- a running session ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        "stopSession()",
        "getKey()",
        "sendSessionMessage('a', 1)",
        "addSessionMessageListener('a', () => {})",
    ],
)
def test_outside_a_session_the_page_is_told_what_to_do(page: Page, method: str) -> None:
    until(page, "GLANCE.Cobrowse._internal.ready === true")
    assert call(page, method) is None
    wait_for_error(page, "nosession")
    assert "startSession()" in wait_for(page, "error")["msg"]


def test_session_messages_go_both_ways(page: Page, join: Join) -> None:
    agent = join(start(page))
    wait_for(page, "agentjoin")
    page.evaluate("window.got = []")
    call(page, "addSessionMessageListener('note', (name, msg) => window.got.push([name, msg]))")
    call(page, "addSessionMessageListener('note', () => { throw new Error('the page\\'s own') })")
    call(page, 'sendSessionMessage("hello", { text: "ü", list: [1, null] })')
    told = hears(agent, "message")
    assert (told["name"], told["payload"]) == ("hello", {"text": "ü", "list": [1, None]})
    for seq, payload in enumerate(({"deep": [[1]]}, "text", None), 1):
        agent.send(json.dumps(said(seq, payload)))
    agent.send(json.dumps(said(4, 1, name="other")))
    agent.send(json.dumps(said(2, "text")))  # again: its acknowledgement was lost
    until(page, "window.got.length === 3")
    assert hears(agent, "ack")["seq"] == 1
    assert page.evaluate("window.got") == [
        ["note", {"deep": [[1]]}],
        ["note", "text"],
        ["note", None],
    ]


def test_who_listens_in_each_session_hears_once(page: Page, join: Join) -> None:
    page.evaluate(
        f"""() => {{
          window.got = [];
          {API}.addEventListener("sessionstart", () => {{
            {API}.addSessionMessageListener("note", (_, message) => window.got.push(message));
          }});
        }}"""
    )
    for session in (1, 2):
        call(page, f"startSession('TURN-{session}')")
        wait_for(page, "sessionstart", session)
        join(f"TURN-{session}").send(json.dumps(said(1, session)))
        until(page, f"window.got.at(-1) === {session}")
        call(page, "stopSession()")
        wait_for(page, "sessionend", session)
    assert page.evaluate("window.got") == [1, 2]


def test_no_message_is_lost_or_heard_twice_over_cuts_and_page_loads(
    page: Page, join: Join, api_stack: Stack
) -> None:
    agent = join(start(page))
    wait_for(page, "agentjoin")
    call(page, "sendSessionMessage('n', 1)")
    first = hears(agent, "message")
    # Not acknowledged, so the page keeps it and what follows: over a cut, and over the next page.
    page.evaluate("window.sockets.at(-1).close()")
    call(page, "sendSessionMessage('n', 2)")
    wait_for(page, "connection", 2)
    again = [hears(agent, "message") for _ in range(2)]
    assert [m["payload"] for m in again] == [1, 2] and again[0]["seq"] == first["seq"]
    ack = {"type": "ack", "stream": first["stream"], "seq": 1}
    agent.send(json.dumps(ack))
    page.goto(api_stack.visitor_url + "/branches")
    wait_for(page, "sessioncontinue")
    call(page, "sendSessionMessage('n', 3)")
    later: list[int] = []
    while len(later) < 2:
        message = hears(agent, "message")
        if message["seq"] > max([2, *later]) or (message["seq"] == 2 and not later):
            later.append(message["seq"])
    assert later == [2, 3] and message["stream"] == first["stream"]
    agent.send(json.dumps({**ack, "seq": 3}))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("'a', 1", "noagent"),
        ("'a', 1n", "badmessage"),
        ("'', 1", "badmessage"),
        ("'a', 'x'.repeat(70000)", "badmessage"),
        ("'a'.repeat(300), 1", "badmessage"),
    ],
)
def test_a_message_that_cannot_be_sent_is_told(page: Page, message: str, code: str) -> None:
    start(page)
    call(page, f"sendSessionMessage({message})")
    wait_for_error(page, code)
    assert call(page, "inSession()") is True


def test_agents_are_named_and_the_next_page_goes_on(
    page: Page, join: Join, api_stack: Stack
) -> None:
    key = start(page)
    expect(bar(page)).to_contain_text("Waiting for an agent")
    expect(bar(page).locator("output")).to_have_text(key)
    agent = join(key, "anna")
    assert wait_for(page, "agentjoin") == {"name": "anna"}
    join(key, "bert")
    expect(bar(page)).to_contain_text("With you: anna, bert")
    agent.close()
    expect(bar(page)).to_contain_text("With you: bert")
    page.goto(api_stack.visitor_url + "/branches")
    wait_for(page, "sessioncontinue")
    assert call(page, "inSession()") is True
    expect(bar(page)).to_contain_text("With you: bert")


def test_a_lost_line_is_told_and_comes_back(page: Page) -> None:
    start(page)
    page.evaluate("window.sockets.at(-1).close()")
    assert wait_for(page, "connection") == {"status": "reconnecting"}
    assert wait_for(page, "connection", 2) == {"status": "ok"}


def test_a_listener_that_is_removed_hears_nothing(page: Page) -> None:
    page.evaluate(
        f"""() => {{
          window.kept = window.removed = 0;
          const listener = () => {{ window.removed++; }};
          {API}.addEventListener("sessionstart", () => {{ throw new Error("the page's own"); }});
          {API}.addEventListener("sessionstart", listener);
          {API}.addEventListener("sessionstart", () => {{ window.kept++; }});
          {API}.removeEventListener("sessionstart", listener);
          {API}.addEventListener("nonsense", "no function");
        }}"""
    )
    start(page)
    assert page.evaluate("[window.kept, window.removed]") == [1, 0]


# -- buttons, keys and windows -------------------------------------------------------------------


def test_any_element_can_be_a_button(page: Page) -> None:
    until(page, "GLANCE.Cobrowse._internal.ready")  # the loader comes after the page's load event
    page.evaluate(
        """document.body.insertAdjacentHTML("beforeend", `
             <ul><li glance_button="showButton"><a href="/branches" id=show><b>show</b></a></ul>
             <form action="/branches">
               <button data-glancebutton=toggleButton id=toggle>t</button></form>
             <p glance_button="startSession" id=start>s</p>
             <p glance_button="stopSession" id=stop>s</p>
             <p glance_button="getKey" id=not>x</p>`)"""
    )
    page.click("#show b")
    expect(button(page)).to_be_visible()
    page.click("#toggle")
    expect(button(page)).to_be_hidden()
    page.click("#not")
    page.click("#start")
    wait_for(page, "sessionstart")
    page.click("#stop")
    wait_for(page, "sessionend")
    assert page.url.endswith("/")  # no link was followed, no form sent


# -- a tag of the site's own, and no proxy -------------------------------------------------------


@pytest.fixture
def tagged_site(tmp_path: Path) -> Iterator[Pages]:
    with serving_pages(tmp_path) as pages:
        yield pages


@pytest.mark.parametrize("element_id", ["cobrowsescript", "glance-cobrowse"])
def test_a_site_without_the_proxy_carries_the_tag(
    browser: Browser, api_stack: Stack, tagged_site: Pages, join: Join, element_id: str
) -> None:
    src = f"{api_stack.relay_url}/cobrowse/CobrowseJS.ashx?group=12345&site=production"
    keys = html_attribute('{"ctrl-13": "showButton", "shift-46": "startSession", "x": 1}')
    tagged_site.responses["/tagged"] = respond(
        f"""<!doctype html><html><head><title>Tagged</title>
        <script id="{element_id}" type="text/javascript" src="{src.replace("&", "&amp;")}"
          data-groupid="12345" data-site="production" data-visitorid="tag-{element_id}"
          data-inputevents="{keys}" charset="UTF-8"></script></head>
        <body><h1>By hand</h1></body></html>"""
    )
    context = browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(20_000)
    context.add_init_script(OPEN_UI)
    context.add_init_script(LISTEN)
    site = context.new_page()
    site.goto(tagged_site.direct + "/tagged")
    assert site.evaluate("typeof GLANCE.Cobrowse.Visitor.startSession") == "function"
    until(site, "GLANCE.Cobrowse._internal.ready === true")
    site.keyboard.press("Control+Enter")
    expect(button(site)).to_be_visible()
    site.keyboard.press("Shift+Delete")
    wait_for(site, "sessionstart")
    assert call(site, "getKey()") == f"tag-{element_id}"
    agent = join(f"tag-{element_id}")
    assert hears(agent, "joined")["page"]["title"] == "Tagged"
    site.reload()
    wait_for(site, "sessioncontinue")
    call(site, "stopSession()")
    wait_for(site, "sessionend")
    context.close()


def html_attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;")


# -- a group's own words and colours -------------------------------------------------------------

OWN = """
mask = "none"
terms_first = false
share_interface = true
language = "de"
button = { text = "Help me <b>now</b>", background = "rgb(10, 60, 20)", color = "#ffff00", \
corner = "top-left", shape = "square", shown = true }
[groups.12345.settings.terms]
title = "Before we start"
text = "First paragraph.\\n\\nSecond <i>paragraph</i>."
link = "https://shop.test/terms"
link_text = "All of it"
accept = "Fine"
decline = "No"
"""


def test_words_and_looks_are_the_groups(tmp_path: Path, origin: Origin, browser: Browser) -> None:
    with running_stack(tmp_path, origin.url, settings=OWN) as stack:
        context = browser.new_context(viewport=VIEWPORT, locale="en-GB")
        context.set_default_timeout(20_000)
        for script in (OPEN_UI, LISTEN):
            context.add_init_script(script)
        page = context.new_page()
        page.goto(stack.visitor_url + "/")
        expect(button(page)).to_have_text("Help me <b>now</b>")  # shown at load, and no HTML
        expect(button(page)).to_have_css("background-color", "rgb(10, 60, 20)")
        expect(button(page)).to_have_css("color", "rgb(255, 255, 0)")
        box = button(page).bounding_box()
        assert box is not None and (box["x"], box["y"]) == (20, 20)
        call(page, "showTerms()")
        expect(dialog(page).locator("h2")).to_have_text("Before we start")
        expect(dialog(page).locator("p").nth(1)).to_have_text("Second <i>paragraph</i>.")
        link = dialog(page).get_by_role("link", name="All of it")
        expect(link).to_have_attribute("href", "https://shop.test/terms")
        expect(link).to_have_attribute("rel", "noopener noreferrer")
        expect(dialog(page).get_by_role("button", name="Fine")).to_be_visible()
        dialog(page).get_by_role("button", name="No").click()
        button(page).click()  # one click starts
        wait_for(page, "sessionstart")
        expect(bar(page)).to_contain_text("Sie teilen diese Seite")
        agent = context.new_page()
        agent.goto(stack.agent_view(call(page, "getKey()")))
        copy = 'document.querySelector("#screen iframe").contentDocument'
        until(agent, f"{copy}.querySelector('cobrowse-visitor')?.shadowRoot.textContent.length > 9")
        context.close()
