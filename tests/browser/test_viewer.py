"""The agent's pages as places to work: states, keys, company, pointing, waiting."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.agent_states import SETTINGS, SIZES, pages, states
from tests.browser.desk import WRONG_TOKEN
from tests.browser.mirror import CUTS, until, wait_for_equal_trees
from tests.browser.test_good_guest import AXE
from tests.browser.visiting import LISTEN, OPEN_UI, call, everything_sent, log_in, readable, start
from tests.stack import Origin, Stack, running_stack

ARROW = "document.querySelector('cobrowse-gestures')?.shadowRoot.querySelector('.arrow')"
BOX = "document.querySelector('cobrowse-gestures')?.shadowRoot.querySelector('.box')"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("viewer"), origin.url, settings=SETTINGS) as stack:
        yield stack


@pytest.fixture
def three(browser: Browser) -> Iterator[tuple[Page, Page, Page]]:
    """The agent's page, the visitor's, and a second agent's."""
    made = pages(browser)
    made[0].add_init_script(CUTS)
    made[1].add_init_script(OPEN_UI)
    yield made
    for page in made:
        page.context.close()


def violations(page: Page) -> list[Any]:
    if not page.evaluate("!!window.axe"):
        page.evaluate(AXE.read_text())  # the page's own policy lets no script element in
    found: list[Any] = page.evaluate(
        "axe.run(document, { iframes: false }).then(({ violations }) =>"
        " violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]))"
    )
    return found


def test_every_state_is_for_everybody(stack: Stack, three: tuple[Page, Page, Page]) -> None:
    agent, site, other = three
    seen = []
    for name in states(stack, agent, site, other):
        seen.append(name)
        for size in SIZES:
            agent.set_viewport_size(size)
            for scheme in ("light", "dark"):
                agent.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                assert violations(agent) == [], (name, size, scheme)
            wide = agent.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], (name, size)
        agent.set_viewport_size({"width": 1000, "height": 700})
    assert len(seen) == 15


def session(stack: Stack, three: tuple[Page, Page, Page], path: str = "/") -> str:
    """A session that the first agent sees."""
    agent, site, _ = three
    site.goto(stack.visitor_url + path)
    key = start(site)
    agent.goto(stack.agent_view(key))
    wait_for_equal_trees(site, agent)
    return key


def test_the_viewer_by_keyboard(stack: Stack, three: tuple[Page, Page, Page]) -> None:
    agent, site, _ = three
    agent.context.grant_permissions(["clipboard-read", "clipboard-write"])
    agent.set_viewport_size({"width": 700, "height": 500})
    key = session(stack, three)
    screen = agent.locator("#screen")
    for pressed, width in (("1", 1000), ("f", 668), ("1", 1000)):
        agent.keyboard.press(pressed)
        box = screen.bounding_box()
        assert box is not None and box["width"] <= width
        assert (box["width"] == 1000) == (pressed == "1")
    for name in ("Pointer", "Highlight"):
        button = agent.get_by_role("button", name=name)
        was = button.get_attribute("aria-pressed")
        agent.keyboard.press(name[0].lower())
        expect(button).to_have_attribute("aria-pressed", "false" if was == "true" else "true")
    agent.keyboard.press("c")
    expect(agent.locator("#copy")).to_have_text("Copied")
    assert agent.evaluate("navigator.clipboard.readText()") == key
    agent.keyboard.press("?")
    dialog = agent.get_by_role("dialog", name="Help")
    expect(dialog).to_be_visible()
    for absent in ("remote control", "drawing", "recording"):
        expect(dialog).to_contain_text(absent)
    agent.keyboard.press("p")  # keys do nothing behind it
    agent.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(agent.get_by_role("button", name="Highlight")).to_have_attribute("aria-pressed", "true")
    # Each control can be reached, and shows that it has the focus.
    reached = set()
    for _ in range(20):
        agent.keyboard.press("Tab")
        reached.add(agent.evaluate("document.activeElement.id"))
        style = "getComputedStyle(document.activeElement).outlineStyle"
        assert agent.evaluate(f"document.activeElement === document.body || {style} !== 'none'")
    assert reached >= {"copy", "pointer", "highlight", "fit", "full", "help", "leave", "stage"}
    agent.locator("#leave").focus()
    agent.keyboard.press("Enter")
    expect(agent.locator("#state")).to_have_text("You have left")
    until(
        site,
        "document.querySelector('cobrowse-visitor').shadowRoot.textContent.includes('Waiting')",
    )


def test_agents_see_one_another(stack: Stack, three: tuple[Page, Page, Page]) -> None:
    agent, site, other = three
    key = session(stack, three)
    expect(agent.locator("#agents")).to_have_text("")
    named = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    other.goto(f"{stack.agent_view(key, 'bert')}&name={named}")
    expect(agent.locator("#agents")).to_have_text("With <img src=x onerror=alert(1)>")
    expect(other.locator("#agents")).to_have_text("With anna")
    assert agent.locator("#agents img").count() == 0
    other.get_by_role("button", name="Leave").click()
    expect(agent.locator("#agents")).to_have_text("")
    assert call(site, "inSession()") is True


@pytest.mark.parametrize("zoom", ["f", "1"])
def test_what_the_agent_points_at_is_seen_at_the_same_place(
    stack: Stack, three: tuple[Page, Page, Page], zoom: str
) -> None:
    agent, site, _ = three
    agent.set_viewport_size({"width": 620, "height": 460})
    session(stack, three)
    agent.keyboard.press(zoom)
    link = site.locator("text=Branches").bounding_box()
    copy = agent.frame_locator("#screen iframe").locator("text=Branches").bounding_box()
    assert link is not None and copy is not None
    agent.mouse.move(copy["x"] + copy["width"] / 2, copy["y"] + copy["height"] / 2)
    until(site, f"{ARROW} && !{ARROW}.hidden")
    x, y = link["x"] + link["width"] / 2, link["y"] + link["height"] / 2
    near = f"""(() => {{
      const {{ left, top }} = {ARROW}.getBoundingClientRect();
      return Math.abs(left - {x}) < 3 && Math.abs(top - {y}) < 3;
    }})()"""
    until(site, near)
    assert site.evaluate(f"{ARROW}.textContent") == "anna"
    # A box around the link.
    agent.mouse.move(copy["x"], copy["y"])
    agent.mouse.down()
    agent.mouse.move(copy["x"] + copy["width"], copy["y"] + copy["height"], steps=4)
    agent.mouse.up()
    until(
        site,
        f"""(() => {{
          const box = {BOX}?.getBoundingClientRect();
          return box && Math.abs(box.left - {link["x"]}) < 3 && Math.abs(box.top - {link["y"]}) < 3
            && Math.abs(box.width - {link["width"]}) < 5
            && Math.abs(box.height - {link["height"]}) < 5;
        }})()""",
    )
    # Escape takes it away, and so does leaving.
    agent.keyboard.press("Escape")
    until(site, "!document.querySelector('cobrowse-gestures')")
    agent.mouse.move(copy["x"] + 5, copy["y"] + 5)
    until(site, "!!document.querySelector('cobrowse-gestures')")
    agent.get_by_role("button", name="Leave").click()
    until(site, "!document.querySelector('cobrowse-gestures')")


def test_pointing_by_keyboard(stack: Stack, three: tuple[Page, Page, Page]) -> None:
    agent, site, _ = three
    session(stack, three)
    agent.locator("#stage").focus()
    agent.keyboard.press("ArrowRight")
    place = f"[{ARROW}.getBoundingClientRect().left, {ARROW}.getBoundingClientRect().top]"
    until(site, f"{ARROW} && JSON.stringify({place}) === '[516,350]'")
    agent.keyboard.press("Shift+ArrowUp")
    until(site, f"JSON.stringify({place}) === '[516,254]'")
    agent.keyboard.press("Enter")
    until(site, f"{BOX} && !{BOX}.hidden && {BOX}.getBoundingClientRect().width === 160")
    agent.keyboard.press("h")  # another tool: what was pointed at is gone
    until(site, "!document.querySelector('cobrowse-gestures')")


def test_gestures_are_no_part_of_the_page(
    origin: Origin, three: tuple[Page, Page, Page], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Even where agents see the rest of our interface."""
    agent, site, _ = three
    settings = 'mask = "none"\nshare_interface = true'
    with running_stack(tmp_path_factory.mktemp("shared"), origin.url, settings=settings) as stack:
        sent = everything_sent(site)
        session(stack, three)
        clicked = "window.clicks = 0; document.addEventListener('click', () => window.clicks++)"
        site.evaluate(clicked)
        box = agent.locator("#screen").bounding_box()
        assert box is not None
        agent.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.97)
        until(site, f"!!{ARROW}")
        host = "document.querySelector('cobrowse-gestures')"
        assert site.evaluate(f"{host}.getAttribute('aria-hidden')") == "true"
        assert site.evaluate(f"getComputedStyle({host}).pointerEvents") == "none"
        at = site.evaluate(
            f"(() => {{ const r = {ARROW}.getBoundingClientRect(); return [r.x, r.y]; }})()"
        )
        site.mouse.click(at[0] + 3, at[1] + 6)
        assert site.evaluate("clicks") == 1
        found = site.evaluate("([x, y]) => document.elementFromPoint(x + 3, y + 6).localName", at)
        assert found != "cobrowse-gestures"
        site.evaluate("document.title = 'marker'")
        expect(agent.locator("#title")).to_have_text("marker")
        assert "cobrowse-gestures" not in readable(sent)
        assert "cobrowse-visitor" in readable(sent)
        agent.frame_locator("#screen iframe").locator("cobrowse-gestures").count()


def test_an_arrow_that_does_not_move_fades(stack: Stack, three: tuple[Page, Page, Page]) -> None:
    agent, site, _ = three
    site.clock.install()
    session(stack, three)
    box = agent.locator("#screen").bounding_box()
    assert box is not None
    agent.mouse.move(box["x"] + 100, box["y"] + 100)
    until(site, f"!!{ARROW}")
    site.clock.fast_forward(5_100)
    site.clock.fast_forward(700)
    until(site, "!document.querySelector('cobrowse-gestures')")
    agent.mouse.move(box["x"] + 120, box["y"] + 100)
    until(site, f"!!{ARROW}")
    call(site, "stopSession()")
    until(site, "!document.querySelector('cobrowse-gestures')")


def test_an_agent_waits_and_is_there_from_the_first_moment(
    stack: Stack, three: tuple[Page, Page, Page]
) -> None:
    agent, site, _ = three
    agent.goto(stack.agent_view("awaited") + "&Wait=1")
    expect(agent.locator("#state")).to_have_text("Waiting for the visitor")
    expect(agent.locator("#notice")).to_contain_text("awaited")
    expect(agent.locator("#waited")).to_contain_text("0:0")
    agent.evaluate("cut()")
    expect(agent.locator("#state")).to_have_text("Reconnecting …")
    agent.evaluate("window.isCut = false")
    expect(agent.locator("#state")).to_have_text("Waiting for the visitor")
    agent.get_by_role("button", name="Stop waiting").click()
    expect(agent.locator("#notice")).to_have_text("You are not waiting any more.")
    agent.get_by_role("button", name="Join again").click()
    expect(agent.locator("#state")).to_have_text("Waiting for the visitor")
    agent.reload()
    expect(agent.locator("#state")).to_have_text("Waiting for the visitor")
    log_in(site, stack.visitor_url)
    start(site, "'awaited'")
    wait_for_equal_trees(site, agent)
    expect(agent.locator("#state")).to_have_text("Live")
    until(site, "heard.some(([name, data]) => name === 'agentjoin' && data.name === 'anna')")


def test_states_of_the_line(stack: Stack, three: tuple[Page, Page, Page]) -> None:
    agent, site, _ = three
    key = session(stack, three)
    agent.evaluate("cut()")
    expect(agent.locator("#state")).to_have_text("Reconnecting …")
    agent.evaluate("window.isCut = false")
    expect(agent.locator("#state")).to_have_text("Live")
    call(site, "stopSession()")
    expect(agent.locator("#notice")).to_have_text("The visitor has ended the session.")
    agent.goto(stack.agent_view(key))
    agent.get_by_role("button", name="Try again").click()
    expect(agent.locator("#notice")).to_contain_text("There is no session with the key")


def test_a_session_that_another_visitor_has_taken_is_told(
    origin: Origin, three: tuple[Page, Page, Page], tmp_path_factory: pytest.TempPathFactory
) -> None:
    agent, site, other = three
    other.add_init_script(LISTEN)
    folder = tmp_path_factory.mktemp("replace")
    with running_stack(folder, origin.url) as stack:
        config = folder / "cobrowse.toml"
        text = config.read_text()
        config.write_text(
            text.replace("[groups.12345]\n", '[groups.12345]\nkey_conflict = "replace"\n')
        )
        stack.kill_relay()
        stack.start_relay()
        port = int(stack.relay_url.rpartition(":")[2])
        stack.processes.wait_ready("127.0.0.1", port, "the relay")
        site.goto(stack.visitor_url + "/")
        start(site, "'taken'")
        agent.goto(stack.agent_view("taken"))
        wait_for_equal_trees(site, agent)
        other.goto(stack.visitor_url + "/")
        start(other, "'taken'")
        expect(agent.locator("#notice")).to_contain_text("another visitor has started one")


def test_a_login_that_has_run_out_is_told(stack: Stack, three: tuple[Page, Page, Page]) -> None:
    agent, site, _ = three
    key = session(stack, three)
    agent.add_init_script(WRONG_TOKEN)
    agent.goto(stack.agent_view(key))
    expect(agent.locator("#state")).to_have_text("Not connected")
    expect(agent.locator("#notice")).to_contain_text("The token is not valid")
    expect(agent.get_by_role("button", name="Log in again")).to_be_visible()


@pytest.fixture
def empty_stack(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Stack]:
    """One without sessions of other tests."""
    with running_stack(tmp_path_factory.mktemp("console"), origin.url) as stack:
        yield stack


def test_the_console_finds_sessions(empty_stack: Stack, three: tuple[Page, Page, Page]) -> None:
    stack = empty_stack
    agent, site, other = three
    agent.goto(f"{stack.relay_url}/console?{stack.login()}")
    log_in(site, stack.visitor_url)
    start(site, "{ sessionKey: 'first-key', name: 'Renée <b>Ångström</b>' }")
    other.add_init_script(LISTEN)
    other.goto(stack.visitor_url + "/")
    other.evaluate("window.GLANCE_COBROWSE = { visitorid: 'CUSTOMER-77' }")
    start(other)
    rows = agent.locator("#rows tr")
    expect(rows).to_have_count(2)
    agent.keyboard.press("/")
    expect(agent.locator("#query")).to_be_focused()
    for wanted, found in (
        ("FIRST", "first-key"),
        ("ångström", "first-key"),
        ("<b>", "first-key"),
        ("customer-77", "CUSTOMER-77"),
        ("NB-40721", "first-key"),
    ):
        agent.fill("#query", wanted)
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(found)
        expect(agent.locator("#count")).to_have_text("1 of 2 sessions")
    agent.fill("#query", "nobody at all")
    expect(agent.locator("#nothing")).to_have_text("No session matches “nobody at all”.")
    agent.fill("#query", "first")
    # What has the focus keeps it while the list changes.
    agent.keyboard.press("Enter")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert agent.evaluate(focused) == "Join session first-key"
    site.click("text=Branches")
    call(other, "stopSession()")
    expect(agent.locator("#count")).to_have_text("1 of 1 session")
    assert agent.evaluate(focused) == "Join session first-key"
    with agent.context.expect_page() as opened:
        agent.keyboard.press("Enter")
    expect(opened.value.locator("#state")).to_have_text("Live")
    call(site, "stopSession()")
    agent.fill("#query", "")
    expect(agent.locator("#nothing")).to_have_text("No visitor is in a session.")
