"""Pages with policies of their own: their scripts run or fail as without us, and sessions start."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.mirror import until
from tests.browser.pages import Pages, complaints, serving_pages
from tests.browser.visiting import COLLECT, heard
from tests.wire.raw import raw_server

HASH = "'sha256-qHjK4NyPGtOVSb5z9XUnIcPwjUxGlX2nRjuRw8Pd4Iw='"
PAGE = """<!doctype html><html><head>{meta}<title>t</title>
<script>window.plain = 1</script>
<script nonce="abc">window.nonced = 1</script>
<script src="/own.js"></script>
</head><body><button onclick="window.clicked = 1">b</button></body></html>"""
RAN = "['plain', 'nonced', 'own', 'clicked'].map((name) => name in window)"
CSP = "Content-Security-Policy"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serving_pages(tmp_path_factory.mktemp("policies")) as site:
        site.put("/own.js", "window.own = 1", content_type="text/javascript")
        yield site


def outcome(visitor: Page, url: str) -> tuple[list[bool], list[str]]:
    """Which of the page's own scripts ran, and what the console has to say."""
    found = complaints(visitor)
    visitor.goto(url)
    visitor.locator("button").click()
    own = url.rpartition("/")[0]
    return visitor.evaluate(RAN), sorted(text.replace(own, "") for text in found)


def starts(visitor: Page) -> bool:
    """Whether a session runs, after the visitor asks for one."""
    visitor.evaluate(COLLECT)
    visitor.evaluate("GLANCE.Cobrowse.Visitor.startSession()")
    until(visitor, "window.heard.length > 0", timeout_s=20)
    if heard(visitor)[0][0] != "sessionstart":
        return False
    until(visitor, "GLANCE.Cobrowse.Visitor.inSession()")
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")
    return True


POLICIES = {
    "none": [],
    "self": [f"{CSP}: script-src 'self'"],
    "unsafe-inline": [f"{CSP}: default-src 'self' 'unsafe-inline'"],
    "unsafe-inline without self": [f"{CSP}: script-src 'unsafe-inline'; connect-src 'none'"],
    "a nonce": [f"{CSP}: script-src 'nonce-abc'"],
    "a nonce beats unsafe-inline": [f"{CSP}: script-src 'unsafe-inline' 'nonce-abc'"],
    "an unfilled nonce": [f"{CSP}: script-src 'self' 'unsafe-inline' 'nonce-{{{{nonce}}}}'"],
    "an empty hash": [f"{CSP}: script-src 'self' 'unsafe-inline' 'sha256-'"],
    "nothing": [f"{CSP}: default-src 'none'"],
    "strict-dynamic": [f"{CSP}: script-src 'strict-dynamic' 'nonce-abc' https:"],
    "a hash": [f"{CSP}: script-src {HASH}"],
    "two headers": [f"{CSP}: script-src 'self'", f"{CSP}: script-src 'nonce-abc' 'self'"],
    "two in one header": [f"{CSP}: script-src 'self', default-src 'self' 'unsafe-inline'"],
    "script-src-elem": [f"{CSP}: script-src 'unsafe-inline'; script-src-elem 'self'"],
    "script-src-attr": [f"{CSP}: script-src 'self'; script-src-attr 'unsafe-inline'"],
    "connect-src": [f"{CSP}: connect-src https://api.test"],
    "report-only": [f"{CSP}-Report-Only: script-src 'none'; connect-src 'none'"],
    "trusted types": [f"{CSP}: require-trusted-types-for 'script'; trusted-types own"],
    "no trusted types": [f"{CSP}: require-trusted-types-for 'script'; trusted-types 'none'"],
    "cross-origin isolation": [
        "Cross-Origin-Embedder-Policy: require-corp",
        "Cross-Origin-Opener-Policy: same-origin",
        "Cross-Origin-Resource-Policy: same-origin",
    ],
    "integrity policy": ["Integrity-Policy: blocked-destinations=(script), sources=(inline)"],
    "frames": [f"{CSP}: frame-ancestors 'none'; form-action 'self'; base-uri 'none'"],
}


@pytest.mark.parametrize("name", POLICIES)
def test_each_policy(site: Pages, visitor: Page, name: str) -> None:
    site.put("/policy", PAGE.format(meta=""), *POLICIES[name])
    direct = outcome(visitor, f"{site.direct}/policy")
    proxied = outcome(visitor, f"{site.proxied}/policy")
    assert proxied[0] == direct[0]
    assert len(proxied[1]) == len(direct[1])  # the texts name the policies, which have changed
    assert starts(visitor)


@pytest.mark.parametrize(
    "policy", ["script-src 'nonce-abc'", "script-src 'strict-dynamic' 'nonce-abc'"]
)
def test_a_base_does_not_decide_whose_script_runs(site: Pages, visitor: Page, policy: str) -> None:
    """Injected markup that the page's policy makes harmless stays so."""
    with raw_server() as foreign:
        body = b"window.pwned = 1"
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nAccess-Control-Allow-Origin: *\r\n"
        )
        foreign.answers(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        base = f"<base href='{foreign.url}/'>"
        site.put(
            "/base", PAGE.format(meta="").replace("<button", f"{base}<button"), f"{CSP}: {policy}"
        )
        visitor.goto(f"{site.proxied}/base")
        until(visitor, "GLANCE.Cobrowse._internal.ready === true")
        assert starts(visitor)
        assert visitor.evaluate("window.pwned") is None
        assert foreign.hears_nothing()


# What a page's HTML says is never edited: the start of a session is answered by an error.
METAS = {
    "no scripts": "script-src 'none'",
    "no connections": "connect-src 'none'; script-src 'self' 'unsafe-inline'",
    "nothing": "default-src 'none'",
}


@pytest.mark.parametrize("name", METAS)
def test_a_policy_in_the_page_is_told_of(site: Pages, visitor: Page, name: str) -> None:
    meta = f'<meta http-equiv="Content-Security-Policy" content="{METAS[name]}">'
    site.put("/meta", PAGE.format(meta=meta))
    direct = outcome(visitor, f"{site.direct}/meta")
    assert outcome(visitor, f"{site.proxied}/meta") == direct
    assert not starts(visitor)
    [kind, error] = heard(visitor)[0]
    assert kind == "error"
    assert error == {
        "code": "policy",
        "msg": "The page's content security policy forbids co-browsing.",
    }


def test_a_policy_in_the_page_that_allows_it(site: Pages, visitor: Page) -> None:
    policy = "default-src 'self' 'unsafe-inline'"
    meta = f'<meta http-equiv="content-security-policy" content="{policy}">'
    site.put("/meta", PAGE.format(meta=meta))
    outcome(visitor, f"{site.proxied}/meta")
    assert starts(visitor)


def test_a_sandboxed_page(site: Pages, visitor: Page) -> None:
    """With scripts, it has an origin of its own: the API answers, and cannot start a session."""
    site.put("/sandbox", PAGE.format(meta=""), f"{CSP}: sandbox allow-scripts")
    direct = outcome(visitor, f"{site.direct}/sandbox")
    assert outcome(visitor, f"{site.proxied}/sandbox") == direct
    assert not starts(visitor)
    site.put("/sandbox", PAGE.format(meta=""), f"{CSP}: sandbox")
    visitor.goto(f"{site.proxied}/sandbox")
    assert visitor.locator("button").is_visible()
