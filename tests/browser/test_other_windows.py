"""What other windows, as a chat, may make a page's visitor API do: glance_invoke."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser.agents import Join, api_stack, hears, join, page
from tests.browser.mirror import until
from tests.browser.pages import Pages, respond, serving_pages
from tests.browser.visiting import button, call, dialog, wait_for
from tests.stack import Stack

__all__ = ["api_stack", "join", "page"]

FRAME = """
(url) => new Promise((done) => {
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: url, width: 800, height: 600, onload: done });
  document.body.append(frame);
})
"""
CHAT = """<!doctype html><title>chat</title><script>
const invoke = (wnd, func, args, groupid) =>
  wnd.postMessage({ glance_invoke: { func, args, groupid } }, "*");
</script>"""


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Another site, whose pages talk to ours."""
    with serving_pages(tmp_path_factory.mktemp("chat")) as pages:
        pages.responses["/chat"] = respond(CHAT)
        yield pages


@pytest.mark.parametrize("way", ["opener", "opened", "parent"])
@pytest.mark.parametrize("groupid", ["'12345'", "12345"])
def test_a_trusted_window_invokes(
    page: Page, api_stack: Stack, chat: Pages, way: str, groupid: str
) -> None:
    trusted = chat.direct.replace("127.0.0.1", "localhost") + "/chat"
    site: Page | Frame = page
    args = '{ sessionKey: "INV-1", name: "Chat" }'
    if way == "opened":
        with page.expect_popup() as opened:
            page.evaluate("(url) => { window.open(url); }", trusted)
        opened.value.wait_for_load_state()
        opened.value.evaluate(f"invoke(opener, 'showTerms', {args}, {groupid})")
    else:
        page.goto(trusted)
        if way == "opener":
            with page.expect_popup() as popup:
                page.evaluate("(url) => { window.site = open(url); }", api_stack.visitor_url + "/")
            site = popup.value
            until(site, "!!window.GLANCE")
            page.evaluate(f"invoke(window.site, 'showTerms', {args}, {groupid})")
        else:
            page.evaluate(FRAME, api_stack.visitor_url + "/")
            page.evaluate(f"invoke(frames[0], 'showTerms', {args}, {groupid})")
            site = page.frames[1]
    expect(dialog(site)).to_be_visible()
    dialog(site).get_by_role("button", name="Accept").click()
    wait_for(site, "sessionstart")
    assert call(site, "getKey()") == "INV-1"
    call(site, "stopSession()")
    wait_for(site, "sessionend")


def test_an_array_is_several_arguments(
    page: Page, api_stack: Stack, chat: Pages, join: Join
) -> None:
    page.goto(chat.direct.replace("127.0.0.1", "localhost") + "/chat")
    page.evaluate(FRAME, api_stack.visitor_url + "/")
    page.evaluate("invoke(frames[0], 'startSession', ['INV-2'], '12345')")
    site = page.frames[1]
    wait_for(site, "sessionstart")
    agent = join("INV-2")
    wait_for(site, "agentjoin")
    page.evaluate("invoke(frames[0], 'sendSessionMessage', ['note', { a: 1 }], '12345')")
    told = hears(agent, "message")
    assert (told["name"], told["payload"]) == ("note", {"a": 1})
    page.evaluate("invoke(frames[0], 'sendSessionMessage', { note: 1 }, '12345')")
    wait_for(site, "error")
    page.evaluate("invoke(frames[0], 'stopSession', undefined, '12345')")
    wait_for(site, "sessionend")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("127.0.0.1", "{ glance_invoke: { func: 'startSession', groupid: '12345' } }"),
        ("localhost", "{ glance_invoke: { func: 'startSession', groupid: '12346' } }"),
        ("localhost", "{ glance_invoke: { func: 'constructor', groupid: '12345' } }"),
        ("localhost", "{ glance_invoke: { func: '__proto__', groupid: '12345' } }"),
        ("localhost", "{ glance_invoke: { func: ['startSession'], groupid: '12345' } }"),
        ("localhost", "{ glance_invoke: { func: 'startSession' } }"),
        ("localhost", "{ glance_invoke: 'startSession' }"),
        ("localhost", "'glance_invoke'"),
    ],
)
def test_any_other_message_is_ignored_silently(
    page: Page, chat: Pages, host: str, message: str
) -> None:
    until(page, "GLANCE.Cobrowse._internal.ready === true")
    with page.expect_popup() as opened:
        page.evaluate("(url) => { open(url); }", chat.direct.replace("127.0.0.1", host) + "/chat")
    opened.value.wait_for_load_state()
    page.evaluate("addEventListener('message', () => { window.came = true; })")
    opened.value.evaluate(f"opener.postMessage({message}, '*')")
    until(page, "window.came === true")
    if "glance_invoke:" in message:
        until(page, "GLANCE.Cobrowse._internal.refused === 1")  # counted, and that is all
    assert page.evaluate("window.heard") == []
    assert call(page, "inSession()") is False


def test_each_method_can_be_invoked(page: Page, api_stack: Stack, chat: Pages) -> None:
    page.goto(chat.direct.replace("127.0.0.1", "localhost") + "/chat")
    page.evaluate(FRAME, api_stack.visitor_url + "/")
    site = page.frames[1]

    def invoke(func: str, args: str = "undefined") -> None:
        page.evaluate(f"invoke(frames[0], '{func}', {args}, '12345')")

    invoke("showButton", "true")
    expect(button(site)).to_be_visible()
    invoke("toggleButton")
    expect(button(site)).to_be_hidden()
    invoke("setStartParams", "{ sessionKey: 'INV-3', name: 'Chat' }")
    invoke("startSession")
    wait_for(site, "sessionstart")
    assert call(site, "getKey()") == "INV-3"
    invoke("stopSession")
    assert wait_for(site, "sessionend") == {"reason": "visitor"}
    invoke("startSession", "{ sessionKey: 'INV-4' }")
    wait_for(site, "sessionstart", 2)
    assert call(site, "getKey()") == "INV-4"
