"""A page of the site to try selectors on: fetched by the relay, of no other host, and harmless."""

import contextlib
import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from relay.accounts import trial
from relay.accounts.trial import MAX_PAGE_BYTES, Trial, TrialError

HTML = "text/html; charset=utf-8"
# path to status, headers and body
Answers = dict[str, tuple[int, dict[str, str], bytes]]


class Site(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def make_site() -> Iterator[Callable[[], Site]]:
    with contextlib.ExitStack() as stack:

        def make() -> Site:
            site = stack.enter_context(Site())
            thread = threading.Thread(target=site.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(site.shutdown)
            return site

        yield make


@pytest.fixture
def site(make_site: Callable[[], Site]) -> Site:
    return make_site()


def page(site: Site, body: str | bytes, path: str = "/", **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body
    site.answers[path] = (200, {"Content-Type": HTML, **named}, content)


async def test_a_page_with_its_own_style_sheets(site: Site) -> None:
    page(site, '<title>Über</title><link rel=stylesheet href="/a.css"><p class=iban>DE1</p>')
    site.answers["/a.css"] = (200, {"Content-Type": "text/css"}, b".iban { color: red }</style>")
    html = await Trial({"": site.url}).page(f"{site.url}/#x")
    assert "Über" in html and '<p class="iban">DE1</p>' in html and ".iban { color: red }" in html
    assert html.count("</style>") == 1 and "/a.css" not in html
    assert site.paths == ["/", "/a.css"]
    # Nothing of ours goes along.
    assert not {"Cookie", "Authorization", "Referer"} & site.asked[0][1].keys()


async def test_visitors_names_of_hosts_lead_to_their_own_sites(
    make_site: Callable[[], Site],
) -> None:
    shop, bank = make_site(), make_site()
    page(shop, "shop", "/a?b=1")
    page(bank, "bank", "/a?b=1")
    tried = Trial({"shop.test": shop.url, "bank.test:8443": bank.url})
    assert "shop" in await tried.page("https://SHOP.test/a?b=1")
    assert "shop" in await tried.page("http://shop.test:99/a?b=1")
    assert "bank" in await tried.page("https://bank.test:8443/a?b=1")
    assert tried.origins == sorted([shop.url, bank.url])
    with pytest.raises(TrialError):
        await tried.page("https://bank.test/a?b=1")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://127.0.0.1:{other}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://0x7f000001:{port}/",
        "http://2130706433:{port}/",
        "http://127.1:{port}/",
        "http://shop.test@127.0.0.1:{other}/",
        "http://127.0.0.1:{port}@evil.test/",
        "http://127.0.0.1:{port}\\@evil.test/",
        "http://127.0.0.1:{port}.evil.test/",
        "http://evil.test#@127.0.0.1:{port}/",
        "http://evil.test/?127.0.0.1:{port}",
        "https://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/",
        "javascript:alert(1)",
        "data:text/html,x",
        "//127.0.0.1:{port}/",
        "http://[",
        "http://127.0.0.1:99999/",
        "http://:80/",
        "",
        "/",
        "http://" + "a" * 70_000,
    ],
)
async def test_other_hosts_are_not_asked(make_site: Callable[[], Site], url: str) -> None:
    site, other = make_site(), make_site()
    page(site, "ours")
    page(other, "secret")
    ports = {"{port}": site.server_address[1], "{other}": other.server_address[1]}
    for name, port in ports.items():
        url = url.replace(name, str(port))
    with pytest.raises(TrialError):
        await Trial({"": site.url}).page(url)
    assert site.asked == other.asked == []


async def test_without_a_site_nothing_is_asked(site: Site) -> None:
    with pytest.raises(TrialError, match="names no site"):
        await Trial({}).page(site.url)


async def test_strange_paths_stay_at_the_site(site: Site) -> None:
    for path in (
        "//evil.test/x",
        "/\r\nX-Evil: 1",
        "/ HTTP/1.1",
        "/é?ü",
        "/%0d%0aX: 1",
        "/../../x",
    ):
        with contextlib.suppress(TrialError):
            await Trial({"": site.url}).page(site.url + path)
    assert all("X-Evil" not in headers and "X" not in headers for _, headers in site.asked)
    assert len(site.asked) >= 4


@pytest.mark.parametrize("where", ["other", "http://evil.test/", "file:///x", "//[", "http://["])
async def test_a_redirect_to_another_host_is_not_followed(
    make_site: Callable[[], Site], where: str
) -> None:
    """Even to one that is behind the proxy, too: who asks sees which site it is."""
    site, other = make_site(), make_site()
    page(other, "secret")
    target = other.url if where == "other" else where
    site.answers["/"] = (302, {"Location": target}, b"")
    with pytest.raises(TrialError):
        await Trial({"": site.url, "other.test": other.url}).page(site.url)
    assert site.paths == ["/"] and other.asked == []


async def test_redirects_within_the_site_are_followed_but_not_for_ever(site: Site) -> None:
    site.answers["/"] = (302, {"Location": "/next"}, b"")
    page(site, "there", "/next")
    assert "there" in await Trial({"": site.url}).page(site.url)
    site.answers["/next"] = (302, {"Location": "/"}, b"")
    with pytest.raises(TrialError, match="without an end"):
        await Trial({"": site.url}).page(site.url)


async def test_what_is_too_large_is_not_held(site: Site) -> None:
    zeros = b"0" * 1024 * 1024
    page(site, zeros * 4)
    page(site, gzip.compress(zeros * 200), "/bomb", Content_Encoding="gzip")
    for path in ("/", "/bomb"):
        tracemalloc.start()
        with pytest.raises(TrialError, match="larger than 3 MB"):
            await Trial({"": site.url}).page(site.url + path)
        assert tracemalloc.get_traced_memory()[1] < 5 * MAX_PAGE_BYTES, path
        tracemalloc.stop()
    page(
        site, gzip.compress(b"<p>" + b"0" * (MAX_PAGE_BYTES - 3)), "/fits", Content_Encoding="gzip"
    )
    assert len(await Trial({"": site.url}).page(f"{site.url}/fits")) > MAX_PAGE_BYTES


@pytest.mark.parametrize(
    ("headers", "body", "problem"),
    [
        ({"Content-Type": "application/pdf"}, b"%PDF", "This is no page, but application/pdf"),
        ({"Content-Type": HTML, "Content-Encoding": "br"}, b"x", "compresses its page by br"),
        ({"Content-Type": HTML, "Content-Encoding": "gzip"}, b"no gzip", "gave no page"),
    ],
)
async def test_what_is_no_page_is_told(
    site: Site, headers: dict[str, str], body: bytes, problem: str
) -> None:
    site.answers["/"] = (200, headers, body)
    with pytest.raises(TrialError, match=problem):
        await Trial({"": site.url}).page(site.url)


async def test_a_site_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial, "TIMEOUT_S", 0.05)
    with socket_that_says_nothing() as url, pytest.raises(TrialError, match="no page within"):
        await Trial({"": url}).page(url)


async def test_a_site_that_is_not_there_is_told(site: Site) -> None:
    with socket_that_says_nothing() as url:
        pass
    with pytest.raises(TrialError, match="gave no page: ConnectError"):
        await Trial({"": url}).page(url)


@contextlib.contextmanager
def socket_that_says_nothing() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


HOSTILE = """<html onload=x()><base href="//evil.test/">
<meta http-equiv=refresh content="0;//evil.test"><meta charset=utf-8>
<script>x()</script><SCRIPT src=//evil.test></SCRIPT><noscript>n</noscript>
<link rel=icon href=//evil.test><link rel="preload stylesheet" href="//evil.test/x.css">
<body background=//evil.test><img src=//evil.test srcset="//evil.test 2x" onerror=x() alt=a>
<iframe src=//evil.test></iframe><object data=//evil.test></object><embed src=//evil.test>
<a href="javascript:x()" ping=//evil.test target=_blank>j</a>
<a href=" JaVa\tScript:x()">k</a><a href="java&#10;script:x()">l</a>
<form action="javascript:x()"><button formaction=//evil.test>b</button></form>
<svg onload=x()><script>x()</script><image href=//evil.test xlink:href=//evil.test />
<use href="//evil.test#a"/><a xlink:href="javascript:x()">s</a></svg>
<math><annotation-xml encoding="text/html"><script>x()</script></annotation-xml></math>
<video poster=//evil.test src=//evil.test></video><template><img src=//evil.test></template>
<textarea></textarea><input autofocus value=v><p id=kept class="a b" title=t>text</p>"""


async def test_nothing_of_the_page_runs_leads_away_or_fetches(site: Site) -> None:
    page(site, HOSTILE)
    html = await Trial({"": site.url}).page(site.url)
    lowered = html.lower()
    assert "evil.test" not in lowered and "x()" not in lowered
    for part in ("<script", "<iframe", "<object", "<embed", "<base", "<meta", "<link", "onload"):
        assert part not in lowered
    assert '<p class="a b" id="kept" title="t">text</p>' in html and 'value="v"' in html
    assert site.paths == ["/"]


async def test_a_page_nested_without_an_end_is_told_or_shown(site: Site) -> None:
    page(site, "<div>" * 100_000)
    with contextlib.suppress(TrialError):
        assert "<div>" in await Trial({"": site.url}).page(site.url)
