"""Bodies in content codings. What Chromium shows of the odd ones is tried in tests/browser."""

import gzip
import zlib
from collections.abc import Callable

import brotlicffi
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from proxy_addon.coding import NOT_CODED, Body, CodedBody, body_for, codings_of
from proxy_addon.compression import NO_CODING
from proxy_addon.locate import UNDECIDED
from proxy_addon.splice import ERROR, SPLICED, Splicer

SNIPPET = b"<script>1</script>"
PAGE = b"<!doctype html><html><head><title>t</title></head>" + b"<p>words and words</p>" * 500
SPLICED_PAGE = PAGE.replace(b"<head>", b"<head>" + SNIPPET)


def bare_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(6, zlib.DEFLATED, -15)
    return encoder.compress(data) + encoder.flush()


ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotlicffi.compress,
    "zstd": zstd.compress,
}
DECODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotlicffi.decompress,
    "zstd": zstd.decompress,
}


def decode_what_there_is(coding: str, data: bytes) -> bytes:
    """As a browser does with a stream that has no end."""
    match coding:
        case "gzip" | "deflate":
            return zlib.decompressobj(31 if coding == "gzip" else 15).decompress(data)
        case "br":
            return bytes(brotlicffi.Decompressor().process(data, 2 * len(PAGE)))
    return zstd.ZstdDecompressor().decompress(data)


def unfinished(coding: str, data: bytes) -> bytes:
    """All of the data, in a stream that could go on."""
    match coding:
        case "gzip" | "deflate":
            deflater = zlib.compressobj(6, zlib.DEFLATED, 31 if coding == "gzip" else 15)
            return deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        case "br":
            brotli = brotlicffi.Compressor()
            return bytes(brotli.process(data) + brotli.flush())
    compressor = zstd.ZstdCompressor()
    return compressor.compress(data) + compressor.flush(zstd.ZstdCompressor.FLUSH_BLOCK)


def through(body: Body, data: bytes, size: int) -> bytes:
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join([body.feed(chunk) for chunk in chunks]) + body.close()


def body(coding: str) -> Body:
    return body_for((coding,), Splicer(SNIPPET))


coded = pytest.mark.parametrize("coding", ENCODE)
sized = pytest.mark.parametrize("size", [1, 7, 100_000])


@coded
@given(tail=st.binary(max_size=2_000), size=st.integers(1, 700))
def test_the_page_comes_out_spliced_whatever_the_chunks(
    coding: str, tail: bytes, size: int
) -> None:
    page = b"<html><head><p>" + tail
    expected = page.replace(b"<head>", b"<head>" + SNIPPET, 1)
    assert DECODE[coding](through(body(coding), ENCODE[coding](page), size)) == expected


@coded
def test_what_came_goes_on_at_once(coding: str) -> None:
    first = PAGE[:100]
    flushed = unfinished(coding, first)
    sent = body_for((coding,), Splicer(SNIPPET, charset="utf-8")).feed(flushed)
    assert decode_what_there_is(coding, sent) == first.replace(b"<head>", b"<head>" + SNIPPET)


@coded
@sized
@pytest.mark.parametrize("plain", [b"", b"<html><head><p>not compressed" * 20])
def test_what_is_not_coded_passes_as_it_came(coding: str, size: int, plain: bytes) -> None:
    splicer = Splicer(SNIPPET)
    assert through(body_for((coding,), splicer), plain, size) == plain
    assert splicer.outcome == NOT_CODED


@sized
@pytest.mark.parametrize(
    "head",
    [b"\x1f", b"\x1f\x8b\x08", b"\x1f\x8b\x07", b"\x1f\x8b\x08\x04" + b"\xff" * 99]
    + [b"\x1f\x8b\x08\x18" + b"n" * 100_000],
)
def test_a_broken_gzip_header_passes_as_it_came(size: int, head: bytes) -> None:
    if size > 1 or len(head) < 1_000:  # a long name byte by byte would only take long
        assert through(body("gzip"), head, size) == head


@sized
@pytest.mark.parametrize("flags", range(0, 32, 2))
def test_every_gzip_header_is_understood(size: int, flags: int) -> None:
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0" * 6
    head += b"\x03\x00abc" if flags & 4 else b""
    head += b"name\0" if flags & 8 else b""
    head += b"comment\0" if flags & 16 else b""
    head += b"\0\0" if flags & 2 else b""
    data = head + bare_deflate(PAGE) + b"checksums do not count"
    assert gzip.decompress(through(body("gzip"), data, size)) == SPLICED_PAGE


@coded
@pytest.mark.parametrize("part", [0.5, 0.9, 1.0])
def test_a_cut_stream_shows_what_arrived(coding: str, part: float) -> None:
    data = ENCODE[coding](PAGE)
    data = data[: int(len(data) * part) - 1]
    whole = decode_what_there_is(coding, data)
    out = through(body(coding), data, 10)
    assert decode_what_there_is(coding, out).replace(SNIPPET, b"") == whole


@coded
def test_a_stream_that_breaks_shows_what_came_before_and_breaks(coding: str) -> None:
    encoded = unfinished(coding, PAGE)
    way = body(coding)
    out = way.feed(encoded) + way.feed(b"\xff" * 50) + way.feed(b"more") + way.close()
    assert out.endswith(NO_CODING)
    assert decode_what_there_is(coding, out.removesuffix(NO_CODING)) == SPLICED_PAGE
    with pytest.raises((zlib.error, brotlicffi.error, zstd.ZstdError)):
        decode_what_there_is(coding, out)


@coded
def test_a_bomb_is_taken_in_pieces(coding: str) -> None:
    pieces: list[int] = []

    class Watching(Splicer):
        def feed(self, chunk: bytes) -> bytes:
            pieces.append(len(chunk))
            return super().feed(chunk)

    page = b"<p>" + b" " * 20_000_000
    out = through(body_for((coding,), Watching(SNIPPET)), ENCODE[coding](page), 100_000)
    assert DECODE[coding](out) == SNIPPET + page
    assert max(pieces) <= 65_536


@pytest.mark.parametrize("stack", [("zstd",), ("br",), ("gzip", "gzip"), ("zstd", "zstd")])
def test_a_worse_bomb_is_cut(stack: tuple[str, ...]) -> None:
    """A few bytes that mean very many would stop the proxy for everybody."""
    data = b"<p>" + b" " * 120_000_000
    for coding in stack:
        data = ENCODE[coding](data)
    assert len(data) < 40_000
    splicer = Splicer(SNIPPET)
    out = CodedBody(stack, splicer).feed(data)
    assert splicer.outcome == SPLICED
    assert out.endswith(NO_CODING)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_stream_that_says_nothing_is_not_kept(coding: str) -> None:
    empty_block, head = b"\0\0\0\xff\xff", b"\x1f\x8b\x08" + b"\0" * 7
    skippable = b"\x50\x2a\x4d\x18\xff\xff\xff\x7f"
    data = head + empty_block * 60_000 if coding == "gzip" else skippable + b"x" * 300_000
    splicer = Splicer(SNIPPET)
    way = body_for((coding,), splicer)
    out = b"".join(way.feed(data[at : at + 9_000]) for at in range(0, len(data), 9_000))
    assert len(data) - len(out) < 9_000
    assert out + way.close() == data
    assert splicer.outcome == UNDECIDED


@pytest.mark.parametrize("size", [50, 100_000])
@pytest.mark.parametrize("more", [b"garbage", gzip.compress(b"a second member")])
def test_bytes_behind_the_end_of_gzip_do_not_count(more: bytes, size: int) -> None:
    data = gzip.compress(PAGE) + more
    assert gzip.decompress(through(body("gzip"), data, size)) == SPLICED_PAGE


def test_checksums_do_not_count() -> None:
    data = gzip.compress(PAGE)[:-8] + b"\0" * 8
    assert gzip.decompress(through(body("gzip"), data, 100_000)) == SPLICED_PAGE


@sized
def test_zstd_frames_follow_each_other(size: int) -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    data = skippable + zstd.compress(PAGE) + skippable + zstd.compress(b"<p>more")
    assert zstd.decompress(through(body("zstd"), data, size)) == SPLICED_PAGE + b"<p>more"


@sized
def test_deflate_without_its_header(size: int) -> None:
    out = through(body("deflate"), bare_deflate(PAGE), size)
    assert zlib.decompress(out) == SPLICED_PAGE


@sized
@pytest.mark.parametrize("stack", [("gzip", "gzip"), ("gzip", "br"), ("br", "zstd", "deflate")])
def test_stacked_codings(stack: tuple[str, ...], size: int) -> None:
    data = PAGE
    for coding in stack:
        data = ENCODE[coding](data)
    out = through(CodedBody(stack, Splicer(SNIPPET)), data, size)
    for coding in reversed(stack):
        out = DECODE[coding](out)
    assert out == SPLICED_PAGE


@pytest.mark.parametrize(
    ("value", "codings"),
    [
        ("", ()),
        ("identity", ()),
        (" GZIP ", ("gzip",)),
        ("x-gzip", ("gzip",)),
        ("gzip, br", ("gzip", "br")),
        ("gzip,,br", ("gzip", "br")),
        ("gzip, identity", None),
        ("compress", None),
        ("gzip, gzip, gzip, gzip", None),
    ],
)
def test_which_codings_a_header_names(value: str, codings: tuple[str, ...] | None) -> None:
    assert codings_of(value) == codings


def test_after_a_bug_of_ours_the_page_goes_on_whole() -> None:
    class Broken(Splicer):
        def _is_placed(self) -> bool:
            raise RuntimeError

    for coding in ("", *ENCODE):
        splicer = Broken(SNIPPET)
        way = body_for((coding,) if coding else (), splicer)
        data = ENCODE[coding](PAGE) if coding else PAGE
        with pytest.raises(RuntimeError):
            way.feed(data)
        out = way.give_up(ERROR) + through(way, b"", 100)
        assert (DECODE[coding](out) if coding else out) == PAGE
        assert splicer.outcome == ERROR


def test_a_page_that_is_left_alone_comes_out_in_its_coding() -> None:
    splicer = Splicer(SNIPPET)
    out = through(body_for(("gzip",), splicer), gzip.compress(b'{"json": true}'), 100_000)
    assert splicer.outcome not in (SPLICED, None)
    assert gzip.decompress(out) == b'{"json": true}'


@coded
def test_a_body_goes_on_after_a_pause(coding: str) -> None:
    """Wherever the pauses are, nothing is lost; a page that is certain by then has the snippet."""
    data = ENCODE[coding](PAGE)
    if coding == "zstd":
        data += zstd.compress(b"<p>another frame")
    expected = PAGE + (b"<p>another frame" if coding == "zstd" else b"")
    for at in sorted({0, 1, 5, 40, len(data) // 2, len(data) - 20, len(data)}):
        splicer = Splicer(SNIPPET, charset="utf-8")
        way = body_for((coding,), splicer)
        out = way.pause() + way.feed(data[:at]) + way.pause() + way.pause() + way.feed(data[at:])
        out += way.pause() + way.close()
        assert DECODE[coding](out).replace(SNIPPET, b"", 1) == expected, at


def test_after_a_pause_a_stack_goes_on_in_one_stream() -> None:
    """Behind the end of gzip browsers read nothing more."""
    frames = [zstd.compress(PAGE), zstd.compress(b"<p>another frame")]
    whole = gzip.compress(b"".join(frames))
    encoder = zlib.compressobj(wbits=31)
    first = encoder.compress(frames[0]) + encoder.flush(zlib.Z_SYNC_FLUSH)
    rest = encoder.compress(frames[1]) + encoder.flush()
    assert gzip.decompress(first + rest) == gzip.decompress(whole)
    splicer = Splicer(SNIPPET, charset="utf-8")
    way = body_for(("zstd", "gzip"), splicer)
    out = way.feed(first) + way.pause() + way.feed(rest) + way.close()
    inner = zlib.decompressobj(31).decompress(out)
    shown = DECODE["zstd"](inner)
    assert shown.replace(SNIPPET, b"", 1) == PAGE + b"<p>another frame"
