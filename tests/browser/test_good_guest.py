"""We are guests on somebody's page: small, quiet, gone when we go, and working whatever it does."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import brotlicffi
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from proxy_addon.snippet import SnippetMaker
from tests.browser.conftest import FLAGS, TIMEOUT_MS, VIEWPORT, chromium_path
from tests.browser.mirror import until, wait_for_equal_trees
from tests.browser.pages import Pages, complaints, serving_pages
from tests.browser.visiting import API, LISTEN, OPEN_UI, bar, button, call, dialog, wait_for

AXE = Path(__file__).parent.parent.parent / "web/node_modules/axe-core/axe.min.js"
BODY = "<h1>Host</h1><p>page <b id=b>text</b></p><form><input name=a></form>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("site")) as pages:
        pages.put(
            "/", f"<!doctype html><html lang=en><head><title>Host</title></head>{BODY}</html>"
        )
        yield pages


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=VIEWPORT, locale="en-GB")
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(LISTEN)
    yield context.new_page()
    context.close()


# -- size ----------------------------------------------------------------------------------------


def brotli_bytes(*names: str) -> int:
    return sum(
        len(brotlicffi.compress((files("relay") / "static" / name).read_bytes(), quality=11))
        for name in names
    )


def test_the_scripts_are_small() -> None:
    """In kB of 1,000 bytes. Peers load 52 to 150 kB (brotli) before anything happens."""
    stub = (files("proxy_addon") / "static" / "stub.js").read_text()
    assert len(stub) <= 2_300
    assert brotli_bytes("loader.js") <= 6_200
    # With the filter; of it 2,800 are the compressor's.
    assert brotli_bytes("capture.js") <= 24_000 + 2_800

    def block(**identity: str) -> int:
        snippet = SnippetMaker(stub).make(
            prefix="/.cobrowse/",
            group="12345",
            site="production",
            socket="",
            identity=identity,
            nonce="x" * 22,
        )
        return len(snippet) - len(stub)

    assert block(visitorid="59204gh_42", name="Niels Bohr", email="nbohr@shop.test") <= 500
    longest = block(visitorid="v" * 50, name="ü" * 63, email="é" * 127, phone="1" * 31)
    assert longest <= 1_600


# -- quiet ---------------------------------------------------------------------------------------

NATIVES = """
() => {
  const found = {};
  for (const name of ["Node", "Element", "HTMLElement", "HTMLInputElement", "Document",
      "ShadowRoot",
      "EventTarget", "CSSStyleSheet", "CSSStyleDeclaration", "History", "Window", "Array", "Object",
      "HTMLSelectElement", "HTMLTextAreaElement", "Storage", "XMLHttpRequest", "WebSocket"])
    for (const [key, { value, get, set }] of Object.entries(
      Object.getOwnPropertyDescriptors(window[name].prototype)))
      for (const part of [value, get, set])
        if (typeof part === "function") (found[`${name}.${key}`] ??= []).push(String(part));
  return found;
}
"""


def test_of_the_natives_only_attach_shadow_is_ours(site: Pages, page: Page) -> None:
    page.goto(site.direct)
    native = page.evaluate(NATIVES)
    own_globals = set(page.evaluate("Object.getOwnPropertyNames(window)"))
    page.goto(site.proxied)
    until(page, "GLANCE.Cobrowse._internal.ready === true")
    nodes = page.evaluate("document.querySelectorAll('*').length")
    for state in ("idle", "in a session", "after it"):
        now = page.evaluate(NATIVES)
        assert [k for k in native if now[k] != native[k]] == ["Element.attachShadow"], state
        added = set(page.evaluate("Object.getOwnPropertyNames(window)")) - own_globals
        assert added == {"GLANCE", "GLANCE_COBROWSE"}, state
        if state == "idle":
            call(page, "startSession()")
            wait_for(page, "sessionstart")
            until(page, "!!GLANCE.Cobrowse._internal.capture")
            # The bar is one element; capture adds none.
            until(page, f"document.querySelectorAll('*').length === {nodes + 1}")
        elif state == "in a session":
            call(page, "stopSession()")
            wait_for(page, "sessionend")
    assert page.evaluate("document.querySelectorAll('*').length") == nodes
    assert page.evaluate("Element.prototype.attachShadow.name") == "attachShadow"


def test_nothing_long_happens_before_a_session(site: Pages, page: Page) -> None:
    site.put("/long", f"<!doctype html><title>l</title>{BODY * 2000}")
    page.add_init_script(
        """window.tasks = [];
           new PerformanceObserver((list) => {
             for (const task of list.getEntries()) window.tasks.push(task.startTime);
           }).observe({ type: "longtask", buffered: true });"""
    )
    page.goto(f"{site.proxied}/long")
    loaded = page.evaluate("performance.timing.loadEventEnd - performance.timing.navigationStart")
    until(page, "GLANCE.Cobrowse._internal.ready === true")
    page.evaluate("new Promise((done) => requestIdleCallback(done))")
    assert [start for start in page.evaluate("window.tasks") if start > loaded] == []


# -- whatever the page does ----------------------------------------------------------------------

HOSTILE = {
    "nothing": "",
    "no JSON": "window.JSON = { parse() { throw 1 }, stringify() { throw 1 } };",
    "toJSON": """for (const it of [Array, String, Object]) Object.defineProperty(it.prototype,
                 'toJSON',
                 { value() { return 'spoiled' }, configurable: true });""",
    "Array.from": "Array.from = () => { throw new Error('from') };",
    "Promise": """window.Promise = class { then() { return this } catch() { return this }
                  static resolve() { return new this() } };""",
    "fetch": "window.fetch = () => { throw new Error('fetch') };",
    "WebSocket": "window.WebSocket = function () { throw new Error('socket') };",
    "attachShadow": "Element.prototype.attachShadow = function () { throw new Error('shadow') };",
    "frozen": "for (const it of [Array, Object, Element, Node]) Object.freeze(it.prototype);",
    "own GLANCE": "GLANCE.Other = { kept: true };",
    "AMD": "window.define = (name) => { window.defined = name; }; define.amd = {};",
    "CommonJS": "window.module = { exports: {} }; window.exports = module.exports;",
    "old library": """Array.prototype.each = Element.prototype.hide = function () {};
                      Element.prototype.remove = function () {
                        return this.parentNode.removeChild(this); };""",
    "clobbered": """addEventListener('DOMContentLoaded', () => { document.body.insertAdjacentHTML(
        'beforeend', `<form id=f>${["attributes", "parentNode", "firstChild", "nextSibling",
        "matches", "getAttribute", "nodeType", "localName", "shadowRoot", "scrollTop", "children",
        "defaultView", "closest", "style", "scrollLeft", "ownerDocument", "isContentEditable"]
        .map((name) => `<input name=${name}>`).join("")}</form><img name=title><img name=fonts>`);
        f.setAttribute("style", "height: 9px; overflow: scroll");
        Element.prototype.scrollBy.call(f, 0, 5); });""",
    "parent": "try { window.parent = null; window.top = null; } catch {}",
    "strict page": "",
    "listeners": """addEventListener = document.addEventListener =
                    () => { throw new Error('events') };""",
    "long strings": """document.write(`<style>p::before { content: "${"x".repeat(4e6)}";
        --x: "${"(".repeat(2e6)}"; --y: ${'\\\\"'.repeat(6e4)} }
        /* ${"'".repeat(1e5)} */</style>`);""",
    "createElement": """const make = document.createElement;
        document.createElement = function (name) { const made = make.call(this, name);
          made.setAttribute('data-made', ''); return made; };""",
}
STRICT = (
    "Content-Security-Policy: default-src 'self'; script-src 'nonce-page'; style-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'; connect-src 'self'"
)


@pytest.mark.parametrize("name", HOSTILE)
def test_it_works_whatever_the_page_does(site: Pages, page: Page, agent: Page, name: str) -> None:
    lines = [STRICT] if name == "strict page" else []
    nonce = " nonce=page" if lines else ""
    site.put(
        f"/{name.replace(' ', '-')}",
        f"""<!doctype html><html lang=en><head><title>Host</title>
        <script{nonce}>{HOSTILE[name]}</script></head>{BODY}
        <script{nonce}>window.lives = [1, 2].map((n) => n + 1).join()</script></html>""",
        *lines,
    )
    complained = complaints(page)
    page.goto(f"{site.proxied}/{name.replace(' ', '-')}")
    until(page, f"{API}?.inSession() === false")
    page.evaluate(
        f"""() => {{
          window.told = [];
          for (const name of ["sessionstart", "error", "sessionend"])
            {API}.addEventListener(name, (data) => {{ window.told.push(name, data); }});
          {API}.startSession("GLANCE_KEYTYPE_RANDOM");
        }}"""
    )
    until(page, "window.told.length > 0")
    assert page.evaluate("window.told[0]") == "sessionstart"
    agent.goto(site.stack.agent_view(page.evaluate(f"{API}.getKey()")))
    wait_for_equal_trees(page, agent)
    page.evaluate("document.getElementById('b').firstChild.data = 'changed'")
    wait_for_equal_trees(page, agent)
    assert page.evaluate("window.lives") == "2,3"
    if name == "own GLANCE":
        assert page.evaluate("GLANCE.Other.kept") is True
    if name == "AMD":
        assert page.evaluate("window.defined") is None
    page.evaluate(f"{API}.stopSession()")
    until(page, "window.told.includes('sessionend')")
    assert complained == []


def test_a_page_that_cannot_be_captured_is_told(site: Pages, page: Page) -> None:
    page.goto(site.proxied)
    call(page, "startSession('GLANCE_KEYTYPE_RANDOM')")
    wait_for(page, "sessionstart")
    until(page, "!!GLANCE.Cobrowse._internal.capture")
    page.evaluate(
        """() => {
          const now = performance.now;  // which the test itself needs
          performance.now = () => { throw new Error("no clock"); };
          document.body.append("more");
          setTimeout(() => { performance.now = now; }, 3000);
        }"""
    )
    assert wait_for(page, "error")["code"] == "service"
    wait_for(page, "sessionend")


def test_everything_works_by_plain_http_on_a_host_name(playwright: Playwright, site: Pages) -> None:
    """No secure context: no clipboard, no crypto.subtle, no Sec-Fetch fields."""
    rules = "--host-resolver-rules=MAP shop.test 127.0.0.1"
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, rules])
    context = browser.new_context(viewport=VIEWPORT, locale="en-GB")
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(LISTEN)
    context.add_init_script(OPEN_UI)
    page, agent = context.new_page(), browser.new_page()
    page.goto(site.proxied.replace("127.0.0.1", "shop.test"))
    assert page.evaluate("isSecureContext") is False
    call(page, "showButton()")
    button(page).click()
    dialog(page).get_by_role("button", name="Accept").click()
    wait_for(page, "sessionstart")
    key = call(page, "getKey()")
    agent.goto(site.stack.agent_view(key))
    wait_for_equal_trees(page, agent)
    bar(page).get_by_role("button", name="Copy").click()
    expect(bar(page).get_by_role("button", name="Copied")).to_be_visible()
    page.evaluate("document.querySelector('input').focus()")
    page.keyboard.press("Control+V")
    assert page.input_value("input") == key
    page.reload()
    wait_for(page, "sessioncontinue")
    call(page, "stopSession()")
    wait_for(page, "sessionend")
    browser.close()


# -- what visitors see ---------------------------------------------------------------------------


def violations(page: Page) -> list[Any]:
    page.add_script_tag(path=str(AXE))
    found: list[Any] = page.evaluate(
        "axe.run('cobrowse-visitor').then(({ violations }) =>"
        " violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]))"
    )
    return found


@pytest.mark.parametrize("width", [1000, 320])
@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "fr-FR", "es-ES", "pt-BR", "ja-JP", "ar-EG"])
def test_the_interface_is_for_everybody(
    browser: Browser, site: Pages, locale: str, width: int
) -> None:
    site.put("/plain", f"<!doctype html><title>t</title><main>{BODY}</main>")
    context = browser.new_context(viewport={"width": width, "height": 640}, locale=locale)
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(LISTEN)
    context.add_init_script(OPEN_UI)
    page = context.new_page()
    page.goto(f"{site.proxied}/plain")
    call(page, "showButton()")
    expect(button(page)).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.localName") != "cobrowse-visitor":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog(page)).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Enter")  # Accept has the focus
    wait_for(page, "sessionstart")
    expect(bar(page)).to_be_visible()
    assert violations(page) == []
    # Nothing stands out of the window, and nothing is cut.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in (bar(page).bounding_box(), bar(page).locator(".end").bounding_box()):
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
    direction = page.evaluate("document.querySelector('cobrowse-visitor').dir")
    assert direction == ("rtl" if locale == "ar-EG" else "ltr")
    call(page, "stopSession()")
    wait_for(page, "sessionend")
    context.close()


def test_no_style_goes_in_or_out(site: Pages, browser: Browser) -> None:
    site.put(
        "/styled",
        f"""<!doctype html><title>t</title><style>
          * {{ color: red !important; font: 40px cursive !important; margin: 9px !important; }}
          button, :not(html):not(body):not(main) {{ display: none !important; transform: none; }}
          cobrowse-visitor {{ opacity: 0 !important; }}
        </style>{BODY}""",
    )
    site.put("/unstyled", f"<!doctype html><title>t</title>{BODY}")
    looks = []
    context = browser.new_context(viewport=VIEWPORT, locale="en-GB")
    context.add_init_script(OPEN_UI)
    page = context.new_page()
    for path in ("/unstyled", "/styled"):
        page.goto(site.proxied + path)
        before = page.evaluate("getComputedStyle(document.body).cssText")
        call(page, "showButton()")
        until(page, "!!document.querySelector('cobrowse-visitor')")
        looks.append(
            page.evaluate(
                """(() => {
                  const host = document.querySelector("cobrowse-visitor");
                  const start = host.shadowRoot.querySelector(".start");
                  const { color, font, margin, display, backgroundColor } = getComputedStyle(start);
                  const { width, height } = start.getBoundingClientRect();
                  const { opacity, display: own } = getComputedStyle(host);
                  return [color, font, margin, display, backgroundColor, width, height, opacity,
                          own];
                })()"""
            )
        )
        assert page.evaluate("getComputedStyle(document.body).cssText") == before
    assert looks[0] == looks[1]
    context.close()
