"""The agent's copy keeps to itself: what the visitor's page does takes nothing from the agent."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.mirror import until, wait_for_equal_trees
from tests.browser.pages import Pages, respond, serving_pages
from tests.browser.visiting import RANDOM, everything_sent, files_sent, readable, start_session

COPY = "document.querySelector('#screen iframe').contentDocument"
HOSTS = ("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """One site by two names, both behind the proxy."""
    settings = 'mask = "none"\nmasked_elements = [{ selector = ".m" }]'
    with serving_pages(tmp_path_factory.mktemp("copy"), hosts=HOSTS, settings=settings) as pages:
        yield pages


def other(site: Pages) -> str:
    return site.proxied.replace("127.0.0.1", "localhost")


def begin(site: Pages, visitor: Page, agent: Page, body: str) -> None:
    site.put("/", f"<!doctype html><meta charset=utf-8><title>page</title>{body}")
    visitor.goto(site.proxied + "/")
    agent.goto(site.stack.agent_view(start_session(visitor, RANDOM)))
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")


TAKES_FOCUS = """
<dialog id=d><input autofocus></dialog><div popover id=p><button autofocus>x</button></div>
<input id=i autofocus><select id=s><option>a</select><div contenteditable id=e>x</div>"""


@pytest.mark.parametrize(
    "act",
    [
        "d.showModal()",
        "d.show()",
        "p.showPopover()",
        "i.focus()",
        "s.focus()",
        "e.focus(); getSelection().selectAllChildren(e)",
        "i.value = 'text'; i.focus(); i.select()",
        "location.hash = 'e'",
        "i.reportValidity()",
    ],
)
def test_the_agents_focus_stays(site: Pages, visitor: Page, agent: Page, act: str) -> None:
    begin(site, visitor, agent, TAKES_FOCUS)
    agent.evaluate(
        "document.body.append(Object.assign(document.createElement('input'), {id: 'own'}))"
    )
    agent.focus("#own")
    agent.keyboard.type("what I ")
    visitor.evaluate(act)
    visitor.evaluate("document.body.append('done')")
    until(agent, f"{COPY}.body.textContent.includes('done')")
    agent.keyboard.type("say")
    assert agent.evaluate("document.activeElement.id") == "own"
    assert agent.input_value("#own") == "what I say"


def test_a_modal_dialog_of_the_copy_leaves_the_viewer_usable(
    site: Pages, visitor: Page, agent: Page
) -> None:
    begin(site, visitor, agent, TAKES_FOCUS)
    visitor.evaluate("d.showModal()")
    until(agent, f"{COPY}.querySelector('dialog').matches(':modal')")
    agent.keyboard.press("Escape")
    assert agent.evaluate(f"{COPY}.querySelector('dialog').open") is True
    agent.click("text=100 %")
    expect(agent.locator("body")).to_have_attribute("data-zoom", "full")
    visitor.evaluate("d.close()")
    until(agent, f"!{COPY}.querySelector('dialog').matches(':modal')")


@pytest.mark.parametrize("days", [-400, 400])
def test_clocks_need_not_agree(site: Pages, visitor: Page, agent: Page, days: int) -> None:
    agent.clock.install(time=time.time() + days * 86_400)
    begin(site, visitor, agent, "<p id=p>one</p>")
    visitor.evaluate("p.textContent = 'two'; document.body.style.background = 'gold'")
    wait_for_equal_trees(visitor, agent)


# -- frames of other origins ---------------------------------------------------------------------

FRAME = """<!doctype html><title>frame</title><body style="margin: 0"><p id=p>inside</p>
<p class=m>qXmaskedZq</p><input type=password value=qXpasswordZq>"""


def in_frame(agent: Page, expression: str) -> str:
    return f"{COPY}.querySelector('iframe')?.contentDocument?.{expression}"


def test_a_frame_of_another_site_of_ours_is_shown_by_the_same_rules(
    site: Pages, visitor: Page, agent: Page
) -> None:
    site.put("/frame", FRAME)
    sent = everything_sent(visitor)
    begin(site, visitor, agent, f"<iframe id=f src='{other(site)}/frame'></iframe>")
    until(agent, in_frame(agent, "body?.textContent.includes('inside')"))
    inner = visitor.frames[1]
    inner.evaluate("p.textContent = 'changed'")
    until(agent, in_frame(agent, "querySelector('#p').textContent === 'changed'"))
    text = readable(sent)
    assert "qXmaskedZq" not in text and "qXpasswordZq" not in text
    # A frame that is hidden says no more.
    visitor.evaluate("f.className = 'm'")
    until(agent, f"!{COPY}.querySelector('iframe')?.contentDocument?.querySelector('#p')")
    inner.evaluate("p.textContent = 'qXlaterZq'")
    visitor.evaluate("document.body.append('the end')")
    until(agent, f"{COPY}.body.textContent.includes('the end')")
    assert "qXlaterZq" not in readable(sent)


ASKS = """<!doctype html><title>stranger</title><script>
window.heard = [];
onmessage = ({ data }) => heard.push(JSON.stringify(data));
onload = () => {
  const ask = { cobrowse_frame: { rules: { mask: "none", selectors: [], pages: [], title: false,
    query: false, assets: "", canvas_fps: 0 } } };
  document.querySelector("iframe").contentWindow.postMessage(ask, "*");
};
</script><iframe src="%s"></iframe>"""


def test_no_other_page_gets_what_a_frame_shows(site: Pages, visitor: Page) -> None:
    """Here a page around that has not come through the proxy."""
    site.put("/frame", FRAME)
    site.put("/stranger", ASKS % f"{other(site)}/frame")
    visitor.goto(site.direct + "/stranger")  # not behind the proxy
    frame = visitor.frames[1]
    until(frame, "!!GLANCE.Cobrowse._internal")
    until(frame, "GLANCE.Cobrowse._internal.record !== undefined")
    visitor.evaluate("frames[0].postMessage({ cobrowse_frame: 5 }, '*')")
    visitor.evaluate("frames[0].postMessage({ cobrowse_frame: { stop: true } }, '*')")
    until(frame, "GLANCE.Cobrowse._internal.asked.length === 0")
    assert frame.evaluate("GLANCE.Cobrowse._internal.capture === undefined")
    assert visitor.evaluate("heard") == []


def test_a_frame_cannot_have_files_of_the_page_around_shown(
    site: Pages, visitor: Page, agent: Page
) -> None:
    site.put("/frame", FRAME)
    site.responses["/statement.png"] = respond("private", "Cache-Control: private")
    files = files_sent(visitor)
    begin(site, visitor, agent, f"<iframe src='{other(site)}/frame'></iframe>")
    until(agent, in_frame(agent, "body?.textContent.includes('inside')"))
    said = f"""parent.postMessage({{ cobrowse_frame: {{ files: [
      ["{site.proxied}/statement.png?qXstolenZq", "{site.proxied}/"],
      ["javascript:1", ""], [{{}}, null], 5, ["{other(site)}/own.png?qXownZq", "{other(site)}/"]
    ] }} }}, "{site.proxied}")"""
    visitor.frames[1].evaluate(f"try {{ {said} }} catch {{}}")
    visitor.frames[1].evaluate(
        said.replace("5, ", "").replace('["javascript:1", ""], [{}, null], ', "")
    )
    until(visitor, "true")
    deadline = time.monotonic() + 10
    while "qXownZq" not in "".join(files):
        assert time.monotonic() < deadline, "its own file was never named"
        visitor.wait_for_timeout(20)
    assert "qXstolenZq" not in "".join(files)


def test_what_a_frame_says_cannot_break_the_copy(
    site: Pages, visitor: Page, agent: Page, browser: Browser
) -> None:
    site.put("/frame", FRAME)
    begin(site, visitor, agent, f"<p id=p>x</p><iframe src='{other(site)}/frame'></iframe>")
    until(agent, in_frame(agent, "body?.textContent.includes('inside')"))
    visitor.frames[1].evaluate(
        """(origin) => {
          const loop = {}; loop.loop = loop;
          const evil = "<img src=x onerror=top.hit=1>";
          const said = [
            5, [5], null, "x", [["nothing"]], loop, [["css", 1, evil]], [["remove", 5]],
            [["add", 1, 0, 9, [["script", {}, ["top.hit = 1"]]]]],
            [["add", 1, 0, 99, [["img", { src: "x", onerror: "top.hit=1" }, 0]]]],
            [["frame", 1, [["start", {}]]]], [["highlight", 1, "x", [[[1, 0], [1, 0]]]]],
            [["top", 1, "modal"]], [["start", {}]], [["add", 1, 0, 2, 5]],
          ];
          for (const ops of said)
            parent.postMessage({ cobrowse_frame: { ops } }, origin);
        }""",
        site.proxied,
    )
    visitor.evaluate("p.textContent = 'still here'")
    until(agent, f"{COPY}.querySelector('#p').textContent === 'still here'")
    assert agent.evaluate("window.hit") is None
