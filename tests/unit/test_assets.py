"""What the proxy keeps for agents, whose it is, and what it finds of what a page names."""

import gzip
import json
from pathlib import Path

import pytest

from proxy_addon.assets import (
    EVERYBODY,
    Asset,
    Assets,
    Coming,
    is_redirect,
    media_type,
    owner_of,
)
from proxy_addon.naming import asset_id, find_all, named_in, read_named
from proxy_addon.settings import AssetSettings

CASES = Path(__file__).parent.parent / "cases"
IDS: dict[str, str] = json.loads((CASES / "asset_ids.json").read_text())
CSS = "text/css"


def asset(body: bytes = b"x", kind: str = "image/png", codings: tuple[str, ...] = ()) -> Asset:
    return Asset(kind, body, codings)


@pytest.fixture
def assets() -> Assets:
    return Assets(AssetSettings(memory_mb=1, keep_s=60))


# -- keeping -------------------------------------------------------------------------------------


def test_one_visitors_file_is_not_anothers(assets: Assets) -> None:
    assets.keep("renee", "http://a.test/me.png", asset(b"renee"), 0)
    assets.keep("soren", "http://a.test/me.png", asset(b"soren"), 0)
    assets.keep(EVERYBODY, "http://a.test/logo.png", asset(b"logo"), 0)
    for visitor in ("renee", "soren"):
        found = assets.find(visitor, "http://a.test/me.png", 1)
        assert found is not None and found.body == visitor.encode()
        assert assets.find(visitor, "http://a.test/logo.png#part", 1) == asset(b"logo")
    assert assets.find("anna", "http://a.test/me.png", 1) is None
    assert assets.find(EVERYBODY, "http://a.test/me.png", 1) is None


def test_the_newest_counts_and_what_is_old_is_gone(assets: Assets) -> None:
    assets.keep("v", "http://a.test/captcha", asset(b"first"), 0)
    assets.keep("v", "http://a.test/captcha", asset(b"second"), 10)
    assert assets.find("v", "http://a.test/captcha", 69) == asset(b"second")
    assert assets.find("v", "http://a.test/captcha", 71) is None
    assets.keep("v", "http://a.test/other", asset(), 100)
    assert len(assets) == 1


def test_a_body_is_kept_once_and_memory_has_a_cap(assets: Assets) -> None:
    for number in range(50):
        assets.keep(f"v{number}", "http://a.test/logo", asset(bytes(100_000)), 0)
    assert assets.size_bytes < 150_000
    for number in range(50):
        assets.keep("v", f"http://a.test/{number}", asset(bytes([number]) * 100_000), 0)
    assert assets.size_bytes <= 1024 * 1024
    assert assets.find("v", "http://a.test/49", 0) is not None
    assert assets.find("v", "http://a.test/1", 0) is None
    for number in range(50):
        assets.keep("v", f"http://a.test/{number}", asset(b""), 0)
    assert assets.size_bytes < 50_000  # nothing of what has gone is counted any more


def test_redirects_are_followed_but_not_for_ever(assets: Assets) -> None:
    assets.keep_redirect("v", "http://a.test/old", "/new?x=1", 0)
    assets.keep("v", "http://a.test/new?x=1", asset(b"new"), 0)
    assert assets.find("v", "http://a.test/old", 0) == asset(b"new")
    assets.keep_redirect("v", "http://a.test/loop", "http://a.test/loop", 0)
    assert assets.find("v", "http://a.test/loop", 0) is None
    # Another visitor's redirect leads nowhere.
    assert assets.find("w", "http://a.test/old", 0) is None


def test_a_response_passes_as_it_comes() -> None:
    coming = Coming("v", "http://a.test/a", "image/png", (), 10)
    assert [coming.feed(chunk) for chunk in (b"12345", b"", b"678")] == [[b"12345"], [], [b"678"]]
    assert coming.asset() == asset(b"12345678")
    assert coming.feed(b"9ab") == [b"9ab"]
    assert coming.asset() is None  # too large now
    assert Coming("v", "http://a.test/a", "image/png", (), 10).asset() is None


@pytest.mark.parametrize(
    ("request_fields", "response_fields", "has_cookies", "owner"),
    [
        ({}, {}, False, EVERYBODY),
        ({}, {"cache-control": "public, max-age=60"}, False, EVERYBODY),
        ({}, {}, True, "v"),
        ({"authorization": "Basic eA=="}, {}, False, "v"),
        ({}, {"set-cookie": "a=1"}, False, "v"),
        ({}, {"cache-control": "private"}, False, "v"),
        ({}, {"cache-control": 'Private="x-a"'}, False, "v"),
        ({}, {"cache-control": "no-store"}, False, "v"),
        ({}, {"vary": "Accept, Cookie"}, False, "v"),
        ({}, {"vary": "*"}, False, "v"),
    ],
)
def test_whose_a_file_is(
    request_fields: dict[str, str],
    response_fields: dict[str, str],
    has_cookies: bool,
    owner: str,
) -> None:
    def of(visitor: str) -> str | None:
        return owner_of(visitor, request_fields, response_fields, has_cookies=has_cookies)

    assert of("v") == owner
    assert of("") == (EVERYBODY if owner == EVERYBODY else None)


@pytest.mark.parametrize(
    ("status", "fields", "destination", "kind"),
    [
        (200, {"content-type": "image/svg+xml; charset=utf-8"}, "", "image/svg+xml"),
        (200, {"content-type": "Text/CSS"}, "", CSS),
        (200, {"content-type": "font/woff2"}, "", "font/woff2"),
        (200, {}, "font", "application/octet-stream"),
        (200, {"content-type": "application/octet-stream"}, "", ""),
        (200, {"content-type": "text/html"}, "image", ""),
        (200, {"content-type": "application/json"}, "empty", ""),
        (206, {"content-type": "image/png"}, "image", ""),
        (200, {"content-type": "image/png", "content-range": "bytes 0-1/9"}, "image", ""),
        (404, {"content-type": "image/png"}, "image", ""),
        (304, {"content-type": "image/png"}, "image", ""),
    ],
)
def test_what_is_worth_keeping(
    status: int, fields: dict[str, str], destination: str, kind: str
) -> None:
    assert media_type(status, {"sec-fetch-dest": destination}, fields) == kind


def test_pages_that_lead_on_are_no_files() -> None:
    leads = {"location": "/b"}
    assert is_redirect(302, {}, leads) and is_redirect(308, {"sec-fetch-mode": "no-cors"}, leads)
    assert not is_redirect(302, {"sec-fetch-mode": "navigate"}, leads)
    assert not is_redirect(200, {}, leads) and not is_redirect(302, {}, {})


# -- naming --------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", IDS)
def test_ids_are_as_the_browser_makes_them(url: str) -> None:
    assert asset_id(url) == IDS[url]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{", b'{"x": "http://a.test/"}', b"\xff", b'{"0123456789abcdef": 5}'),
        b"[" * 100_000,
        b"{" + b",".join(b'"%016x":"u"' % n for n in range(201)) + b"}",
        b'{"0123456789abcdef": "' + b"a" * 8193 + b'"}',
        b" " * (256 * 1024 + 1),
    ],
)
def test_what_is_no_list_of_names_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_named(body)


def named(*urls: str) -> dict[str, str]:
    return {asset_id(url): url for url in urls}


def test_a_sheet_brings_what_everybody_gets_of_what_it_names() -> None:
    sheet = b"""@import "more.css"; /* url(comment.png) */
        @font-face { src: url( 'f.woff2#x' ) } a { background: url(../b.png), url("data:image/x") }
        b { background: URL(https://cdn.test/c.png) } c { background: url(private.png) }"""
    public = {
        "http://a.test/css/more.css": asset(b"d { background: url(d.png) }", CSS),
        "http://a.test/css/f.woff2": asset(b"font", "font/woff2"),
        "http://a.test/b.png": asset(b"b"),
        "http://a.test/css/d.png": asset(b"d"),
        "https://cdn.test/c.png": asset(b"c"),
    }
    own = {
        "http://a.test/css/a.css": asset(gzip.compress(sheet), CSS, ("gzip",)),
        "http://a.test/css/private.png": asset(b"private"),
        **public,
    }
    asked = named("http://a.test/css/a.css", "http://a.test/gone.png")
    found = find_all(asked, own.get, public.get, 1_000_000)
    assert found.asked == list(asked)
    bodies = {file.id: file.body for file in found.files}
    wanted = {asset_id(url): one.body for url, one in public.items()}
    assert bodies == {**wanted, asset_id("http://a.test/css/a.css"): sheet}


def test_a_sheet_that_imports_itself_ends() -> None:
    sheet = asset(b'@import "a.css"; @import url(a.css);', CSS)
    found = find_all(
        named("http://a.test/a.css"), lambda _: sheet, {"http://a.test/a.css": sheet}.get, 1_000
    )
    assert len(found.files) == 1


def test_files_that_are_broken_or_grow_too_large_are_left_out() -> None:
    of = {
        "http://a.test/bomb": asset(gzip.compress(bytes(10_000_000)), CSS, ("gzip",)),
        "http://a.test/broken": asset(b"no gzip", CSS, ("gzip",)),
        "http://a.test/fine": asset(b"fine"),
    }
    found = find_all(named(*of), of.get, of.get, 1_000_000)
    assert [file.body for file in found.files] == [b"fine"]


def test_addresses_that_are_none_do_no_harm() -> None:
    sheet = b"a{b:url(//[)} c{d:url()} e{f:url(#x)} g{h:url(\\)} i{j:url(k.png)} l{m:url('n"
    assert named_in(sheet, "http://a.test/") == ["http://a.test/k.png"]
    hostile = b"url(" * 200_000 + b"@import " * 100_000
    assert named_in(hostile, "http://a.test/") == []
