"""Each row: a policy before, the policy after, and whether the snippet must carry the nonce."""

import pytest

from proxy_addon.csp import Needs, allow, forbids_scripts, moved, wants_integrity

CSP = b"Content-Security-Policy"
OWN = "http://shop.test/.cobrowse/"
SOCKET = "ws://shop.test/.cobrowse/"
NEEDS = Needs(scripts=[OWN], connect=[OWN, SOCKET], own_origin=True)
DIRECT = Needs(scripts=[OWN], connect=[OWN, "wss://relay.test/visitor/socket"], own_origin=False)
NONCE = "'nonce-FRESH'"


def edit(policy: str, needs: Needs = NEEDS, name: bytes = CSP) -> tuple[str, str]:
    admitted = allow(((name, policy.encode()),), needs, make_nonce=lambda: "FRESH")
    return admitted.fields[0][1].decode(), admitted.nonce


@pytest.mark.parametrize(
    ("before", "after", "nonce"),
    [
        ("frame-ancestors 'self'", "frame-ancestors 'self'", ""),
        ("script-src 'self'", f"script-src 'self' {NONCE}", "FRESH"),
        ("script-src 'none'", f"script-src {NONCE}", "FRESH"),
        ("script-src", f"script-src {NONCE}", "FRESH"),
        ("script-src 'nonce-abc' 'self'", "script-src 'nonce-abc' 'self'", "abc"),
        (
            "script-src 'strict-dynamic' 'sha256-x'",
            f"script-src 'strict-dynamic' 'sha256-x' {NONCE}",
            "FRESH",
        ),
        # A nonce would stop the page's own inline scripts.
        ("script-src 'self' 'unsafe-inline'", "script-src 'self' 'unsafe-inline'", ""),
        ("script-src 'unsafe-inline' cdn.test", f"script-src 'unsafe-inline' cdn.test {OWN}", ""),
        ("script-src 'unsafe-inline' *", "script-src 'unsafe-inline' *", ""),
        # A nonce or hash has switched 'unsafe-inline' off already.
        (
            "script-src 'unsafe-inline' 'nonce-abc'",
            "script-src 'unsafe-inline' 'nonce-abc'",
            "abc",
        ),
        (
            "script-src 'self'; script-src-elem 'self'",
            f"script-src 'self'; script-src-elem 'self' {NONCE}",
            "FRESH",
        ),
        (
            "default-src 'self'",
            f"default-src 'self'; script-src 'self' {NONCE}",
            "FRESH",
        ),
        (
            "default-src 'none'; img-src *",
            f"default-src 'none'; img-src *; script-src {NONCE}; connect-src {OWN} {SOCKET}",
            "FRESH",
        ),
        ("connect-src 'self'", "connect-src 'self'", ""),
        ("connect-src api.test", f"connect-src api.test {OWN} {SOCKET}", ""),
        ("connect-src *", "connect-src *", ""),
        ("trusted-types a b", "trusted-types a b cobrowse", ""),
        ("trusted-types 'none'", "trusted-types cobrowse", ""),
        ("SCRIPT-SRC 'Self'", f"script-src 'Self' {NONCE}", "FRESH"),
        ("script-src 'self'; script-src *", f"script-src 'self' {NONCE}; script-src *", "FRESH"),
        # What did not change stays as it was written.
        (" Img-Src  a ;script-src b;", f" Img-Src  a ;script-src b {NONCE};", "FRESH"),
        # What is not well formed binds nothing: a nonce of ours would stop the page's scripts.
        *(
            (f"script-src 'self' 'unsafe-inline' {source}",) * 2 + ("",)
            for source in (
                "'nonce-'",
                "'nonce-{{n}}'",
                "'nonce-a=b'",
                "'nonce-abc==='",
                "'sha256-'",
            )
        ),
        *(
            (f"script-src 'self' 'unsafe-inline' {source}",) * 2 + ("",)
            for source in ("'sha256-...'", "'sha1-abcd'", "'strict-dynamicx'")
        ),
        (
            "script-src 'unsafe-inline' 'sha-256-abcd'",
            f"script-src 'unsafe-inline' 'sha-256-abcd' {NONCE}",
            "FRESH",
        ),
        ("", "", ""),
        (";;", ";;", ""),
    ],
)
def test_each_policy(before: str, after: str, nonce: str) -> None:
    assert edit(before) == (after, nonce)
    assert edit(before, name=CSP.lower() + b"-report-only") == (after, nonce)
    assert "unsafe-eval" not in after


@pytest.mark.parametrize("ignored", ["script-src\xa0'self'", "script-src 'self' caf\xe9.test"])
def test_a_directive_that_browsers_ignore_stays_ignored(ignored: str) -> None:
    fields = ((CSP, f"{ignored}; connect-src a.test".encode("latin-1")),)
    admitted = allow(fields, NEEDS, make_nonce=lambda: "FRESH")
    assert admitted.nonce == ""
    after = f"{ignored}; connect-src a.test {OWN} {SOCKET}"
    assert admitted.fields[0][1].decode("latin-1") == after


def test_a_new_directive_stands_before_an_ignored_one_of_its_name() -> None:
    """Chromium ignores the value of the second, yet takes the name as used."""
    fields = ((CSP, b"default-src https:; script-src h\xfc.test"),)
    after = allow(fields, NEEDS, make_nonce=lambda: "FRESH").fields[0][1].decode("latin-1")
    assert after.index("script-src https: 'nonce-FRESH'") < after.index("script-src h\xfc.test")
    assert after.endswith("default-src https:; script-src h\xfc.test")


def test_a_direct_relay_is_let_through() -> None:
    after, _ = edit("connect-src 'self'", DIRECT)
    assert after == f"connect-src 'self' {OWN} wss://relay.test/visitor/socket"


def test_policies_with_different_nonces_get_a_fresh_one() -> None:
    before = (
        (CSP, b"script-src 'self', script-src 'nonce-own'"),
        (CSP + b"-Report-Only", b"script-src 'none'"),
    )
    admitted = allow(before, NEEDS, make_nonce=lambda: "FRESH")
    after, nonce = admitted.fields, admitted.nonce
    # The site's own nonce is not carried into a policy that does not have it.
    assert nonce == "FRESH"
    assert after[0][1] == (b"script-src 'self' 'nonce-FRESH', script-src 'nonce-own' 'nonce-FRESH'")
    assert after[1][1] == b"script-src 'nonce-FRESH'"


def test_a_nonce_that_all_policies_have_is_used() -> None:
    before = ((CSP, b"script-src 'nonce-own', default-src 'self'; script-src-elem 'nonce-own'"),)
    admitted = allow(before, NEEDS, make_nonce=lambda: "FRESH")
    assert (admitted.fields, admitted.nonce, admitted.changes) == (before, "own", ())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("blocked-destinations=(script)", True),
        ("sources=(inline), blocked-destinations=(style script), endpoints=(x)", True),
        ("blocked-destinations=(style)", False),
        ("blocked-destinations=(scripts)", False),
        ("sources=(script)", False),
        ("", False),
        ("blocked-destinations=(" * 50_000, False),
    ],
)
def test_an_integrity_policy_for_scripts(header: str, expected: bool) -> None:
    assert wants_integrity(header) is expected


def test_a_hostile_policy_costs_linear_time() -> None:
    sources = " ".join(f"h{number}.test" for number in range(50_000))
    after, _ = edit(f"default-src {sources}")
    assert after.endswith(f"{NONCE}; connect-src {sources} {OWN} {SOCKET}")
    hosts = " ".join(f"shop.test/{number}" for number in range(50_000))
    moved(f"img-src {hosts}".encode(), [("http://shop.test", "http://localhost")], is_plain=True)


def test_a_change_is_told_exactly() -> None:
    fields = ((CSP, b"script-src 'none'; connect-src a.test, img-src *"),)
    admitted = allow(fields, NEEDS, make_nonce=lambda: "FRESH")
    assert admitted.changes == (
        f"Content-Security-Policy: script-src +{NONCE} -'none'; connect-src +{OWN} +{SOCKET}",
    )


def test_a_nonce_that_is_none_is_not_taken() -> None:
    assert edit("script-src 'nonce-\"><script>'")[1] == "FRESH"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("sandbox", True),
        ("sandbox allow-forms", True),
        ("sandbox Allow-Scripts", False),
        ("script-src 'none'", False),
        ("script-src 'none', sandbox", True),
    ],
)
def test_a_sandbox_without_scripts(policy: str, expected: bool) -> None:
    assert forbids_scripts(((CSP, policy.encode()),)) is expected
    assert not forbids_scripts(((CSP + b"-Report-Only", policy.encode()),))
