"""A whole session on the demo bank: one visitor, two agents, a site that knows nothing of it."""

import re

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from tests.browser.mirror import difference, until, wait_for_equal_trees
from tests.browser.visiting import (
    COLLECT,
    LISTEN,
    RANDOM,
    everything_sent,
    heard,
    log_in,
    readable,
    start_session,
)
from tests.stack import Head, Origin, Stack


def test_a_whole_session(
    stack: Stack, visitor: Page, agent: Page, second_agent: Page, origin: Origin
) -> None:
    agent.set_viewport_size({"width": 1100, "height": 860})  # the copy needs no scaling
    asked: list[str] = []
    agent.on("request", lambda request: asked.append(request.url))

    log_in(visitor, stack.visitor_url)
    block = visitor.evaluate("window.GLANCE_COBROWSE")
    assert block == {
        "visitorid": "NB-40721",
        "name": "Renée Ångström",
        "email": "renee@nordhaven.example",
    }
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor.inSession()") is False
    key = start_session(visitor)
    assert key == "NB-40721"

    agent.goto(stack.agent_view(key))
    wait_for_equal_trees(visitor, agent)
    assert difference(visitor, agent) < 0.005
    expect(agent.locator("#title")).to_have_text("Your accounts - Nordhaven Savings Bank")
    expect(agent.locator("#state")).to_have_text("Live")
    assert "loginkey" not in agent.url.lower()
    until(visitor, "window.heard.some(([name]) => name === 'agentjoin')")
    assert ["agentjoin", {"name": "anna"}] in heard(visitor)

    # The visitor goes to a form and types.
    visitor.add_init_script(LISTEN)
    visitor.click("text=Transfer money")
    visitor.wait_for_url("**/transfer")
    until(visitor, "window.heard.some(([name]) => name === 'sessioncontinue')")
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()") == key
    visitor.fill("#to", "Søren Kjær")
    visitor.select_option("#currency", "NOK")
    visitor.check("#again")
    visitor.locator("#note").press_sequentially("the boat, second half")
    wait_for_equal_trees(visitor, agent)
    visitor.evaluate("document.activeElement.blur()")  # the copy does not show the focus ring
    assert difference(visitor, agent) < 0.005

    # A form post and a redirect, then a page in another charset.
    visitor.click("text=Transfer >> nth=-1")
    visitor.wait_for_url("**/transfer/done")
    wait_for_equal_trees(visitor, agent)
    visitor.click("text=Branches")
    visitor.wait_for_url("**/branches")
    wait_for_equal_trees(visitor, agent)
    expect(agent.locator("#title")).to_have_text("Branches - Nordhaven Savings Bank")

    # The agent refreshes, and a second one comes late: the visitor's recorder goes on as it is.
    agent.reload()
    wait_for_equal_trees(visitor, agent)
    second_agent.goto(stack.agent_view(key, "bert"))
    wait_for_equal_trees(visitor, second_agent)

    visitor.evaluate(COLLECT)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "window.heard.some(([name]) => name === 'sessionend')")
    assert ["sessionend", {"reason": "visitor"}] in heard(visitor)
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor.inSession()") is False
    assert "cobrowse_session" not in visitor.evaluate("document.cookie")
    for page in (agent, second_agent):
        expect(page.locator("#notice")).to_have_text("The visitor has ended the session.")

    # The agent's browser asked the relay and nobody else.
    assert [url for url in asked if not url.startswith((stack.relay_url, "data:"))] == []


@pytest.mark.parametrize("path", ["/tokyo", "/safe", "/rates"])
def test_special_pages_are_mirrored(stack: Stack, visitor: Page, agent: Page, path: str) -> None:
    errors: list[str] = []
    visitor.on("pageerror", lambda error: errors.append(str(error)))
    visitor.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    visitor.goto(stack.visitor_url + path)
    key = start_session(visitor, RANDOM)
    assert re.fullmatch(r"[1-9]\d{6}", key)
    agent.goto(stack.agent_view(key))
    if path == "/rates":
        # It changes all the time: the copy follows it, and then stands still with it.
        expect(agent.locator("body")).to_have_attribute("data-page", "shown")
        before = int(visitor.inner_text("#ticks"))
        until(visitor, f"+document.getElementById('ticks').textContent > {before + 3}")
        visitor.evaluate("for (let i = 0; i < 9999; i++) clearInterval(i)")
    wait_for_equal_trees(visitor, agent)
    assert errors == []


def test_the_copy_shows_the_mouse(stack: Stack, visitor: Page, agent: Page) -> None:
    visitor.goto(stack.visitor_url + "/")
    agent.goto(stack.agent_view(start_session(visitor)))
    wait_for_equal_trees(visitor, agent)
    visitor.mouse.move(10, 10)
    visitor.mouse.move(321, 234, steps=5)
    until(
        agent,
        """(() => {
          const mouse = document.querySelector(".cursor").style;
          return mouse.left === "321px" && mouse.top === "234px";
        })()""",
    )


def test_the_origin_hears_nothing_of_it(
    stack: Stack, browser: Browser, visitor: Page, agent: Page, origin: Origin
) -> None:
    """Whole request heads, with and without us in between."""

    def walk(page: Page, url: str, *, session: bool) -> dict[str, Head]:
        origin.heads.clear()
        log_in(page, url)
        if session:
            agent.goto(stack.agent_view(start_session(page, RANDOM)))
        page.click("text=Transfer money")
        page.wait_for_url("**/transfer")
        if session:
            wait_for_equal_trees(page, agent)
        page.fill("#to", "Bob")
        page.click("text=Transfer >> nth=-1")
        page.wait_for_url("**/transfer/done")
        page.wait_for_load_state("networkidle")
        return {head.line: head for head in origin.heads}

    context = browser.new_context()
    direct = walk(context.new_page(), origin.url, session=False)
    context.close()
    through = walk(visitor, stack.visitor_url, session=True)

    assert through.keys() == direct.keys()
    for line, head in direct.items():
        assert _comparable(through[line]) == _comparable(head)


def _comparable(head: Head) -> list[tuple[str, str]]:
    """A head without what differs between two visits of one browser.

    The login token is random. Pages are asked for in the codings that can be streamed.
    """
    values = []
    for name, value in head.headers:
        value = re.sub(r"NBSESSION=\w+", "NBSESSION=…", value)
        if name.lower() == "accept-encoding" and "gzip" in value:
            value = "…gzip…"
        values.append((name, value))
    return values


def test_the_visitor_never_sends_a_secret(stack: Stack, visitor: Page, agent: Page) -> None:
    """Whatever is typed into a password or card field, toggled or not, no frame holds it."""
    left = everything_sent(visitor)
    visitor.goto(stack.visitor_url + "/login")
    visitor.evaluate(
        """() => {
          const old = document.createElement("input");
          old.type = "password"; old.id = "old"; old.setAttribute("value", "secret-initial");
          const card = document.createElement("input");
          card.autocomplete = "cc-number"; card.id = "card";
          document.forms[0].append(old, card);
        }"""
    )
    visitor.fill("#password", "secret-before")
    key = start_session(visitor)
    agent.goto(stack.agent_view(key))
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    visitor.fill("#password", "secret-typed")
    visitor.fill("#card", "4111 1111 1111 1111")
    visitor.evaluate("document.getElementById('old').type = 'text'")
    visitor.fill("#old", "secret-shown")
    visitor.evaluate("document.getElementById('password').setAttribute('type', 'text')")
    visitor.fill("#password", "secret-toggled")
    visitor.evaluate("document.getElementById('old').setAttribute('value', 'secret-attribute')")
    visitor.fill("#user", "the-end")
    until(
        agent,
        "document.querySelector('#screen iframe').contentDocument.getElementById('user')"
        ".value === 'the-end'",
    )
    agent.reload()  # the path of a late agent
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    text = readable(left)
    assert "the-end" in text
    assert "secret-" not in text
    assert "4111" not in text


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "You are not logged in."),
        ("partnerid=12345&partneruserid=anna&loginkey=", "The login key is not valid"),
        ("partnerid=12345&partneruserid=anna&loginkey=$1$1593908430$x", "The login key is not"),
        ("partnerid=99&partneruserid=anna&loginkey=$1$1$x", "The login key is not valid"),
    ],
)
def test_without_a_good_login_an_agent_gets_a_plain_page(
    stack: Stack, visitor: Page, agent: Page, query: str, reason: str
) -> None:
    visitor.goto(stack.visitor_url + "/")
    key = start_session(visitor)
    sockets: list[WebSocket] = []
    agent.on("websocket", lambda socket: sockets.append(socket))
    for place in (f"/cobrowse/AgentView.aspx?SessionKey={key}&{query}", f"/console?{query}"):
        response = agent.goto(stack.relay_url + place)
        assert response is not None and response.status == 403
        expect(agent.locator("main")).to_contain_text(reason)
        assert "boot" not in agent.content()
    assert sockets == []


def test_a_console_lists_sessions_and_joins_one(stack: Stack, visitor: Page, agent: Page) -> None:
    agent.goto(f"{stack.relay_url}/console?{stack.login()}")
    expect(agent.locator("#state")).to_have_text("Live")
    log_in(visitor, stack.visitor_url)
    key = start_session(visitor, '{ sessionKey: "on-the-list", name: "Niels Bohr" }')
    row = agent.locator("tr", has_text=key)
    expect(row).to_contain_text("Niels Bohr")
    expect(row).to_contain_text("waiting")
    with agent.context.expect_page() as opened:
        row.get_by_role("link", name=f"Join session {key}").click()
    wait_for_equal_trees(visitor, opened.value)
    expect(row).to_contain_text("with an agent")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    expect(agent.locator("tr", has_text=key)).to_have_count(0)


def test_a_wrong_key_is_told(stack: Stack, agent: Page) -> None:
    agent.goto(stack.agent_view("no-such-key"))
    expect(agent.locator("#state")).to_have_text("Not connected")
    expect(agent.locator("#notice")).to_contain_text("There is no session with the key no-such-key")
    expect(agent.get_by_role("button", name="Try again")).to_be_visible()


def test_keys_follow_the_three_rules(stack: Stack, visitor: Page) -> None:
    visitor.goto(stack.visitor_url + "/")
    stop = "GLANCE.Cobrowse.Visitor.stopSession()"
    ended = "window.heard.some(([name]) => name === 'sessionend')"
    assert start_session(visitor, '"ABC-9_x"') == "ABC-9_x"
    visitor.evaluate(stop)
    until(visitor, ended)
    visitor.evaluate("window.GLANCE_COBROWSE = { visitorid: '59204gh_42' }")
    assert start_session(visitor) == "59204gh_42"
    visitor.evaluate(stop)
    until(visitor, ended)
    assert start_session(visitor, RANDOM).isdecimal()
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('second')")
    until(visitor, "window.heard.some(([, data]) => data.code === 'insession')")
    visitor.evaluate(stop)
    until(visitor, ended)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession('no spaces allowed')")
    until(visitor, "window.heard.some(([, data]) => data.code === 'badkey')")


def test_a_key_in_use_is_refused_to_another_visitor(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    visitor.goto(stack.visitor_url + "/")
    start_session(visitor, '"taken"')
    stranger = agent
    stranger.goto(stack.visitor_url + "/")
    stranger.evaluate(COLLECT)
    stranger.evaluate("GLANCE.Cobrowse.Visitor.startSession('taken')")
    until(stranger, "window.heard.some(([, data]) => data.code === 'dupkey')")
    assert stranger.evaluate("GLANCE.Cobrowse.Visitor.inSession()") is False
