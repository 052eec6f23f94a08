import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addon.coding import Body, body_for
from proxy_addon.splice import Splicer

SNIPPET = b"<script>1</script>"
PAGE = b"<!doctype html><html><head><title>t</title></head>" + b"<p>words and words</p>" * 500
SPLICED = PAGE.replace(b"<head>", b"<head>" + SNIPPET)


def through(body: Body, data: bytes, size: int) -> bytes:
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join([body.feed(chunk) for chunk in chunks]) + body.close()


def gzip_body() -> Body:
    return body_for("gzip", Splicer(SNIPPET))


@given(st.binary(max_size=2_000), st.integers(1, 700))
def test_the_page_comes_out_spliced_whatever_the_chunks(tail: bytes, size: int) -> None:
    page = b"<html><head><p>" + tail
    out = through(gzip_body(), gzip.compress(page), size)
    assert gzip.decompress(out) == page.replace(b"<head>", b"<head>" + SNIPPET, 1)


def test_what_came_goes_on_at_once() -> None:
    encoder = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = encoder.compress(PAGE[:100]) + encoder.flush(zlib.Z_SYNC_FLUSH)
    body = body_for("gzip", Splicer(SNIPPET, charset_known=True))
    sent = zlib.decompressobj(31).decompress(body.feed(first))
    assert sent == PAGE[:100].replace(b"<head>", b"<head>" + SNIPPET)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("plain", [b"", b"<html><head><p>not compressed", b"\x1f", b"\x1f\x8b\x08"])
def test_what_is_no_gzip_passes_as_it_came(plain: bytes, size: int) -> None:
    assert through(gzip_body(), plain, size) == plain


@pytest.mark.parametrize("cut", [60, 100])
def test_a_cut_stream_shows_what_arrived(cut: int) -> None:
    data = gzip.compress(PAGE, 1)
    whole = zlib.decompressobj(31).decompress(data[:cut])
    shown = gzip.decompress(through(gzip_body(), data[:cut], 10))
    assert shown.replace(SNIPPET, b"") == whole


def test_a_stream_that_breaks_shows_what_came_before() -> None:
    encoder = zlib.compressobj(1, zlib.DEFLATED, 31)
    good = encoder.compress(PAGE) + encoder.flush(zlib.Z_SYNC_FLUSH)
    body = gzip_body()
    out = body.feed(good) + body.feed(b"\xff" * 50) + body.feed(b"more") + body.close()
    assert gzip.decompress(out) == SPLICED


def test_a_bomb_is_taken_in_pieces() -> None:
    page = b" " * 20_000_000 + b"<p>"
    out = through(gzip_body(), gzip.compress(page), 100_000)
    assert gzip.decompress(out) == page


@pytest.mark.parametrize("more", [b"garbage", gzip.compress(b"a second member")])
def test_bytes_behind_the_end_do_not_count(more: bytes) -> None:
    assert gzip.decompress(through(gzip_body(), gzip.compress(PAGE) + more, 50)) == SPLICED


@pytest.mark.parametrize("coding", ["", "identity", " GZIP ", "x-gzip"])
def test_known_codings(coding: str) -> None:
    data = PAGE if coding in ("", "identity") else gzip.compress(PAGE)
    out = through(body_for(coding, Splicer(SNIPPET)), data, 99)
    assert (gzip.decompress(out) if "gzip" in coding.lower() else out) == SPLICED


def test_another_coding_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="zstd"):
        body_for("zstd", Splicer(SNIPPET))


def test_after_a_bug_of_ours_the_page_goes_on_whole() -> None:
    class Broken(Splicer):
        def _locate(self) -> int:
            raise RuntimeError

    for coding, data in (("", PAGE), ("gzip", gzip.compress(PAGE))):
        body = body_for(coding, Broken(SNIPPET))
        with pytest.raises(RuntimeError):
            body.feed(data[:200])
        out = body.rescue() + through(body, data[200:], 100)
        assert (gzip.decompress(out) if coding else out) == PAGE
