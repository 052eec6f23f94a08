"""The agent sees the very files that the visitor got, and asks the site for nothing."""

import base64
import hashlib
import io
import time
from collections.abc import Callable, Iterator

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import TIMEOUT_MS, VIEWPORT
from tests.browser.mirror import difference, until
from tests.browser.pages import NOTHING, respond
from tests.browser.visiting import RANDOM, start_session
from tests.fonts import square_font
from tests.stack import Stack, running_stack
from tests.wire.raw import RawServer, raw_server

AGENT = "agents-own-browser"
COPY = "document.querySelector('#screen iframe').contentDocument"


def picture(colour: str, text: str = "") -> bytes:
    image = Image.new("RGB", (80, 40), colour)
    ImageDraw.Draw(image).text((4, 12), text or colour, fill="white")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


PICTURES = {
    name: picture(colour, name)
    for name, colour in {
        "plain": "navy",
        "private": "darkred",
        "moved": "teal",
        "wide": "purple",
        "narrow": "olive",
        "background": "black",
        "imported": "brown",
        "inline": "indigo",
        "other": "darkgreen",
        "poster": "maroon",
        "button": "steelblue",
        "drawn": "darkorange",
        "secret": "crimson",
        "cached": "sienna",
        "elsewhere": "gray",
    }.items()
}
ICONS = (
    b"<svg xmlns='http://www.w3.org/2000/svg'><symbol id='i' viewBox='0 0 10 10'>"
    b"<circle cx='5' cy='5' r='5' fill='green'/></symbol></svg>"
)
DRAWING = (
    b"<svg xmlns='http://www.w3.org/2000/svg' width='80' height='40'><script>parent.hit=1</script>"
    b"<rect width='80' height='40' fill='hotpink'/></svg>"
)
PAGE = """<!doctype html><title>files</title><base href="/deep/">
<link rel=stylesheet href="../site.css">
<link rel=stylesheet href="http://localhost:%(port)s/cdn/theme.css">
<link rel=stylesheet href="../integrity.css" integrity="sha256-%(integrity)s">
<style>.inline { background: url("../p/inline.png") } body { margin: 8px }
  div { width: 80px; height: 40px; display: inline-block } </style>
<img src="../p/plain.png"><img src="../p/private.png"><img src="../moved">
<img srcset="../p/narrow.png 100w, ../p/wide.png 800w" sizes=600px width=80>
<picture><source srcset="../p/other.png" media="(min-width: 1px)">
<img src="../p/plain.png"></picture>
<img src="http://localhost:%(port)s/p/elsewhere.png"><img src="../drawing.svg">
<div class=background></div><div class=imported></div><div class=inline></div>
<div style="background: url(../p/inline.png)"></div>
<div class=themed></div><div class=strict></div><input type=image src="../p/button.png" alt=b>
<video poster="../p/poster.png" width=80 height=40></video>
<svg width=40 height=40><use href="../icons.svg#i"/></svg>
<svg width=80 height=40><image href="../p/drawn.png"/></svg>
<table background="../p/background.png"><tr><td>in a table</table>
<p class=fonted>AAAA</p>
<img id=blob><img id=data src="data:image/png;base64,%(data)s">
<div class="glance_masked"><img src="../p/secret.png" width=4></div>
<script>
  fetch("../p/cached.png").then(r => r.blob()).then(b => blob.src = URL.createObjectURL(b));
</script>"""
SITE_CSS = """@import "css/more.css";
.background { background: url(p/background.png) }
@font-face { font-family: Square; src: url("square.ttf") }
.fonted { font: 40px Square }"""
THEME_CSS = """@import url("theme-more.css") screen;
.themed { background: url("../p/imported.png"); outline: 2px solid red }"""


class Site:
    """A site whose private files need a login, with the requests that it got."""

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self.heads: list[bytes] = []
        self.answers: dict[str, Callable[[bytes], bytes]] = {}
        self.responses = {
            "/site.css": respond(SITE_CSS, content_type="text/css"),
            "/css/more.css": respond(
                ".imported { background: url(../p/imported.png) }", content_type="text/css"
            ),
            "/cdn/theme.css": respond(THEME_CSS, content_type="text/css"),
            "/cdn/theme-more.css": respond(
                ".themed { border-radius: 12px }", content_type="text/css"
            ),
            "/integrity.css": respond(STRICT_CSS, content_type="text/css"),
            "/icons.svg": respond_bytes(ICONS, "image/svg+xml"),
            "/drawing.svg": respond_bytes(DRAWING, "image/svg+xml"),
            "/square.ttf": respond_bytes(square_font(), "font/ttf"),
            "/moved": b"HTTP/1.1 302 Found\r\nLocation: /p/moved.png\r\nContent-Length: 0\r\n\r\n",
        }

    def answer(self, head: bytes) -> bytes:
        self.heads.append(head)
        path = head.split()[1].decode("latin-1").partition("?")[0]
        if path in self.answers:
            return self.answers[path](head)
        if path.startswith("/p/"):
            if path == "/p/private.png" and b"login=yes" not in head:
                return b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
            name = path.removeprefix("/p/").removesuffix(".png")
            if name not in PICTURES:
                return NOTHING
            return respond_bytes(PICTURES[name], "image/png", "Cache-Control: max-age=600")
        return self.responses.get(path, NOTHING)


STRICT_CSS = ".strict { background: linear-gradient(red, blue) }"


def respond_bytes(body: bytes, kind: str, *lines: str) -> bytes:
    return respond(body, *lines, content_type=kind)


def page_for(stack: Stack) -> bytes:
    integrity = base64.b64encode(hashlib.sha256(STRICT_CSS.encode()).digest()).decode()
    data = base64.b64encode(PICTURES["other"]).decode()
    port = stack.visitor_url.rpartition(":")[2]
    text = PAGE % {"port": port, "integrity": integrity, "data": data}
    return respond(text, "Set-Cookie: login=yes; Path=/")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with raw_server() as server:
        site = Site(server)
        server.answer = lambda connection, head: connection.sendall(site.answer(head))
        yield site


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("files"), site.server.url) as stack:
        yield stack


@pytest.fixture
def agent(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, user_agent=AGENT)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


def test_the_copy_has_the_very_files(site: Site, stack: Stack, visitor: Page, agent: Page) -> None:
    site.responses["/"] = page_for(stack)
    asked: list[str] = []
    agent.on("request", lambda request: asked.append(request.url))
    visitor.goto(stack.visitor_url)
    until(visitor, "blob.naturalWidth > 0")
    key = start_session(visitor, RANDOM)
    agent.goto(stack.agent_view(key))
    look_the_same(visitor, agent)
    shown = files_shown(agent)
    for name in ("plain", "private", "moved", "wide", "other", "elsewhere", "cached"):
        assert digest(PICTURES[name]) in shown, name
    # Nothing came from the site, and nothing that is hidden came at all.
    assert {url.partition("?")[0].startswith((stack.relay_url, "data:")) for url in asked} == {True}
    assert not [head for head in site.heads if AGENT.encode() in head]
    assert digest(PICTURES["secret"]) not in shown
    assert agent.evaluate("window.hit") is None
    # The visitor's own cookie for it is ours alone.
    assert not [head for head in site.heads if b"cobrowse" in head]


def files_shown(agent: Page) -> set[str]:
    """Digests of the files that the copy's images have from the relay."""
    bodies = agent.evaluate(
        f"""() => Promise.all([...{COPY}.images]
          .filter(({{src}}) => src.startsWith("http"))
          .map(async ({{src}}) => [...new Uint8Array(await (await fetch(src)).arrayBuffer())]))"""
    )
    return {digest(bytes(body)) for body in bodies}


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def look_the_same(visitor: Page, agent: Page) -> None:
    expect(agent.locator("body")).to_have_attribute("data-page", "shown")
    deadline = time.monotonic() + 10
    while (unlike := difference(visitor, agent)) > 0.001:
        assert time.monotonic() < deadline, f"{unlike:.2%} of the pixels differ"
        agent.wait_for_timeout(50)


def test_files_that_come_later(site: Site, stack: Stack, visitor: Page, agent: Page) -> None:
    site.responses["/later"] = respond(
        """<!doctype html><title>later</title><style>
          .on { background: url(/p/background.png); width: 80px; height: 40px }</style>
          <div id=box></div><img id=image width=80 height=40>"""
    )
    visitor.goto(f"{stack.visitor_url}/later")
    agent.goto(stack.agent_view(start_session(visitor, RANDOM)))
    look_the_same(visitor, agent)
    # Its address was known from the first, and nothing was there.
    visitor.evaluate("box.className = 'on'")
    look_the_same(visitor, agent)
    for name in ("plain", "wide"):
        visitor.evaluate(f"image.src = '/p/{name}.png'")
        look_the_same(visitor, agent)
        assert files_shown(agent) == {digest(PICTURES[name])}
    visitor.evaluate(
        """() => { const canvas = document.createElement("canvas");
          canvas.width = 80; canvas.height = 40;
          const context = canvas.getContext("2d");
          context.fillStyle = "lime"; context.fillRect(0, 0, 80, 40);
          return new Promise((done) => canvas.toBlob((blob) => {
            image.src = URL.createObjectURL(blob); image.onload = done; })); }"""
    )
    look_the_same(visitor, agent)
    # Broken images look broken.
    visitor.evaluate("image.src = '/p/none'; image.alt = 'nothing here'")
    look_the_same(visitor, agent)


def test_one_visitors_file_never_serves_another(
    browser: Browser, site: Site, stack: Stack, agent: Page
) -> None:
    """The same address, another file for each: each agent sees the right one."""

    def mine(head: bytes) -> bytes:
        name = "wide" if b"who=renee" in head else "narrow"
        return respond_bytes(PICTURES[name], "image/png", "Cache-Control: private")

    site.answers["/me.png"] = mine
    page = "<!doctype html><title>me</title><img src=/me.png>"
    shown = {}
    for who, name in (("renee", "wide"), ("soren", "narrow")):
        site.responses["/me"] = respond(page, f"Set-Cookie: who={who}; Path=/")
        context = browser.new_context(viewport=VIEWPORT)
        visitor = context.new_page()
        visitor.goto(f"{stack.visitor_url}/me")
        agent.goto(stack.agent_view(start_session(visitor, RANDOM)))
        look_the_same(visitor, agent)
        shown[who] = files_shown(agent)
        assert shown[who] == {digest(PICTURES[name])}
        context.close()


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Stack]:
    """A proxy that keeps nothing, as if everything had been in the browser's cache before."""
    folder = tmp_path_factory.mktemp("without")
    more = "\n[proxy.assets]\nmemory_mb = 0\n"
    with running_stack(folder, site.server.url, more_config=more) as stack:
        yield stack


def test_what_the_proxy_has_not_is_given_by_the_page(
    site: Site, without: Stack, visitor: Page, agent: Page
) -> None:
    port = without.visitor_url.rpartition(":")[2]
    site.responses["/cached"] = respond(
        f"""<!doctype html><title>cached</title><style>
          @font-face {{ font-family: Square; src: url(/square.ttf) }}
          div {{ font: 40px Square; background: url(/p/background.png) }}</style>
          <div>AAAA</div><img src=/p/private.png><img src=/once.png>
          <img src="http://localhost:{port}/p/elsewhere.png" width=200 height=100>""",
        "Set-Cookie: login=yes; Path=/",
    )
    # One that no cache keeps, and that is another one each time.
    given = [PICTURES["other"], PICTURES["secret"]]
    site.answers["/once.png"] = lambda _: respond_bytes(
        given.pop(0), "image/png", "Cache-Control: no-store"
    )
    asked: list[str] = []
    agent.on("request", lambda request: asked.append(request.url))
    visitor.goto(f"{without.visitor_url}/cached")
    agent.goto(without.agent_view(start_session(visitor, RANDOM)))
    until(agent, f"{COPY}?.images.length === 3")
    until(agent, f"[...{COPY}.images].every((image) => image.complete && image.naturalWidth)")
    assert digest(PICTURES["private"]) in files_shown(agent)
    # Another host's image, which neither saw: its place, with a word of why.
    until(agent, f"decodeURIComponent({COPY}.images[2].src).includes('image not available')")
    look_the_same_but(visitor, agent, "img:last-child")
    assert len(given) == 1  # the site was not asked again
    assert {url.startswith((without.relay_url, "data:")) for url in asked} == {True}


def look_the_same_but(visitor: Page, agent: Page, selector: str) -> None:
    for page, root in ((visitor, "document"), (agent, COPY)):
        page.evaluate(f"{root}.querySelector({selector!r}).style.visibility = 'hidden'")
    look_the_same(visitor, agent)


def test_a_group_may_do_without(
    site: Site, visitor: Page, agent: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site.responses["/off"] = respond(
        """<!doctype html><title>off</title><style>div { background: url(/p/background.png) }
          </style><div>words</div><img src=/p/plain.png>"""
    )
    folder = tmp_path_factory.mktemp("off")
    settings = 'mask = "none"\nassets = false'
    asked: list[str] = []
    with running_stack(folder, site.server.url, settings=settings) as stack:
        visitor.on("request", lambda request: asked.append(request.url))
        agent.on("request", lambda request: asked.append(request.url))
        visitor.goto(f"{stack.visitor_url}/off")
        agent.goto(stack.agent_view(start_session(visitor, RANDOM)))
        until(agent, f"{COPY}?.images[0]?.width === 80")
        until(agent, f"{COPY}.images[0].src.startsWith('data:image/svg+xml')")
    assert not [url for url in asked if "/assets" in url]
