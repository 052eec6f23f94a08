"""What the site says about itself, in the visitor's words; and the other way round."""

import msgspec
import pytest

from proxy_addon import csp
from proxy_addon.reverse import Sides, cookie_for_visitor, from_origin, to_origin
from proxy_addon.settings import ReverseSettings

ALL = ReverseSettings()
NONE = ReverseSettings(
    links=False,
    referrers=False,
    cookie_domain=False,
    cookie_secure=False,
    csp=False,
    keep_hsts=True,
    keep_alt_svc=True,
)
PLAIN = Sides("https://www.bank.test", "http://localhost:8080", (("http://other:81", "http://o"),))
SECURE = Sides("http://10.0.0.2:81", "https://www.bank.test")


def edit(name: str, value: str, sides: Sides = PLAIN, options: ReverseSettings = ALL) -> str | None:
    fields = from_origin(((name.encode(), value.encode()),), sides, options)
    return fields[0][1].decode() if fields else None


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("Location", "https://www.bank.test", "http://localhost:8080"),
        ("Location", "HTTPS://WWW.BANK.TEST/a?b#c", "http://localhost:8080/a?b#c"),
        ("Location", "//www.bank.test/a", "//localhost:8080/a"),
        ("Location", "//www.bank.test:443/a", "//localhost:8080/a"),
        ("Location", "//www.bank.test:80/a", "//www.bank.test:80/a"),
        ("Location", "https://www.bank.test?b", "http://localhost:8080?b"),
        ("Location", "https://www.bank.test.evil.test/", "https://www.bank.test.evil.test/"),
        ("Location", "https://www.bank.test:443/x", "http://localhost:8080/x"),
        ("Location", "https://www.bank.test:4430/", "https://www.bank.test:4430/"),
        ("Location", "https://www.bank.test:444/", "https://www.bank.test:444/"),
        ("Location", "https://www.bank.test@evil.test/", "https://www.bank.test@evil.test/"),
        ("Location", "http://www.bank.test/", "http://www.bank.test/"),
        ("Location", "http://other:81/x", "http://o/x"),
        ("Location", "/relative", "/relative"),
        ("Location", "", ""),
        ("content-location", "https://www.bank.test/x", "http://localhost:8080/x"),
        ("Refresh", "5; url=https://www.bank.test/x", "5; url=http://localhost:8080/x"),
        ("Refresh", "0;URL='https://www.bank.test/x'", "0;URL='http://localhost:8080/x'"),
        ("Refresh", "0, https://www.bank.test/x", "0, http://localhost:8080/x"),
        ("Refresh", "5", "5"),
        (
            "Link",
            "<https://www.bank.test/a.css>; rel=preload, </b>; rel=x, <//www.bank.test/c>",
            "<http://localhost:8080/a.css>; rel=preload, </b>; rel=x, <//localhost:8080/c>",
        ),
        ("Link", "<https://www.bank.test/unclosed", "<https://www.bank.test/unclosed"),
        ("Access-Control-Allow-Origin", "https://www.bank.test", "http://localhost:8080"),
        ("Access-Control-Allow-Origin", "*", "*"),
        ("SourceMap", "https://www.bank.test/a.map", "http://localhost:8080/a.map"),
        ("Strict-Transport-Security", "max-age=1; includeSubDomains", None),
        ("Alt-Svc", 'h3=":443"', None),
        ("X-Other", "https://www.bank.test", "https://www.bank.test"),
        (
            "Content-Security-Policy",
            "upgrade-insecure-requests; img-src https://www.bank.test data:",
            "img-src https://www.bank.test data: http://localhost:8080",
        ),
    ],
)
def test_each_field(name: str, before: str, after: str | None) -> None:
    assert edit(name, before) == after
    assert edit(name, before, options=NONE) == before


@pytest.mark.parametrize(
    ("before", "plain", "secure"),
    [
        ("a=1", "a=1", "a=1"),
        ("a=1; Path=/; Secure; HttpOnly", "a=1; Path=/; HttpOnly", "a=1; Path=/; Secure; HttpOnly"),
        ("a=1; SameSite=None; Secure", "a=1", "a=1; SameSite=None; Secure"),
        (
            "a=1; samesite=none; SECURE; Partitioned",
            "a=1",
            "a=1; samesite=none; SECURE; Partitioned",
        ),
        ("a=1; SameSite=Lax; Secure", "a=1; SameSite=Lax", "a=1; SameSite=Lax; Secure"),
        ("a=1; Domain=www.bank.test", "a=1", "a=1; Domain=www.bank.test"),
        ("a=1; domain=.bank.test; Path=/", "a=1; Path=/", "a=1; domain=.bank.test; Path=/"),
        ("a=1; Domain=10.0.0.2", "a=1", "a=1"),
        ("a=1; Domain=", "a=1", "a=1"),
        ("a=1; Domain=nk.test", "a=1", "a=1"),
        ("__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/"),
        ("__secure-a=1; Secure", "__secure-a=1; Secure", "__secure-a=1; Secure"),
        ('a="x; Secure"', 'a="x; Secure"', 'a="x; Secure"'),
        ("; Secure", "", "; Secure"),
        ("a=\udcff; Secure", "a=\udcff", "a=\udcff; Secure"),
    ],
)
def test_cookies_that_the_visitors_browser_keeps(before: str, plain: str, secure: str) -> None:
    raw, *expected = (t.encode("latin-1", "surrogateescape") for t in (before, plain, secure))
    for sides, after in zip((PLAIN, SECURE), expected, strict=True):
        assert cookie_for_visitor(raw, sides, ALL) == after
    assert cookie_for_visitor(raw, PLAIN, NONE) == raw


@pytest.mark.parametrize("name", ["Link", "Refresh", "Location", "Set-Cookie"])
@pytest.mark.parametrize("piece", ["<", "<>", ";", "url=", "a,", "//", "; Domain="])
def test_hostile_fields_cost_linear_time(name: str, piece: str) -> None:
    fields = ((name.encode(), piece.encode() * 100_000),)
    assert len(from_origin(fields, PLAIN, ALL)) == 1


def test_several_cookies_stay_several() -> None:
    fields = tuple((b"Set-Cookie", b"c%d=1; Secure" % number) for number in range(3))
    assert from_origin(fields, PLAIN, ALL) == tuple(
        (b"Set-Cookie", b"c%d=1" % number) for number in range(3)
    )


@pytest.mark.parametrize("option", ["links", "cookie_domain", "cookie_secure", "csp"])
def test_each_option_alone_switches_its_edit_off(option: str) -> None:
    samples = {
        "links": ("Location", "https://www.bank.test/"),
        "cookie_domain": ("Set-Cookie", "a=1; Domain=www.bank.test"),
        "cookie_secure": ("Set-Cookie", "a=1; Secure"),
        "csp": ("Content-Security-Policy", "img-src https://www.bank.test"),
    }
    name, value = samples[option]
    assert edit(name, value) != value
    assert edit(name, value, options=msgspec.structs.replace(ALL, **{option: False})) == value


def test_the_origin_hears_its_own_address() -> None:
    sent = {"origin": "http://localhost:8080", "referer": "http://localhost:8080/a?b"}
    assert to_origin(sent, PLAIN) == {
        b"origin": b"https://www.bank.test",
        b"referer": b"https://www.bank.test/a?b",
    }
    assert to_origin({"origin": "http://o"}, PLAIN) == {b"origin": b"http://other:81"}
    foreign = {"origin": "null", "referer": "https://elsewhere.test/"}
    assert to_origin(foreign, PLAIN) == {
        b"origin": b"null",
        b"referer": b"https://elsewhere.test/",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("img-src www.bank.test", "img-src www.bank.test http://localhost:8080"),
        ("img-src *.bank.test/a/", "img-src *.bank.test/a/ http://localhost:8080/a/"),
        ("connect-src wss://www.bank.test", "connect-src wss://www.bank.test ws://localhost:8080"),
        (
            "frame-ancestors https://www.bank.test",
            "frame-ancestors https://www.bank.test http://localhost:8080",
        ),
        ("img-src *.other.test 'self' data: *", "img-src *.other.test 'self' data: *"),
        ("img-src *.ww.bank.test", "img-src *.ww.bank.test"),
        ("img-src https://*", "img-src https://* http://localhost:8080"),
        ("img-src *:443/a/", "img-src *:443/a/ http://localhost:8080/a/"),
        ("img-src https://*:8443", "img-src https://*:8443"),
        ("connect-src wss://*:*", "connect-src wss://*:* ws://localhost:8080"),
        # Another site behind the same proxy.
        ("connect-src http://other:81/a", "connect-src http://other:81/a http://o/a"),
        # Another service of the same host is not the site.
        ("script-src https://www.bank.test:8443/", "script-src https://www.bank.test:8443/"),
        ("img-src www.bank.test:443/a", "img-src www.bank.test:443/a http://localhost:8080/a"),
        ("img-src www.bank.test:*", "img-src www.bank.test:* http://localhost:8080"),
        ("img-src http://www.bank.test", "img-src http://www.bank.test http://localhost:8080"),
        ("img-src http://www.bank.test:81", "img-src http://www.bank.test:81"),
        # A scheme covers the site; the visitor comes by another one.
        ("img-src https: data:", "img-src https: data: http://localhost:8080"),
        ("connect-src wss:", "connect-src wss: ws://localhost:8080"),
        ("report-uri https://www.bank.test/r", "report-uri https://www.bank.test/r"),
        ("trusted-types www.bank.test", "trusted-types www.bank.test"),
        (
            "img-src www.bank.test, img-src 'self'",
            "img-src www.bank.test http://localhost:8080, img-src 'self'",
        ),
    ],
)
def test_policies_that_name_the_host(before: str, after: str) -> None:
    moved = csp.moved(before.encode(), PLAIN.pairs, is_plain=True)
    assert moved.decode() == after


def test_a_host_that_looks_like_a_scheme_is_none() -> None:
    pairs = [("https://wsop.test", "https://help.test")]
    moved = csp.moved(b"img-src wsop.test", pairs, is_plain=False)
    assert moved == b"img-src wsop.test https://help.test"
