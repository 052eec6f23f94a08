"""The site behind the proxy: its addresses, sockets and streams, and what is told of its pages."""

import gzip
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Origin

from tests.stack import free_port
from tests.wire.mitmdump import mitmdump
from tests.wire.raw import Client, RawServer, raw_server
from tests.wire.test_addon_wire import HEAD, NAVIGATE, PAGE, response, snippet_of

TOML = """
[proxy]
exclude = ["*/admin/*"]
debug_header = true
metrics_listen = "127.0.0.1:{metrics}"
[groups.1]
"""


@dataclass
class Site:
    port: int
    origin: RawServer
    metrics: int
    log: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def get(self, path: str, *lines: str) -> tuple[dict[str, str], bytes]:
        with Client(self.port) as client:
            client.send(f"GET {path} HTTP/1.1", f"Host: {self.host}", *lines)
            _, fields = client.head()
            return fields, client.body(fields)

    def counted(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        pairs = (li.rpartition(" ") for li in lines if li.startswith("cobrowse_responses_total{"))
        return {name.partition('"')[2].rstrip('"}'): float(value) for name, _, value in pairs}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    config, metrics, log = folder / "cobrowse.toml", free_port(), folder / "log"
    config.write_text(TOML.format(metrics=metrics))
    with raw_server() as origin, mitmdump(folder, config, origin.url, log=log) as port:
        yield Site(port, origin, metrics, log)


def test_the_site_keeps_its_own_name_and_the_visitor_another(site: Site) -> None:
    url = site.origin.url
    site.origin.answers(
        response(
            PAGE,
            f"Link: <{url}/a.css>; rel=preload",
            "Set-Cookie: a=1; Domain=bank.test; Secure; SameSite=None",
            "Set-Cookie: b=2; Path=/",
            "Strict-Transport-Security: max-age=1",
            'Alt-Svc: h3=":443"',
            f"Refresh: 5; url={url}/x",
        )
    )
    with Client(site.port) as client:
        client.send("GET / HTTP/1.1", f"Host: {site.host}", NAVIGATE)
        head = client.rest_of_head().decode()
    assert f"Link: <http://{site.host}/a.css>; rel=preload\r\n" in head
    assert "Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n" in head
    assert f"Refresh: 5; url=http://{site.host}/x\r\n" in head
    assert "Strict-Transport" not in head and "Alt-Svc" not in head


@pytest.mark.parametrize(
    ("path", "lines", "outcome"),
    [
        ("/", [], "spliced"),
        ("/admin/x", [], "excluded"),
        ("/", ["Content-Security-Policy: sandbox"], "sandbox"),
    ],
)
def test_what_became_of_a_page_is_told(
    site: Site, path: str, lines: list[str], outcome: str
) -> None:
    site.origin.answers(response(PAGE, *lines))
    before = site.counted().get(outcome, 0)
    fields, body = site.get(path, NAVIGATE)
    assert fields["x-cobrowse"] == ("splice" if outcome == "spliced" else outcome)
    assert (body == PAGE) is (outcome != "spliced")
    assert site.counted()[outcome] == before + 1


def test_the_log_tells_of_the_first_page_and_of_all_at_the_end(site: Site, tmp_path: Path) -> None:
    config, log = tmp_path / "cobrowse.toml", tmp_path / "log"
    config.write_text("[groups.1]\n")
    site.origin.answers(response(PAGE))
    with mitmdump(tmp_path, config, site.origin.url, log=log) as port, Client(port) as client:
        for line in ("Sec-Fetch-Mode: cors", NAVIGATE, NAVIGATE):
            client.send("GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", line)
            client.body(client.head()[1])
    told = [line for line in log.read_text().splitlines() if "with the script" in line]
    assert [line.partition("cobrowse: ")[2] for line in told] == [
        "1 page with the script; untouched: not a navigation 1",
        "2 pages with the script; untouched: not a navigation 1",
    ]


def test_a_change_of_a_policy_is_told_exactly(site: Site) -> None:
    site.origin.answers(response(PAGE, "Content-Security-Policy: default-src 'none'"))
    fields, body = site.get("/told", NAVIGATE)
    nonce = snippet_of(body).partition(b'nonce="')[2].partition(b'"')[0].decode()
    own = f"{site.host}/.cobrowse/"
    change = (
        f"Content-Security-Policy: script-src +'nonce-{nonce}'; "
        f"connect-src +http://{own} +ws://{own}"
    )
    assert fields["x-cobrowse"] == f"splice | {change}"
    assert f"cobrowse: http://{site.host}/told {change}" in site.log.read_text()


def test_a_compressed_page_that_is_left_alone_keeps_its_content(site: Site) -> None:
    text = b'{"json": 1}'
    site.origin.answers(response(gzip.compress(text), "Content-Encoding: gzip"))
    before = site.counted().get("JSON", 0)
    _, out = site.get("/", NAVIGATE, "Accept-Encoding: gzip")
    assert gzip.decompress(out) == text
    assert site.counted()["JSON"] == before + 1


def test_a_scripts_copy_of_a_page_is_another_one(site: Site) -> None:
    site.origin.answers(response(PAGE, 'ETag: "x"', "Vary: Cookie"))
    with Client(site.port) as client:
        client.send("GET / HTTP/1.1", f"Host: {site.host}", "Sec-Fetch-Mode: cors")
        head = client.rest_of_head().decode()
        assert client.exactly(len(PAGE)) == PAGE
    assert 'ETag: "x"\r\nVary: Cookie\r\n' in head
    assert "Vary: Sec-Fetch-Mode\r\n" in head


def test_a_frame_gets_the_script_without_the_visitors_values(site: Site) -> None:
    site.origin.answers(response(PAGE))
    _, body = site.get("/", NAVIGATE, "Sec-Fetch-Dest: iframe", "Cookie: customer_no=NB-1")
    snippet = snippet_of(body)
    assert b'"frame":true' in snippet and b"NB-1" not in snippet


def test_a_page_goes_through_two_proxies_with_one_script(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "cobrowse.toml"
    config.write_text("[groups.1]\n")
    site.origin.answers(response(PAGE))
    with mitmdump(tmp_path, config, f"http://{site.host}") as port, Client(port) as client:
        client.send("GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", NAVIGATE)
        snippet_of(client.body(client.head()[1]))


def test_a_stream_of_events_is_not_held_up(site: Site) -> None:
    go_on = threading.Event()

    def answer(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
        )
        assert go_on.wait(10)
        connection.sendall(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    site.origin.answer = answer
    with Client(site.port) as client:
        client.send("GET /events HTTP/1.1", f"Host: {site.host}", "Accept: text/event-stream")
        client.head()
        assert client.chunk() == b"data: 1\n\n"
        go_on.set()
        assert client.chunked() == b"data: 2\n\n"


def test_the_sites_own_sockets_pass(site: Site, tmp_path: Path) -> None:
    origins: list[str | None] = []

    def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        origins.append(connection.request.headers.get("Origin"))
        for message in connection:
            connection.send(message)

    config = tmp_path / "cobrowse.toml"
    config.write_text("[groups.1]\n")
    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        with mitmdump(tmp_path, config, url) as port:
            own = f"http://127.0.0.1:{port}"
            with connect(f"ws://127.0.0.1:{port}/chat", origin=Origin(own)) as client:
                for message in ("text", b"bytes"):
                    client.send(message)
                    assert client.recv(timeout=10) == message
        server.shutdown()
        thread.join()
    assert origins == [url]


def test_a_long_page_is_not_held_up(site: Site) -> None:
    part, sent = b"<p>words</p>" * 5_000, threading.Event()

    def answer(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in (HEAD, *[part] * 40):
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert sent.wait(10)
        connection.sendall(b"0\r\n\r\n")

    site.origin.answer = answer
    with Client(site.port) as client:
        client.send("GET / HTTP/1.1", f"Host: {site.host}", NAVIGATE)
        client.head()
        got = 0
        while got < 40 * len(part):
            got += len(client.chunk())
        sent.set()
        client.chunked()
