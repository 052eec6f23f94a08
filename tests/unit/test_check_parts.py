"""What the check reads out of pages, cookies and pictures, how it reports, and that it ends."""

import asyncio
import base64
import gzip
import io
import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from cobrowse import cli, forwarding
from cobrowse.check import (
    command,
    judging,
    mirroring,
    recording,
    report,
)
from cobrowse.check.command import cookies_of
from cobrowse.check.crawling import links
from cobrowse.check.fields import sensitive
from cobrowse.check.findings import Code, Finding, Grade, PageReport, Report
from cobrowse.check.identity import proposals
from cobrowse.check.pixels import difference, shrunk
from cobrowse.processes import StartError
from proxy_addon.identity import from_cookies
from proxy_addon.settings import parse
from tests.unit.checked import load, picture

# -- cookies, fields, links ----------------------------------------------------------------------

CLAIMS = {"sub": "c-1178", "email": "renee@shop.test", "exp": 4_000_000_000}
PROFILE = {"user": {"name": "Renée Ångström", "phone": "+46 70 123 45 67"}}
COOKIES = {
    "_ga": "GA1.2.1178.2",
    "NBSESSION": "0f3a9c0f3a9c0f3a9c0f3a9c0f3a9c0f",
    "customer_no": "59204",
    "mail": "renee%40shop.test",
    "theme": "dark",
    "token": jwt.encode(CLAIMS, "obviously-fake-key-of-some-length"),
    "profile": base64.b64encode(json.dumps(PROFILE).encode()).decode(),
}


def test_cookies_that_say_who_the_visitor_is_are_mapped() -> None:
    found = proposals(COOKIES)
    assert [(one.field, one.cookie) for one in found] == [
        ("visitorid", "customer_no"),
        ("name", "profile"),
        ("email", "mail"),
        ("phone", "profile"),
    ]
    lines = "\n".join(["[groups.1.cookies]", *(one.line for one in found)])
    sources = parse(tomllib.loads(lines)).groups["1"].cookies.sources()
    raw = {name: value.encode() for name, value in COOKIES.items()}
    assert from_cookies(raw, sources) == {
        "visitorid": "59204",
        "name": "Renée Ångström",
        "email": "renee@shop.test",
        "phone": "+46 70 123 45 67",
    }
    (who, mail) = proposals({"token": COOKIES["token"]})
    assert who.line == 'visitorid = { cookie = "token", decode = ["jwt"], field = "sub" }'
    assert mail.field == "email"


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=5))
def test_no_cookie_is_too_strange(cookies: dict[str, str]) -> None:
    for one in proposals(cookies):
        tomllib.loads(one.line)


@pytest.mark.parametrize("value", ["{" * 5000, "e30.e30.e30", '{"a":{"a":{"a":{"a":1}}}}', "%7B%"])
def test_a_cookie_that_is_no_identity_is_none(value: str) -> None:
    assert proposals({"user": value, "login": value}) == []


def test_what_is_mapped_already_is_not_proposed() -> None:
    (found,) = judging.judge_cookies(COOKIES, ["visitorid", "name", "phone"])
    assert found.proposal == ["[groups.<groupid>.cookies]", 'email = "mail"']
    assert not found.grade and "renee" not in str(found)
    assert not list(judging.judge_cookies({"theme": "dark"}, []))


def test_fields_that_look_sensitive() -> None:
    html = """<form><label for=a>Your IBAN</label><input id=a>
      <label>Geburtsdatum <input name="gd[1]" type=date></label>
      <input name=motherMaidenName><input autocomplete="section-x bday">
      <textarea id="1" placeholder=Salary></textarea><input type=password name=p>
      <input type=hidden name=ssn><input name=town><input type=checkbox name=tax>
      <input aria-label='Passport number "x"'></form>"""
    assert [(one.selector, one.kind) for one in sensitive(html)] == [
        ("#a", "account number"),
        ('input[name="gd[1]"]', "date of birth"),
        ('input[name="motherMaidenName"]', "security answer"),
        ('input[autocomplete="section-x bday"]', "date of birth"),
        ('textarea[id="1"]', "income"),
        ('input[name="p"]', "password"),
        (r'input[aria-label="Passport number \22 x\22 "]', "identity document"),
    ]


def test_fields_are_told_apart_by_what_they_have() -> None:
    html = """<template><input name=x></template><noscript><input></noscript><input>
      <label>Passport number <input></label><label>Salary <input type=number></label>
      <textarea placeholder="Social security&#10;number"></textarea>"""
    found = [(one.number, one.selector) for one in sensitive(html)]
    assert found == [
        (1, "input:not([type])"),
        (2, 'input[type="number"]'),
        (3, r'textarea[placeholder="Social security\a number"]'),
    ]


def test_links_of_the_same_site_that_do_nothing() -> None:
    html = """<base href=/shop/><a href=a#x>A</a><a href="//other.test/">B</a>
      <a href=mailto:a@b.c>C</a><a href=/logout>D</a><a href=/basket?do=remove>E</a>
      <a href=x.PDF>F</a><a href=f download>G</a><a href="/x">Sign out</a><area href="/map">
      <a href="http://[bad">H</a><a href=javascript:x()>I</a>"""
    here = ["https://SHOP.test:443/b", "https://shop.test./c"]
    tags = "".join(f"<a href={url}>x</a>" for url in here)
    tags += "<a href=/users/1/deactivate>x</a><a href=/exit>x</a><a href=https://shop.test:8/>x</a>"
    assert list(links(tags, "https://shop.test/index")) == here
    unicode = "<a href=https://xn--bcher-kva.test/a>x</a>"
    assert list(links(unicode, "https://bücher.test/"))
    assert list(links(html, "https://shop.test/index")) == [
        "https://shop.test/shop/a",
        "https://shop.test/map",
    ]


@pytest.mark.parametrize("base", ["http://[", "http://shop.test:x/", "//[::1", "\x00"])
def test_a_base_that_is_no_address_is_none(base: str) -> None:
    html = f'<base href="{base}"><a href="/a">a</a><a href="http://[">b</a>'
    assert list(links(html, "http://shop.test/x")) in ([], ["http://shop.test/a"])


def test_cookies_of_a_login(tmp_path: Path) -> None:
    file = tmp_path / "cookies"
    file.write_text("sid=a=b==\n\n uid=7 \n")
    assert cookies_of(["x=1", f"@{file}"]) == (("x", "1"), ("sid", "a=b=="), ("uid", "7"))
    for bad in ("x", "=1", "x=", "@/nowhere/at/all"):
        with pytest.raises(StartError, match="--login-cookie"):
            cookies_of([bad])


# -- the report ----------------------------------------------------------------------------------


def test_pictures_that_are_kept_are_small() -> None:
    out = io.BytesIO()
    Image.effect_noise((1920, 400), 90).save(out, "PNG")
    kept = shrunk(out.getvalue())
    assert Image.open(io.BytesIO(kept)).size == (960, 200) and len(kept) < out.tell() / 4


def test_pixels_that_differ_clearly_count() -> None:
    plain, other = picture(255), picture(0, (0, 0, 10, 50))
    assert difference(plain, plain) == 0
    assert difference(plain, other) == 0.1
    assert difference(plain, picture(230, (0, 0, 10, 50))) == 0
    # In a copy of twice the size, what is masked there is left out.
    assert difference(plain, other, [(0, 0, 20, 100)], 200) == 0


HOSTILE = "http://shop.test/<script>alert(1)</script>"


def a_report() -> Report:
    findings = [
        Finding("console", Grade.DEGRADED, "1 new error", ["[red]<b>x</b>"], ["a = 'b'"]),
        Finding("dom", Grade.FINE, "same"),
    ]
    loads = judging.metrics([load()])
    pages = [
        PageReport(
            url=HOSTILE,
            findings=findings,
            without=loads,
            through=loads,
            pictures={"Through it": shrunk(picture(0))},
        ),
        PageReport(url="http://shop.test/b", findings=[Finding("load", Grade.BROKEN, "gone")]),
    ]
    return Report(url="http://shop.test/", at="2026-01-01", version="1", pages=pages)


def test_the_report_as_json() -> None:
    found = json.loads(report.to_json(a_report()))
    assert found["grade"] == "broken"
    assert [page["grade"] for page in found["pages"]] == ["degraded", "broken"]
    assert found["pages"][0]["findings"][0] == {
        "code": "console",
        "grade": "degraded",
        "text": "1 new error",
        "details": ["[red]<b>x</b>"],
        "proposal": ["a = 'b'"],
    }
    assert found["pages"][0]["through"]["first_paint_ms"] == 100.0
    assert "pictures" not in found["pages"][0]


def test_the_report_as_html_needs_nothing_else() -> None:
    found = report.to_html(a_report())
    assert "<script" not in found and "<b>x" not in found and "data:image/webp;base64," in found
    assert 'src="http' not in found and "<link" not in found


def test_the_report_in_a_terminal() -> None:
    out = io.StringIO()
    report.show(a_report(), Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "[red]<b>x</b>" in out.getvalue() and lines[-1] == "The site is broken."


DOCS = Path(__file__).parent.parent.parent / "docs" / "check.md"


def test_no_address_of_a_page_speaks_to_the_terminal() -> None:
    out = io.StringIO()
    found = [Finding("console", Grade.DEGRADED, "\x1b]0;x\x07", ["\x9b31m"], ["\x1b[2J"])]
    pages = [PageReport(url="http://shop.test/\x1b[2J\u202e\ud800", findings=found)]
    report.show(Report(url="", at="", version="1", pages=pages), Console(file=out, width=80))
    assert not set(out.getvalue()) & set("\x1b\x07\x9b\u202e\ud800")


# -- what may never end --------------------------------------------------------------------------


def test_what_means_too_much_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_PLAIN_BYTES", 100_000)
    assert recording._plain(bytearray(gzip.compress(bytes(100_000))), "gzip") == bytes(100_000)
    assert recording._plain(bytearray(gzip.compress(bytes(100_001))), "gzip") is None
    twice = bytearray(gzip.compress(gzip.compress(b"a page")))
    assert recording._plain(twice, "gzip, gzip") == b"a page"
    assert recording._plain(bytearray(b"no gzip"), "gzip") is None
    assert recording._plain(bytearray(b"x"), "unknown") is None
    assert recording._plain(bytearray(b"x"), "") == b"x"


def test_cleaning_up_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "CLEANING_UP_S", 0.01)

    async def clean_up() -> None:
        async with mirroring.bounded():
            await asyncio.Event().wait()

    asyncio.run(asyncio.wait_for(clean_up(), 60))


def test_a_fault_of_the_check_itself_is_no_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "check", lambda *_: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", "http://shop.test/"])
    assert ended.value.code == cli.NOT_CHECKED == 3


@pytest.mark.parametrize(
    ("given", "address", "hosts"),
    [
        ("http://[::1]:8080/x", "http://[::1]:8080/x", ["::1"]),
        (
            "www.bücher.test",
            "https://www.bücher.test",
            ["xn--bcher-kva.test", "*.xn--bcher-kva.test"],
        ),
        ("http://127.0.0.1/", "http://127.0.0.1/", ["127.0.0.1"]),
    ],
)
def test_addresses_of_any_kind(given: str, address: str, hosts: list[str]) -> None:
    assert forwarding.site_of(given) == (address, hosts)


def test_the_docs_name_each_finding() -> None:
    told = re.findall(r"^\| `(\w+)` \|", DOCS.read_text("utf-8"), re.MULTILINE)
    assert told == list(get_args(Code))
