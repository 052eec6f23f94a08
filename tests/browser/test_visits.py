"""One visit after another: caches, who the visitor is, frames, service workers, other tags."""

import itertools
import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.browser.conftest import FLAGS, TIMEOUT_MS, chromium_path
from tests.browser.mirror import until
from tests.browser.pages import Pages, complaints, respond, serving_pages
from tests.browser.visiting import everything_sent

NAME = "shop.test"
LIVE = "typeof window.GLANCE?.Cobrowse?.Visitor?.startSession === 'function'"
CACHED = ("Cache-Control: max-age=600", 'ETag: "same"')
PAGE = "<!doctype html><html><head><title>t</title></head><body><p>page</p></body></html>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("visits")) as site:
        yield site


@pytest.fixture(scope="module")
def by_name(playwright: Playwright) -> Iterator[Browser]:
    """A browser for which this machine is shop.test: plain http, without Sec-Fetch fields."""
    rule = f"--host-resolver-rules=MAP {NAME} 127.0.0.1"
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, rule])
    yield browser
    browser.close()


@pytest.fixture(params=["127.0.0.1", NAME])
def visit(
    request: pytest.FixtureRequest, site: Pages, browser: Browser, by_name: Browser
) -> Iterator[tuple[Page, str]]:
    """A page and the address of the site: a trustworthy one, and one of plain http."""
    context = (browser if request.param == "127.0.0.1" else by_name).new_context()
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page(), site.proxied.replace("127.0.0.1", request.param)
    context.close()


def become(context: BrowserContext, url: str, customer: str) -> None:
    context.add_cookies([{"name": "customer_no", "value": customer, "url": url}])


def customer(page: Page) -> str:
    return str(page.evaluate("window.GLANCE_COBROWSE.visitorid"))


def test_no_cached_page_shows_another_visitors_values(site: Pages, visit: tuple[Page, str]) -> None:
    page, url = visit
    site.put("/a", PAGE, *CACHED)
    site.put("/b", PAGE, *CACHED)
    become(page.context, url, "ANNA")
    page.goto(f"{url}/a")
    assert customer(page) == "ANNA"
    page.goto(f"{url}/b")
    become(page.context, url, "BERT")
    page.goto(f"{url}/a")
    assert customer(page) == "BERT"
    page.reload()
    assert customer(page) == "BERT"


def test_a_scripts_copy_in_the_cache_is_not_shown_in_a_tab(
    site: Pages, visit: tuple[Page, str]
) -> None:
    page, url = visit
    site.put("/start", PAGE)
    site.put("/copied", PAGE, *CACHED)
    page.goto(f"{url}/start")
    copy = "async () => (await fetch('/copied')).text()"
    assert page.evaluate(copy) == PAGE
    page.goto(f"{url}/copied")
    assert page.evaluate(LIVE)
    # And the other way round: no script gets a page with the block in it.
    assert page.evaluate(copy) == PAGE


def test_a_prefetched_page_has_the_script_when_it_is_shown(
    site: Pages, visit: tuple[Page, str]
) -> None:
    page, url = visit
    site.put("/start", PAGE.replace("<title>", "<link rel=prefetch href=/next><title>"))
    site.put("/next", PAGE, *CACHED)
    with page.expect_response("**/next"):
        page.goto(f"{url}/start")
    page.goto(f"{url}/next")
    assert page.evaluate(LIVE)


def test_no_answer_of_the_cache_revives_an_old_nonce(site: Pages, visit: tuple[Page, str]) -> None:
    """An origin that would say 304, with a policy for another nonce, is never asked to."""
    page, url = visit
    numbers = itertools.count()

    def answer(head: bytes) -> bytes:
        nonce = f"n{next(numbers)}"
        policy = f"Content-Security-Policy: script-src 'nonce-{nonce}'"
        if b"if-none-match" in head.lower():
            return f'HTTP/1.1 304 Not Modified\r\nETag: "same"\r\n{policy}\r\n\r\n'.encode()
        body = PAGE.replace("<title>", f"<script nonce={nonce}>window.ran = 1</script><title>")
        return respond(body, policy, "Cache-Control: no-cache", 'ETag: "same"')

    site.responses["/nonce"] = answer
    found = complaints(page)
    for _ in range(3):
        page.goto(f"{url}/nonce")
        assert page.evaluate("window.ran") == 1
        assert page.evaluate(LIVE)
    assert found == []


DECLARED = {
    "nothing": ("", {"visitorid": "COOKIE", "name": "Niels"}),
    "var": (
        "<script>var GLANCE_COBROWSE = {visitorid: 'PAGE', email: 'a@b.test'}</script>",
        {"visitorid": "PAGE", "name": "Niels", "email": "a@b.test"},
    ),
    "let": (
        "<script>let GLANCE_COBROWSE = {name: 'Page'}</script>",
        {"visitorid": "COOKIE", "name": "Page"},
    ),
    "const": (
        "<script>const GLANCE_COBROWSE = {visitorid: 'PAGE'}</script>",
        {"visitorid": "PAGE", "name": "Niels"},
    ),
    "an assignment": (
        "<script>window.GLANCE_COBROWSE = {phone: '1'}</script>",
        {"visitorid": "COOKIE", "name": "Niels", "phone": "1"},
    ),
    "a property": (
        "<script>GLANCE_COBROWSE.name = 'Page'</script>",
        {"visitorid": "COOKIE", "name": "Page"},
    ),
    "late": (
        "<script>addEventListener('load', () => setTimeout(() => {"
        " GLANCE_COBROWSE = {visitorid: 'LATE'}; window.late = 1; }, 50))</script>",
        {"visitorid": "LATE", "name": "Niels"},
    ),
    "garbage": (
        "<script>window.GLANCE_COBROWSE = {visitorid: 5, name: null, email: {}}</script>",
        {"visitorid": "COOKIE", "name": "Niels"},
    ),
    "null": (
        "<script>window.GLANCE_COBROWSE = null</script>",
        {"visitorid": "COOKIE", "name": "Niels"},
    ),
}


@pytest.mark.parametrize("how", DECLARED)
def test_the_pages_values_come_before_the_cookies(site: Pages, visitor: Page, how: str) -> None:
    declaration, expected = DECLARED[how]
    site.put("/who", PAGE.replace("<title>", f"{declaration}<title>"))
    become(visitor.context, site.proxied, "COOKIE")
    visitor.context.add_cookies([{"name": "customer_name", "value": "Niels", "url": site.proxied}])
    found, sent = complaints(visitor), everything_sent(visitor)
    visitor.goto(f"{site.proxied}/who")
    until(visitor, "GLANCE.Cobrowse._internal.ready === true")
    if how == "late":
        until(visitor, "window.late === 1")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession()")
    until(visitor, "GLANCE.Cobrowse.Visitor.inSession()")
    [hello] = [json.loads(m) for m in sent if isinstance(m, str) and '"type":"start"' in m]
    assert hello["person"] == expected
    assert hello["key"] == expected["visitorid"]
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor.getKey()") == expected["visitorid"]
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")
    assert found == []


@pytest.mark.parametrize("element", ["iframe src", "object data", "embed src"])
def test_a_frame_gets_the_script_in_its_role(
    site: Pages, visit: tuple[Page, str], element: str
) -> None:
    page, url = visit
    name = element.split()[0]
    site.put("/outer", PAGE.replace("<p>page</p>", f"<{element}=/inner></{name}>"))
    site.put("/inner", PAGE)
    become(page.context, url, "ANNA")
    page.goto(f"{url}/outer")
    until(page, "GLANCE.Cobrowse._internal.ready === true")
    inner = next(frame for frame in page.frames if frame.url.endswith("/inner"))
    assert inner.evaluate("typeof GLANCE.Cobrowse._internal.insert") == "function"
    assert inner.evaluate("[GLANCE.Cobrowse.Visitor, window.GLANCE_COBROWSE]") == [None, None]
    assert inner.evaluate("document.scripts.length") == 0
    assert inner.evaluate("performance.getEntriesByType('resource').length") == 0


def test_a_page_that_a_service_worker_passes_on(site: Pages, visitor: Page) -> None:
    worker = """
      addEventListener("install", (event) => event.waitUntil(
        caches.open("shell").then((cache) => cache.addAll(["/shell"]))));
      addEventListener("activate", (event) => event.waitUntil(clients.claim()));
      addEventListener("fetch", (event) => event.respondWith(
        caches.match(event.request).then((found) => found || fetch(event.request))));
    """
    site.put("/worker.js", worker, content_type="text/javascript")
    site.put("/passed", PAGE)
    site.put("/shell", PAGE)
    visitor.goto(f"{site.proxied}/passed")
    visitor.evaluate(
        """async () => {
          await navigator.serviceWorker.register("/worker.js");
          await navigator.serviceWorker.ready;
        }"""
    )
    visitor.goto(f"{site.proxied}/passed")
    assert visitor.evaluate("navigator.serviceWorker.controller !== null")
    assert visitor.evaluate(LIVE)
    # What the worker has put into its own cache came for a script: it stays as it was.
    visitor.goto(f"{site.proxied}/shell")
    assert visitor.evaluate("document.body.textContent") == "page"


@pytest.mark.parametrize(
    "tag",
    [
        '<script id="cobrowsescript" src="/tag.js"></script>',
        '<script id="glance-cobrowse" src="/tag.js"></script>',
        '<script src="/cobrowse/CobrowseJS.ashx?group=1&site=production"></script>',
    ],
)
def test_a_page_with_a_tag_of_its_own_is_in_charge(site: Pages, visitor: Page, tag: str) -> None:
    script = "window.GLANCE = {Cobrowse: {Visitor: {theirs: true}}}"
    for path in ("/tag.js", "/cobrowse/CobrowseJS.ashx"):
        site.put(path, script, content_type="text/javascript")
    site.put("/tagged", PAGE.replace("</head>", f"{tag}</head>"))
    asked: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url))
    visitor.goto(f"{site.proxied}/tagged", wait_until="networkidle")
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor.theirs") is True
    assert not [url for url in asked if "/.cobrowse/" in url]


def test_a_tag_for_agents_is_no_visitors_tag(site: Pages, visitor: Page) -> None:
    tag = '<script id="cobrowsescript" src="/cobrowse/CobrowseJS.ashx?script=Agent"></script>'
    site.put("/cobrowse/CobrowseJS.ashx", "", content_type="text/javascript")
    site.put("/agents", PAGE.replace("</head>", f"{tag}</head>"))
    visitor.goto(f"{site.proxied}/agents", wait_until="networkidle")
    assert visitor.evaluate("typeof GLANCE.Cobrowse.Visitor.startSession") == "function"


def test_a_tag_that_brings_nothing_leaves_no_half_of_us(site: Pages, visitor: Page) -> None:
    site.put("/tagged", PAGE.replace("</head>", '<script id="cobrowsescript"></script></head>'))
    visitor.goto(f"{site.proxied}/tagged", wait_until="networkidle")
    assert visitor.evaluate("GLANCE.Cobrowse.Visitor === undefined")


def redirecting(head: bytes) -> bytes:
    host = head.partition(b"Host: ")[2].split(b"\r\n")[0].decode()
    return (
        f"HTTP/1.1 302 Found\r\nLocation: http://{host}/arrived\r\nContent-Length: 0\r\n"
        f"Set-Cookie: kept=1; Domain={host.partition(':')[0]}; Secure; SameSite=None\r\n\r\n"
    ).encode()


def test_redirects_and_cookies_stay_on_this_side(site: Pages, visit: tuple[Page, str]) -> None:
    page, url = visit
    site.responses["/leave"] = redirecting
    site.put("/arrived", PAGE)
    page.goto(f"{url}/leave")
    assert page.url == f"{url}/arrived"
    assert page.evaluate("document.cookie") == "kept=1"


def test_an_error_page_has_the_script(site: Pages, visitor: Page) -> None:
    site.responses["/error"] = respond(PAGE).replace(b"200 OK", b"500 Broken")
    visitor.goto(f"{site.proxied}/error")
    assert visitor.evaluate(LIVE)
