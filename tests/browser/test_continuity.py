"""A session goes on over whatever happens to the visitor's page; the visitor presses nothing."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect

from tests.browser.conftest import FLAGS, TIMEOUT_MS, VIEWPORT, chromium_path
from tests.browser.mirror import SOCKETS, until, wait_for_equal_trees
from tests.browser.pages import Pages, serving_pages
from tests.browser.visiting import LISTEN, OPEN_UI, call, wait_for
from tests.stack import Origin, free_port, running_stack

HOSTS = ("a.shop.test", "b.shop.test", "shop.test", "bank.test")


def page_of(title: str, more: str = "") -> str:
    return f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1>{more}"


@dataclass
class Visit:
    """A visitor in a session, with an agent who sees the page."""

    site: Pages
    context: BrowserContext
    page: Page
    agent: Page

    def url(self, host: str, path: str = "/") -> str:
        return self.site.proxied.replace("127.0.0.1", host) + path

    def goes_on(self, title: str, page: Page | None = None) -> None:
        """The agent sees the visitor's page of this title, as it is."""
        expect(self.agent.locator("#title")).to_have_text(title)
        expect(self.agent.locator("#state")).to_have_text("Live")
        wait_for_equal_trees(page or self.page, self.agent)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("continuity")) as pages:
        for name in ("one", "two"):
            pages.put(f"/{name}", page_of(name))
        pages.put(
            "/",
            page_of(
                "home",
                "<a href=/two id=link>x</a><form method=post action=/two><button id=post>p</form>"
                "<a href=/moved id=moved>m</a>",
            ),
        )
        pages.responses["/moved"] = (
            b"HTTP/1.1 302 Found\r\nLocation: /two\r\nContent-Length: 0\r\n\r\n"
        )
        yield pages


@pytest.fixture(scope="module")
def named(playwright: Playwright) -> Iterator[Browser]:
    """A browser for which this machine has all those names."""
    rules = ",".join(f"MAP {host} 127.0.0.1" for host in HOSTS)
    browser = playwright.chromium.launch(
        executable_path=chromium_path(), args=[*FLAGS, f"--host-resolver-rules={rules}"]
    )
    yield browser
    browser.close()


@pytest.fixture
def visit(site: Pages, named: Browser) -> Iterator[Visit]:
    context = named.new_context(viewport=VIEWPORT, ignore_https_errors=True)
    context.set_default_timeout(TIMEOUT_MS)
    for script in (OPEN_UI, LISTEN, SOCKETS):
        context.add_init_script(script)
    agents = named.new_context()
    agents.set_default_timeout(TIMEOUT_MS)
    made = Visit(site, context, context.new_page(), agents.new_page())
    made.page.goto(made.url("a.shop.test"))
    call(made.page, "startSession('GLANCE_KEYTYPE_RANDOM')")
    wait_for(made.page, "sessionstart")
    made.agent.goto(site.stack.agent_view(call(made.page, "getKey()")))
    made.goes_on("home")
    yield made
    agents.close()
    context.close()


@pytest.mark.parametrize("way", ["link", "post", "moved"])
def test_page_loads(visit: Visit, way: str) -> None:
    visit.page.click(f"#{way}")
    visit.page.wait_for_url("**/two")
    visit.goes_on("two")
    visit.page.reload()
    wait_for(visit.page, "sessioncontinue")
    visit.goes_on("two")
    visit.page.go_back()
    visit.goes_on("home")
    visit.page.go_forward()
    visit.goes_on("two")


def test_a_page_that_fails_to_load(visit: Visit) -> None:
    with contextlib.suppress(Error):  # the browser's own page says why
        visit.page.goto(f"http://127.0.0.1:{free_port()}/")
    expect(visit.agent.locator("#state")).to_have_text("Visitor is away")
    visit.page.goto(visit.url("a.shop.test", "/two"))
    visit.goes_on("two")


def test_a_new_tab_in_front(visit: Visit) -> None:
    other = visit.context.new_page()
    other.goto(visit.url("a.shop.test", "/one"))
    visit.goes_on("one", other)
    assert call(other, "inSession()") is True
    other.close()
    visit.page.bring_to_front()
    visit.page.evaluate("window.dispatchEvent(new Event('focus'))")
    visit.goes_on("home")


def test_a_tab_that_crashes(visit: Visit) -> None:
    with visit.page.expect_event("crash"), contextlib.suppress(Error):
        visit.page.goto("chrome://crash")
    expect(visit.agent.locator("#state")).to_have_text("Visitor is away")
    again = visit.context.new_page()
    again.goto(visit.url("a.shop.test", "/one"))
    visit.goes_on("one", again)


@pytest.mark.parametrize("host", ["b.shop.test", "shop.test"])
def test_another_host_of_the_same_site(visit: Visit, host: str) -> None:
    visit.page.goto(visit.url(host, "/two"))
    wait_for(visit.page, "sessioncontinue")
    visit.goes_on("two")
    visit.page.goto(visit.url("a.shop.test", "/one"))
    visit.goes_on("one")
    call(visit.page, "stopSession()")
    wait_for(visit.page, "sessionend")
    assert visit.page.evaluate("document.cookie") == ""


def test_from_http_to_https(visit: Visit) -> None:
    secure = visit.url("a.shop.test", "/two").replace("http:", "https:")
    visit.page.goto(secure)
    wait_for(visit.page, "sessioncontinue")
    visit.goes_on("two")
    expect(visit.agent.locator("#url")).to_have_text(secure)
    visit.page.reload()
    wait_for(visit.page, "sessioncontinue")
    call(visit.page, "stopSession()")
    wait_for(visit.page, "sessionend")


def test_another_site_behind_the_same_proxy(tmp_path: Path, site: Pages, named: Browser) -> None:
    origins = {"shop.test": site.direct, "bank.test": site.direct}
    more = "[proxy.origins]\n" + "\n".join(f'"{h}" = "{url}"' for h, url in origins.items())
    with running_stack(tmp_path, site.direct, more_config=more) as stack:
        context = named.new_context(viewport=VIEWPORT)
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(LISTEN)
        page, agent = context.new_page(), named.new_page()
        here, there = (
            stack.visitor_url.replace("127.0.0.1", host) for host in ("shop.test", "bank.test")
        )
        site.put("/links", page_of("links", f"<a href={there}/two?a=1#b id=go>bank</a>"))
        page.goto(f"{here}/links")
        call(page, "startSession('across')")
        wait_for(page, "sessionstart")
        agent.goto(stack.agent_view("across"))
        wait_for_equal_trees(page, agent)
        page.click("#go")
        page.wait_for_url(f"{there}/two?a=1#b")
        wait_for(page, "sessioncontinue")
        assert call(page, "getKey()") == "across"
        wait_for_equal_trees(page, agent)
        expect(agent.locator("#url")).to_have_text(f"{there}/two?a=1#b")
        page.go_back()
        expect(agent.locator("#url")).to_have_text(f"{here}/links")
        wait_for_equal_trees(page, agent)
        assert page.get_attribute("#go", "href") == f"{there}/two?a=1#b"
        # A link from anywhere else brings nobody into a session.
        handover = page.evaluate("document.cookie").partition("=")[2]
        stranger = named.new_context().new_page()
        stranger.goto(f"{site.direct}/one")
        stranger.evaluate(f"location.href = '{there}/.cobrowse/take?ticket={handover}&to=/one'")
        stranger.wait_for_url(f"{there}/one")
        assert stranger.evaluate("document.cookie") == ""
        stranger.context.close()
        # Nothing is left there, either.
        page.click("#go")
        wait_for(page, "sessioncontinue")
        call(page, "stopSession()")
        wait_for(page, "sessionend")
        assert page.evaluate("document.cookie") == ""
        agent.close()
        context.close()


def test_the_network_is_gone_for_a_while(visit: Visit) -> None:
    visit.context.set_offline(True)
    # Chromium leaves open sockets alone: this one breaks as by a machine that slept.
    visit.page.evaluate("window.sockets.at(-1).close()")
    expect(visit.agent.locator("#state")).to_have_text("Visitor is away")
    assert wait_for(visit.page, "connection") == {"status": "reconnecting"}
    visit.page.evaluate("document.querySelector('h1').firstChild.data = 'changed meanwhile'")
    visit.context.set_offline(False)
    assert wait_for(visit.page, "connection", 2) == {"status": "ok"}
    visit.goes_on("home")


def test_a_ticket_is_worth_nothing_once_it_was_used(visit: Visit, named: Browser) -> None:
    ticket = visit.page.evaluate("document.cookie")
    visit.page.reload()
    wait_for(visit.page, "sessioncontinue")
    until(visit.page, f"document.cookie !== {ticket!r}")
    thief = named.new_context()
    for stolen in (ticket, visit.page.evaluate("document.cookie")):
        name, _, value = stolen.partition("=")
        thief.add_cookies([{"name": name, "value": value, "url": visit.url("a.shop.test")}])
        page = thief.new_page()
        page.add_init_script(LISTEN)
        page.goto(visit.url("a.shop.test"))
        assert wait_for(page, "sessionend") == {"reason": "timeout"}
        page.close()
    thief.close()
    visit.goes_on("home")


def test_a_single_page_app_navigates_without_a_load(visit: Visit) -> None:
    visit.page.evaluate("history.pushState({}, '', '/step/2'); document.title = 'Step 2'")
    expect(visit.agent.locator("#title")).to_have_text("Step 2")
    expect(visit.agent.locator("#url")).to_have_text(visit.url("a.shop.test", "/step/2"))
    assert visit.agent.evaluate("'loading' in document.body.dataset") is False
    visit.page.evaluate("history.back()")
    expect(visit.agent.locator("#url")).to_have_text(visit.url("a.shop.test"))


def test_the_session_ends_when_nobody_comes_back(
    tmp_path: Path, origin: Origin, browser: Browser
) -> None:
    settings = 'mask = "none"\naway_s = 1'
    with running_stack(tmp_path, origin.url, settings=settings) as stack:
        context = browser.new_context()
        context.add_init_script(LISTEN)
        page = context.new_page()
        page.goto(stack.visitor_url + "/")
        call(page, "startSession('short')")
        wait_for(page, "sessionstart")
        agent = context.new_page()
        agent.goto(stack.agent_view("short"))
        expect(agent.locator("#state")).to_have_text("Live")
        page.close()
        expect(agent.locator("#notice")).to_contain_text("nobody came back in time")
        late = context.new_page()
        late.goto(stack.visitor_url + "/")
        assert wait_for(late, "sessionend") == {"reason": "timeout"}
        context.close()
