"""The addon in plain mitmdump, as the README starts it, between raw sockets."""

import gzip
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest

from tests.stack import GROUP, config_text, free_port
from tests.wire.mitmdump import mitmdump
from tests.wire.raw import Client, RawServer, raw_server

NAVIGATE = "Sec-Fetch-Mode: navigate"
HEAD = b"<!doctype html><html><head>"
PAGE = HEAD + b"<title>t</title></head><body>" + b"<p>words</p>" * 100 + b"</body></html>"
SECRET = "obviously-fake-secret-of-enough-length"


@dataclass
class Proxy:
    port: int
    origin: RawServer
    relay: RawServer

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connect(self) -> Client:
        return Client(self.port)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("wire")
    (folder / "token_secret").write_text(SECRET)
    config = folder / "cobrowse.toml"
    with raw_server() as origin, raw_server() as relay:
        text = config_text(folder)
        config.write_text(text + f'[proxy]\nrelay = "http://127.0.0.1:{relay.port}"\n')
        with mitmdump(folder, config, origin.url) as port:
            yield Proxy(port, origin, relay)


@pytest.fixture
def proxy(servers: Proxy) -> Proxy:
    for server in (servers.origin, servers.relay):
        while not server.heads.empty():
            server.heads.get()
    return servers


def response(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    fields = [f"HTTP/1.1 {status}", "Content-Type: text/html", *lines]
    fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*fields, "", ""]).encode() + body


def snippet_of(body: bytes) -> bytes:
    """The one script that was added to PAGE; fails when anything else has changed."""
    assert body.startswith(HEAD + b'<script id="glance-cobrowse"')
    rest = body.removeprefix(HEAD)
    snippet, closing, after = rest.partition(b"</script>")
    assert HEAD + after == PAGE
    return snippet + closing


def test_a_page_is_spliced_and_nothing_else_changes(proxy: Proxy) -> None:
    proxy.origin.answers(response(PAGE, 'ETag: "x"', "Set-Cookie: a=1", "Set-Cookie: b=2"))
    with proxy.connect() as client:
        for _ in range(2):  # on one connection: the framing holds
            client.send("GET /page HTTP/1.1", f"Host: {proxy.host}", NAVIGATE)
            status, fields = client.head()
            assert status == 200
            snippet_of(client.chunked())
    assert "etag" not in fields and "content-length" not in fields
    assert fields["cache-control"] == "private, no-cache"


def test_values_come_from_cookies_and_our_own_never_reach_the_origin(proxy: Proxy) -> None:
    proxy.origin.answers(response(PAGE))
    with proxy.connect() as client:
        client.send(
            "GET / HTTP/1.1",
            f"Host: {proxy.host}",
            "Sec-Fetch-Mode: navigate",
            "Cookie: customer_no=NB-1; cobrowse_session=K.t; customer_name=%3C/script%3E; z=1",
        )
        client.head()
        snippet = snippet_of(client.chunked())
    assert b'"visitorid":"NB-1"' in snippet
    assert b'"name":"\\u003c/script\\u003e"' in snippet
    head = proxy.origin.head()
    assert b"Cookie: customer_no=NB-1; customer_name=%3C/script%3E; z=1\r\n" in head
    assert f"Host: 127.0.0.1:{proxy.origin.port}\r\n".encode() in head
    assert b"cobrowse" not in head.lower()


def test_gzip_goes_in_and_gzip_comes_out(proxy: Proxy) -> None:
    proxy.origin.answers(response(gzip.compress(PAGE), "Content-Encoding: gzip"))
    with proxy.connect() as client:
        client.send(
            "GET / HTTP/1.1", f"Host: {proxy.host}", NAVIGATE, "Accept-Encoding: gzip, br, zstd"
        )
        _, fields = client.head()
        assert fields["content-encoding"] == "gzip"
        snippet_of(gzip.decompress(client.body(fields)))
    assert b"Accept-Encoding: zstd, gzip\r\n" in proxy.origin.head()


def test_what_the_origin_sends_early_the_visitor_sees_early(proxy: Proxy) -> None:
    go_on = threading.Event()
    first, rest = PAGE[:-100], PAGE[-100:]

    def answer(connection: socket.socket, _head: bytes) -> None:
        whole = response(PAGE)
        connection.sendall(whole.removesuffix(rest))
        assert go_on.wait(10)
        connection.sendall(rest)

    proxy.origin.answer = answer
    with proxy.connect() as client:
        client.send("GET /slow HTTP/1.1", f"Host: {proxy.host}", NAVIGATE)
        client.head()
        early = b""
        while not early.endswith(first[-50:]):
            early += client.chunk()
        go_on.set()
        snippet_of(early + client.chunked())


@pytest.mark.parametrize(
    ("request_lines", "body", "lines"),
    [
        (["GET / HTTP/1.1", "Sec-Fetch-Mode: cors", "Accept: text/html"], PAGE, []),
        (["GET / HTTP/1.1", "Accept: */*"], PAGE, []),
        (["GET / HTTP/1.1", "Accept: text/html", "HX-Request: true"], PAGE, []),
        (["GET / HTTP/1.1", NAVIGATE], PAGE, ["Content-Disposition: attachment"]),
        (["GET / HTTP/1.1", NAVIGATE], b"\x28\xb5\x2f\xfd", ["Content-Encoding: zstd"]),
        (["GET / HTTP/1.1", NAVIGATE], b"", []),
    ],
)
def test_what_is_no_page_passes_byte_for_byte(
    proxy: Proxy, request_lines: list[str], body: bytes, lines: list[str]
) -> None:
    proxy.origin.answers(response(body, 'ETag: "x"', *lines))
    with proxy.connect() as client:
        first, *rest = request_lines
        client.send(first, f"Host: {proxy.host}", *rest)
        _, fields = client.head()
        if fields.get("transfer-encoding") == "chunked":
            assert client.chunked() == body
        else:
            assert fields["etag"] == '"x"'
            assert client.exactly(len(body)) == body


def test_head_and_not_modified_keep_their_fields(proxy: Proxy) -> None:
    with proxy.connect() as client:
        proxy.origin.answers(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 77\r\n\r\n"
        )
        client.send("HEAD / HTTP/1.1", f"Host: {proxy.host}", NAVIGATE)
        assert client.head()[1]["content-length"] == "77"
        proxy.origin.answers(b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n')
        client.send("GET / HTTP/1.1", f"Host: {proxy.host}", NAVIGATE)
        status, fields = client.head()
        assert (status, fields["etag"]) == (304, '"x"')


def test_an_old_client_gets_a_page_that_ends_with_the_connection(proxy: Proxy) -> None:
    proxy.origin.answers(response(PAGE))
    with proxy.connect() as client:
        client.send("GET / HTTP/1.0", f"Host: {proxy.host}", "Accept: text/html")
        _, fields = client.head()
        assert "transfer-encoding" not in fields and "content-length" not in fields
        snippet_of(client.rest())


def test_a_strict_policy_lets_the_snippet_run_and_nothing_else(proxy: Proxy) -> None:
    policy = "default-src 'none'; script-src 'self'"
    proxy.origin.answers(response(PAGE, f"Content-Security-Policy: {policy}"))
    with proxy.connect() as client:
        client.send("GET / HTTP/1.1", f"Host: {proxy.host}", NAVIGATE)
        _, fields = client.head()
        snippet = snippet_of(client.chunked())
    nonce = snippet.partition(b'nonce="')[2].partition(b'"')[0].decode()
    assert len(nonce) >= 20
    reach = f"http://{proxy.host}/.cobrowse/ ws://{proxy.host}/.cobrowse/"
    assert fields["content-security-policy"] == (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; connect-src {reach}"
    )


def test_the_origin_is_asked_in_its_own_name_and_answers_in_the_visitors(proxy: Proxy) -> None:
    origin = f"http://127.0.0.1:{proxy.origin.port}"
    proxy.origin.answers(response(b"", f"Location: {origin}/next?x=1", status="302 Found"))
    with proxy.connect() as client:
        client.send(
            "POST /form HTTP/1.1",
            f"Host: {proxy.host}",
            f"Origin: http://{proxy.host}",
            f"Referer: http://{proxy.host}/form",
            "Content-Length: 3",
            NAVIGATE,
            body=b"a=1",
        )
        _, fields = client.head()
    assert fields["location"] == f"http://{proxy.host}/next?x=1"
    head = proxy.origin.head().decode()
    assert f"Origin: {origin}\r\n" in head
    assert f"Referer: {origin}/form\r\n" in head


@pytest.mark.parametrize(
    "path",
    [
        "/.cobrowse/",
        "/.cobrowse",
        "/.cobrowse/console",
        "/.cobrowse/cobrowse/AgentView.aspx",
        "/.cobrowse/../.cobrowse/console",
        "/.cobrowse/%2e%2e/.cobrowse/metrics",
        "/x/..%2f.cobrowse%2fsocket%2f..%2fconsole",
        "/.cobrowse\\..\\.cobrowse\\console",
        "//.cobrowse//static//viewer.js",
        "/.cobrowse/socket",  # no upgrade
    ],
)
def test_everything_else_under_the_prefix_is_not_found(proxy: Proxy, path: str) -> None:
    with proxy.connect() as client:
        client.send(f"GET {path} HTTP/1.1", f"Host: {proxy.host}")
        assert client.head()[0] == 404
    assert proxy.origin.hears_nothing()
    assert proxy.relay.hears_nothing()


def test_the_relay_sees_nothing_of_the_site(proxy: Proxy) -> None:
    proxy.relay.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with proxy.connect() as client:
        client.send(
            "GET /a/..//.cobrowse/%6coader.js?v=1 HTTP/1.1",
            f"Host: {proxy.host}",
            "Cookie: NBSESSION=secret; cobrowse_visitor=x",
            "Authorization: Basic secret",
            f"Referer: http://{proxy.host}/accounts?secret",
            "X-Forwarded-For: 6.6.6.6",
            "Accept: */*",
        )
        client.head()
        assert client.exactly(2) == b"ok"
    heads = [proxy.relay.head() for _ in range(proxy.relay.heads.qsize())]
    head = next(h for h in heads if h).decode()
    assert head.startswith("GET /visitor/loader.js?v=1 HTTP/1.1\r\n")
    assert "secret" not in head and "cobrowse_visitor" not in head
    assert "X-Forwarded-For: 127.0.0.1\r\n" in head
    assert f"X-Forwarded-Host: {proxy.host}\r\n" in head
    assert proxy.origin.hears_nothing()


def ask_for_token(proxy: Proxy, *lines: str, method: str = "POST") -> tuple[int, dict[str, str]]:
    with proxy.connect() as client:
        request = f"{method} /.cobrowse/token HTTP/1.1"
        client.send(request, f"Host: {proxy.host}", "Content-Length: 0", *lines)
        status, fields = client.head()
        fields["body"] = client.exactly(int(fields["content-length"])).decode()
        return status, fields


def claims(token: str) -> dict[str, object]:
    decoded: dict[str, object] = jwt.decode(
        token, SECRET, algorithms=["HS256"], audience="cobrowse-visitor"
    )
    return decoded


def test_a_token_is_bound_to_the_page_and_the_browser(proxy: Proxy) -> None:
    own = f"Origin: http://{proxy.host}"
    status, fields = ask_for_token(proxy, own, "Cookie: customer_no=NB-1; customer_mail=%FF")
    assert (status, fields["cache-control"]) == (200, "no-store")
    first = claims(fields["body"])
    assert (first["group"], first["origin"]) == (GROUP, f"http://{proxy.host}")
    assert first["identity"] == {"visitorid": "NB-1"}
    assert int(str(first["exp"])) - int(str(first["iat"])) == 60
    cookie, *attributes = fields["set-cookie"].split("; ")
    assert attributes == ["Path=/.cobrowse/", "HttpOnly", "SameSite=Lax"]
    status, again = ask_for_token(proxy, own, f"Cookie: {cookie}")
    assert "set-cookie" not in again
    second = claims(again["body"])
    assert second["visitor"] == first["visitor"] and second["jti"] != first["jti"]
    assert cookie.partition("=")[2] not in str(second)
    assert proxy.origin.hears_nothing()


@pytest.mark.parametrize(
    ("lines", "method"),
    [
        ([], "POST"),
        (["Origin: http://evil.test"], "POST"),
        (["Origin: null"], "POST"),
        (["Origin: OWN"], "GET"),
        (["Origin: OWN", "Sec-Fetch-Site: cross-site"], "POST"),
    ],
)
def test_nobody_else_gets_a_token(proxy: Proxy, lines: list[str], method: str) -> None:
    own = f"http://{proxy.host}"
    status, fields = ask_for_token(proxy, *(li.replace("OWN", own) for li in lines), method=method)
    assert status == 403
    assert "set-cookie" not in fields


@pytest.mark.parametrize("framing", ["Content-Length: 400000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["token", "nothing", "loader.js"])
def test_a_body_for_a_reserved_path_is_not_kept(proxy: Proxy, path: str, framing: str) -> None:
    with proxy.connect() as client:
        client.send(f"POST /.cobrowse/{path} HTTP/1.1", f"Host: {proxy.host}", framing)
        assert client.rest() == b""


@pytest.mark.parametrize("host", ["\udcff\udcfe.x", "[bad", "a]b["])
@pytest.mark.parametrize("path", ["/", "/.cobrowse/loader.js", "/.cobrowse/token"])
def test_an_odd_host_takes_none_of_our_cookies_along(proxy: Proxy, host: str, path: str) -> None:
    proxy.origin.answers(response(b"x"))
    with proxy.connect() as client:
        client.send(
            f"GET {path} HTTP/1.1", f"Host: {host}", "Cookie: cobrowse_session=K.t", NAVIGATE
        )
        client.rest_of_head()
    while not proxy.origin.hears_nothing():
        assert b"cobrowse" not in proxy.origin.head()


def test_an_address_in_brackets_is_an_origin_too(proxy: Proxy) -> None:
    with proxy.connect() as client:
        client.send(
            "POST /.cobrowse/token HTTP/1.1", "Host: [::1]:8080", "Origin: http://[::1]:8080"
        )
        assert client.head()[0] == 200


def test_without_a_relay_the_scripts_are_empty_and_no_error(proxy: Proxy, tmp_path: Path) -> None:
    """mitmproxy's own answer would be a 502, which stands in the console of a foreign page."""
    config = tmp_path / "cobrowse.toml"
    config.write_text(f'[proxy]\nrelay = "http://127.0.0.1:{free_port()}"\n[groups.1]\n')
    with mitmdump(tmp_path, config, proxy.origin.url) as port, Client(port) as client:
        client.send("GET /.cobrowse/loader.js HTTP/1.1", f"Host: 127.0.0.1:{port}")
        status, fields = client.head()
    assert (status, fields["content-length"]) == (200, "0")
    assert fields["cache-control"] == "no-store"
