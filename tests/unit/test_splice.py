"""Each case file is input and answer: @@HERE@@ marks where the snippet must land.

No mark means untouched.
"""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addon.prescan import declared_charset
from proxy_addon.snippet import OPENING
from proxy_addon.splice import SPLICED, Splicer

CASES = sorted((Path(__file__).parent.parent / "cases" / "splice").glob("*.html"))
MARK = b"@@HERE@@"
SNIPPET = b"<script>/* cobrowse */</script>"
PIECES = (
    b"""<!doctype html>|<html>|<head>|<head| a='>'|>|<!--|-->|<body>|<meta charset=utf-8>|<title>|
</title>|x| |</|<|'|</head>|<script>|<header>""".split(b"|")
    + [b"\xef\xbb\xbf", b"\xff\xfe"]
)


def splice(chunks: Iterable[bytes], *, charset: str = "") -> tuple[bytes, str | None]:
    splicer = Splicer(SNIPPET, charset=charset)
    out = b"".join([splicer.feed(chunk) for chunk in chunks]) + splicer.close()
    return out, splicer.outcome


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_whole_byte_by_byte_and_at_each_split(path: Path) -> None:
    case = path.read_bytes()
    mark, snippet = MARK, SNIPPET
    if encoding := {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(case[:2]):
        mark, snippet = (ascii.decode().encode(encoding) for ascii in (MARK, SNIPPET))
    page, expected = case.replace(mark, b""), case.replace(mark, snippet)
    assert splice([page])[0] == expected
    assert splice(page[i : i + 1] for i in range(len(page)))[0] == expected
    for split in range(len(page)):
        assert splice([page[:split], page[split:]])[0] == expected, split


@given(st.lists(st.sampled_from(PIECES)).map(b"".join), st.data())
def test_nothing_is_lost_and_chunks_do_not_matter(page: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(page)), max_size=8)))
    splicer = Splicer(SNIPPET)
    whole = splicer.feed(page) + splicer.close()
    assert whole.replace(splicer.inserted, b"", 1) == page
    assert (len(splicer.inserted) >= len(SNIPPET)) == (splicer.outcome == SPLICED)
    # A browser finds the charset that it would have found.
    assert declared_charset(whole) == declared_charset(page) or not splicer.inserted
    chunks = [page[a:b] for a, b in pairwise([0, *cuts, len(page)])]
    assert splice(chunks)[0] == whole


def test_a_charset_in_the_header_lets_the_snippet_stand_first() -> None:
    page = b"<html><head><meta charset=utf-8><p>"
    assert splice([page], charset="utf-8")[0].startswith(b"<html><head>" + SNIPPET)


@pytest.mark.parametrize("between", [b"<style>a{}</style>", b"<script>1</script>", b"<p>"])
@pytest.mark.parametrize("start", [b"<html><head>", b"<!doctype html>"])
def test_a_charset_that_would_be_pushed_out_of_sight_is_said_again(
    start: bytes, between: bytes
) -> None:
    long_snippet = b"<script>" + b"x" * 1100 + b"</script>"
    page = start + between + b'<META HTTP-EQUIV=content-type CONTENT="text/html;charset=KOI8-R">'
    said = b'<meta charset="KOI8-R" data-cobrowse>' + long_snippet
    for size in (1, 7, 5000):
        splicer = Splicer(long_snippet)
        chunks = [page[i : i + size] for i in range(0, len(page), size)]
        out = b"".join([splicer.feed(chunk) for chunk in chunks]) + splicer.close()
        assert out == start + said + page.removeprefix(start)
        assert splicer.inserted == said
    known = Splicer(long_snippet, charset="utf-8")
    assert known.feed(page) == start + long_snippet + page.removeprefix(start)


def test_an_undecided_page_is_let_go_at_the_hold_limit() -> None:
    splicer = Splicer(SNIPPET, hold_limit_bytes=100)
    assert splicer.feed(b"<!--" + b"x" * 96) == b""
    assert splicer.feed(b"x") == b"<!--" + b"x" * 97
    assert splicer.held_bytes == 0
    assert splicer.feed(b"--><head>") == b"--><head>"


def test_hostile_tokens_cost_linear_time_and_no_more_than_the_limit() -> None:
    splicer = Splicer(SNIPPET)
    page = b"<!---->" * 200_000
    assert splicer.feed(page) == page
    assert splicer.outcome == "undecided within the hold limit"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_spliced_in_utf16_within_the_hold_limit(encoding: str) -> None:
    bom = "\ufeff".encode(encoding)
    page = bom + "<!doctype html><html><head>漢字<p>\u3c3e".encode(encoding)
    out, outcome = splice([page[i : i + 3] for i in range(0, len(page), 3)])
    text = out.decode(encoding).removeprefix("\ufeff")
    assert (outcome, text) == (
        SPLICED,
        f"<!doctype html><html><head>{SNIPPET.decode()}漢字<p>\u3c3e",
    )
    splicer = Splicer(SNIPPET)
    endless = bom + ("<!--" + "x" * 100_000).encode(encoding)
    for at in range(0, len(endless), 1_000):
        splicer.feed(endless[at : at + 1_000])
        assert splicer.held_bytes <= 66_600


@pytest.mark.parametrize(
    "charset", ["utf-16", "UTF-16LE", "iso-2022-jp", "hz-gb-2312", "csUnicode"]
)
def test_a_wide_charset_counts_unless_a_byte_order_mark_says_otherwise(charset: str) -> None:
    assert splice([b"<html><head><p>"], charset=charset) == (b"<html><head><p>", "charset")
    assert splice([b"\xef\xbb\xbf<head><p>"], charset=charset)[1] == SPLICED


@pytest.mark.parametrize(
    ("page", "outcome"),
    [
        (b"<!DOCTYPE html><p>", SPLICED),
        (b"\n <HTML\n><p>", SPLICED),
        (b"<!-- x --><p>", SPLICED),
        (b"<p>" + b"x" * 600, SPLICED),
        (b"\xef\xbb\xbf<html><p>", "not HTML"),  # plain text to browsers
        (b"plain <html> text", "not HTML"),
        (b"<pre>text", "not HTML"),
        (b"<?xml version='1.0'?><html>", "not HTML"),
        (b"%PDF-1.7", "not HTML"),
        (b"<htm", "not HTML"),
    ],
)
def test_without_a_content_type_the_body_must_look_like_a_page(page: bytes, outcome: str) -> None:
    for size in (1, 9, 2_000):
        splicer = Splicer(SNIPPET, sniff=True)
        chunks = [page[i : i + size] for i in range(0, len(page), size)]
        out = b"".join([splicer.feed(chunk) for chunk in chunks]) + splicer.close()
        assert splicer.outcome == outcome
        assert out.replace(SNIPPET, b"", 1) == page


@pytest.mark.parametrize("charset", ["", "utf-8"])
@pytest.mark.parametrize("head", [b"<html><head>", b"<head><meta charset=utf-8>", b""])
def test_a_page_that_another_proxy_has_spliced_is_left_alone(head: bytes, charset: str) -> None:
    other = Splicer(OPENING + b">1</script>", charset=charset)
    page = other.feed(head + b"<title>t</title>") + other.close()
    assert splice([page], charset=charset) == (page, "carries the script already")
    one_by_one = (page[i : i + 1] for i in range(len(page)))
    assert splice(one_by_one, charset=charset) == (page, "carries the script already")


@pytest.mark.parametrize(
    ("pieces", "placed"),
    [
        ([b"\n", b"<!doctype html><head><meta charset=utf-8><p>"], False),
        ([b"\xef\xbb", b"\xbf<!doctype html><head>"], False),
        ([b"", b"<!doctype html><head><meta charset=utf-8><p>"], True),
        ([b"<!doctype html><ht", b"ml><head><meta charset=utf-8><p>"], False),
        ([b"<!doctype html><head><p>", b"<meta charset=utf-8>"], False),
        ([b"<!doctype html><head><meta charset=utf-8>", b"<p>"], True),
        ([b"<!doctype html><head><meta charset=utf-8><tit", b"le>x"], True),
    ],
)
def test_after_a_pause_only_what_was_certain_holds(pieces: list[bytes], placed: bool) -> None:
    splicer = Splicer(SNIPPET)
    out = b"".join([splicer.feed(piece) + splicer.pause() for piece in pieces]) + splicer.close()
    assert out.replace(SNIPPET, b"", 1) == b"".join(pieces)
    assert (splicer.outcome == SPLICED) is placed
    whole, _ = splice([b"".join(pieces)])
    assert not placed or out == whole


def test_a_snippet_that_is_not_ascii_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        Splicer("é".encode())
