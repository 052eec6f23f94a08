"""Pages over the pairs of protocols that mitmproxy makes: 1.0, 1.1 and 2, to visitor and origin."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd

from tests.stack import config_text
from tests.wire.http2 import H2Client, H2Origin, h2_origin, make_certificate
from tests.wire.mitmdump import mitmdump
from tests.wire.raw import Client, RawServer, raw_server
from tests.wire.test_addon_wire import HEAD, NAVIGATE, PAGE, response, snippet_of

CODE: dict[str, Callable[[bytes], bytes]] = {
    "": lambda page: page,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
}
DECODE: dict[str, Callable[[bytes], bytes]] = {
    "": lambda body: body,
    "gzip": gzip.decompress,
    "zstd": zstd.decompress,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("protocols")


@pytest.fixture(scope="module")
def config(folder: Path) -> Path:
    path = folder / "cobrowse.toml"
    path.write_text(config_text(folder))
    return path


@pytest.fixture(scope="module")
def http1(folder: Path, config: Path) -> Iterator[tuple[int, RawServer]]:
    """A proxy in front of an HTTP/1.1 origin."""
    with raw_server() as origin, mitmdump(folder, config, origin.url) as port:
        yield port, origin


@pytest.fixture(scope="module")
def http2(folder: Path, config: Path) -> Iterator[tuple[int, H2Origin]]:
    """A proxy in front of an HTTP/2 origin."""
    with h2_origin(make_certificate(folder)) as origin:
        url = f"https://127.0.0.1:{origin.port}"
        with mitmdump(folder, config, url, "ssl_insecure=true") as port:
            yield port, origin


COOKIES = [("cookie", "customer_no=NB-1"), ("cookie", "cobrowse_session=K.t; z=1")]
NAVIGATES = ("sec-fetch-mode", "navigate")


@pytest.mark.parametrize("coding", CODE)
def test_http2_to_http2(http2: tuple[int, H2Origin], coding: str) -> None:
    port, origin = http2
    origin.body = CODE[coding](PAGE)
    origin.headers = [(":status", "200"), ("content-type", "text/html"), ("etag", '"x"')]
    origin.headers += [("content-encoding", coding)] if coding else []
    with H2Client(port) as client:
        for _ in range(2):
            headers, body = client.get(
                f"127.0.0.1:{port}", NAVIGATES, ("accept-encoding", "gzip, zstd"), *COOKIES
            )
            fields = dict(headers)
            snippet = snippet_of(DECODE[coding](body))
            assert b'"visitorid":"NB-1"' in snippet
            assert "transfer-encoding" not in fields and "etag" not in fields
            assert fields.get("content-length", str(len(body))) == str(len(body))
    sent = origin.requests[-1]
    assert dict(sent)[":authority"] == f"127.0.0.1:{origin.port}"
    cookies = "; ".join(value for name, value in sent if name == "cookie")
    assert cookies == "customer_no=NB-1; z=1"


EMPTY: dict[str, tuple[str, list[bytes], bool]] = {
    "first": ("", [b"", PAGE], True),
    "after a space": ("", [b"\n", b"", PAGE], False),
    "in a byte order mark": ("", [b"\xef\xbb", b"", b"\xbf" + PAGE], False),
    "between frames of zstd": (
        "zstd",
        [zstd.compress(PAGE[:500]), b"", zstd.compress(PAGE[500:])],
        True,
    ),
    "in gzip": ("gzip", [gzip.compress(PAGE)[:50], b"", gzip.compress(PAGE)[50:]], True),
    "last": ("", [PAGE, b""], True),
}


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("where", EMPTY)
def test_an_empty_frame_is_not_the_end(
    http2: tuple[int, H2Origin], where: str, length: bool
) -> None:
    port, origin = http2
    coding, origin.frames, placed = EMPTY[where]
    size = sum(map(len, origin.frames))
    origin.headers = [(":status", "200"), ("content-type", "text/html; charset=utf-8")]
    origin.headers += [("content-encoding", coding)] if coding else []
    origin.headers += [("content-length", str(size))] if length else []
    with H2Client(port) as client:
        _, body = client.get(f"127.0.0.1:{port}", NAVIGATES, ("accept-encoding", "gzip, zstd"))
    origin.frames = []
    page = DECODE[coding](body)
    before, mark, rest = page.partition(b'<script id="glance-cobrowse"')
    after = rest.partition(b"</script>")[2] if mark else b""
    assert before + after in (PAGE, b"\n" + PAGE, b"\xef\xbb\xbf" + PAGE)
    assert not mark or before.endswith(HEAD)
    assert bool(mark) is (placed or length)


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("page", [PAGE, PAGE[:200]])
def test_a_body_that_is_shorter_than_announced(
    http1: tuple[int, RawServer], coding: str, page: bytes
) -> None:
    """Old servers announce the length of what they then compress. A browser shows what came."""
    port, origin = http1
    body = CODE[coding](page)
    fields = ["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", "Content-Length: 50000"]
    fields += [f"Content-Encoding: {coding}"] if coding else []
    origin.answers_and_closes("\r\n".join([*fields, "", ""]).encode() + body)
    with Client(port) as client:
        client.send("GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", NAVIGATE, "Accept-Encoding: gzip")
        status, _ = client.head()
        assert status == 200
        shown = client.chunked_so_far()
    shown = zlib.decompressobj(31).decompress(shown) if coding else shown
    assert shown.startswith(HEAD + b"<script id=")
    assert shown.partition(b"</script>")[2] == page.removeprefix(HEAD)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_http2_to_http1(http1: tuple[int, RawServer], framing: str) -> None:
    port, origin = http1
    if framing == "length":
        origin.answers(response(PAGE))
    else:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
        origin.answers(head.encode(), b"%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE))
    with H2Client(port) as client:
        headers, body = client.get(f"127.0.0.1:{port}", NAVIGATES, *COOKIES)
    assert b'"visitorid":"NB-1"' in snippet_of(body)
    assert "transfer-encoding" not in dict(headers)
    assert b"cobrowse" not in origin.head().lower()


def test_an_upload_of_unknown_length_arrives_whole(http1: tuple[int, RawServer]) -> None:
    port, origin = http1
    origin.answers(response(b"thanks"))
    while not origin.hears_nothing():
        origin.head()  # of the tests before
    with H2Client(port) as client:
        _, body = client.get(f"127.0.0.1:{port}", upload=b"hello upload")
    assert b"thanks" in body
    head = origin.head()
    assert b"transfer-encoding: chunked" in head.lower()


@pytest.mark.parametrize("client_version", ["1.0", "1.1"])
@pytest.mark.parametrize("origin_version", ["1.0", "1.1"])
@pytest.mark.parametrize("framing", ["length", "close"])
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_http1_to_http1(
    http1: tuple[int, RawServer],
    client_version: str,
    origin_version: str,
    framing: str,
    coding: str,
) -> None:
    port, origin = http1
    body = CODE[coding](PAGE)
    lines = [f"HTTP/{origin_version} 200 OK", "Content-Type: text/html"]
    lines += [f"Content-Encoding: {coding}"] if coding else []
    lines += [f"Content-Length: {len(body)}"] if framing == "length" else ["Connection: close"]
    head = "\r\n".join([*lines, "", ""]).encode()
    if framing == "length":
        origin.answers(head + body)
    else:
        origin.answers_and_closes(head + body)
    with Client(port) as client:
        client.send(
            f"GET / HTTP/{client_version}",
            f"Host: 127.0.0.1:{port}",
            NAVIGATE,
            "Accept-Encoding: gzip",
        )
        _, fields = client.head()
        framed = "transfer-encoding" in fields or "content-length" in fields
        out = client.body(fields) if framed else client.rest()
    assert client_version != "1.0" or "transfer-encoding" not in fields
    snippet_of(DECODE[coding](out))
