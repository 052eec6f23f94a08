import base64
import hmac
import json
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy_addon.cookies import read, strip
from proxy_addon.fields import Fields
from proxy_addon.identity import from_cookies, levels
from proxy_addon.settings import CookieSource


def cookie(*lines: bytes) -> Fields:
    return tuple((b"Cookie", line) for line in lines)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"a=1; b=2"], {"a": b"1", "b": b"2"}),
        ([b"a=1", b"b=2"], {"a": b"1", "b": b"2"}),  # crumbs, as HTTP/2 sends them
        ([b"a=1; a=2"], {"a": b"1"}),
        ([b'a="quoted"'], {"a": b"quoted"}),
        ([b'a="x\\054\\"y\\""'], {"a": b'x,"y"'}),  # as Python's http.cookies writes it
        ([b'a="half'], {"a": b'"half'}),
        ([b'a="'], {"a": b'"'}),
        ([b"a=\\054"], {"a": b"\\054"}),
        ([b"a=x=y"], {"a": b"x=y"}),
        ([b"nothing; =x; a = 1 "], {"": b"x", "a": b"1"}),
        ([b"a=\xff"], {"a": b"\xff"}),
    ],
)
def test_reading(lines: list[bytes], expected: dict[str, bytes]) -> None:
    assert read(cookie(*lines)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a=1; cobrowse_session=K.t; b=2", b"a=1; b=2"),
        (b"cobrowse_session=K.t; b=2", b"b=2"),
        (b"b=2;cobrowse_visitor=v", b"b=2"),
        (b"cobrowse_session=1; cobrowse_session=2", None),
        (b"x=cobrowse_session=1;  y", b"x=cobrowse_session=1;  y"),
        (b"not_cobrowse_session=1", b"not_cobrowse_session=1"),
    ],
)
def test_ours_go_and_the_rest_stays_byte_for_byte(line: bytes, expected: bytes | None) -> None:
    kept = strip(((b"Host", b"h"), *cookie(line)))
    assert kept == ((b"Host", b"h"), *(cookie(expected) if expected is not None else ()))


MAPPING = {"visitorid": "id", "name": "nm", "email": "ml", "phone": "ph"}
SOURCES = {field: CookieSource(cookie=cookie) for field, cookie in MAPPING.items()}


@pytest.mark.parametrize(
    ("field", "raw", "expected"),
    [
        ("id", b"59204gh_42", "59204gh_42"),
        ("id", b"a" * 50, "a" * 50),
        ("id", b"a" * 51, None),
        ("id", b"no spaces", None),
        ("id", b"</script>", None),
        ("id", b"", None),
        ("nm", b"Niels%20Bohr", "Niels Bohr"),
        ("nm", b"Ren%C3%A9e", "Renée"),
        ("nm", "Renée".encode(), "Renée"),
        ("nm", b"%2520", "%20"),  # decoded once, not twice
        ("nm", b"a+b", "a+b"),
        ("nm", ("%E6%BC%A2" * 63).encode(), "漢" * 63),
        ("nm", ("%E6%BC%A2" * 64).encode(), None),
        ("nm", b"%FF", None),
        ("nm", b"line%0Abreak", None),
        ("nm", b"%E2%80%A8", None),
        ("ml", b"nbohr%40example.org", "nbohr@example.org"),
        ("ml", b"%E6%BC%A2", None),
        ("ml", b"x" * 128, None),
        ("ph", b"314-159-2653", "314-159-2653"),
        ("ph", b"3" * 32, None),
    ],
)
def test_values_keep_the_limits_of_their_field(
    field: str, raw: bytes, expected: str | None
) -> None:
    wanted = next(name for name, mapped in MAPPING.items() if mapped == field)
    values = from_cookies({field: raw}, SOURCES)
    assert values == ({} if expected is None else {wanted: expected})


def test_a_cookie_that_is_not_mapped_is_not_read() -> None:
    assert from_cookies({"secret": b"1", "name": b"x"}, {"name": CookieSource(cookie="nm")}) == {}


def structured(**more: Any) -> dict[str, CookieSource]:
    return {"email": CookieSource(cookie="c", **more)}


JSON = ("json",)
PROFILE = {"user": {"email": "a@b.test", "ids": [7, "x@y.test"], "on": True, "n": None}}


@pytest.mark.parametrize(
    ("value", "field", "expected"),
    [
        (PROFILE, "user.email", "a@b.test"),
        (PROFILE, "user.ids.1", "x@y.test"),
        (PROFILE, "user.ids.0", "7"),
        (PROFILE, "user.ids.9", None),
        (PROFILE, "user.ids.x", None),
        (PROFILE, "user.on", None),
        (PROFILE, "user.n", None),
        (PROFILE, "user", None),
        (PROFILE, "user.email.x", None),
        (PROFILE, "__proto__", None),
        ("plain text", "", "plain text"),
    ],
)
def test_a_value_inside_json(value: object, field: str, expected: str | None) -> None:
    raw = json.dumps(value).encode()
    percent = quote(raw).encode()
    urlsafe = base64.urlsafe_b64encode(raw).rstrip(b"=")
    for cookie_value, steps in (
        (raw, ("json",)),
        (percent, ("percent", "json")),
        (base64.b64encode(raw), ("base64", "json")),
        (urlsafe, ("base64", "json")),
        (quote(base64.b64encode(raw)).encode(), ("percent", "base64", "json")),
    ):
        found = from_cookies({"c": cookie_value}, structured(decode=steps, field=field))
        assert found == ({} if expected is None else {"email": expected}), steps


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 8_000,
        b'{"user":' * 1_000,
        b'{"user":{"email":"' + b"x" * 9_000 + b'"}}',
        b'{"user":{"email":1e999}}',
        b'{"user":{"email":' + b"9" * 5_000 + b"}}",
        b'{"user":{"email":"\xff"}}',
        b'{"user":{"email":"\\ud800"}}',
        b"",
        b"\x00",
        b"NaN",
    ],
)
def test_hostile_json_is_left_out(raw: bytes) -> None:
    assert from_cookies({"c": raw}, structured(decode=JSON, field="user.email")) == {}


@pytest.mark.parametrize("raw", [b"!", b"a", b"====", b"a b c d", b"\xff\xff"])
def test_what_is_no_base64_is_left_out(raw: bytes) -> None:
    assert from_cookies({"c": raw}, structured(decode=("base64",))) == {}


KEY = "obviously-fake-signing-key-of-enough-length"


@pytest.mark.parametrize(
    ("signed_with", "claims", "verified", "unverified"),
    [
        (KEY, {}, True, True),
        (KEY, {"aud": "other", "iss": "x", "exp": 4e9}, True, True),
        ("another-obviously-fake-key-of-enough-length", {}, False, True),
        (KEY, {"exp": 1}, False, True),
        (KEY, {"email": 5}, True, True),
        (KEY, {"email": ["a"]}, False, False),
    ],
)
def test_a_signed_value(
    signed_with: str, claims: dict[str, Any], verified: bool, unverified: bool
) -> None:
    raw = jwt.encode({"email": "a@b.test", **claims}, signed_with, "HS256").encode()
    source = {"decode": ("jwt",), "field": "email"}
    assert bool(from_cookies({"c": raw}, structured(**source, key=KEY))) is verified
    assert bool(from_cookies({"c": raw}, structured(**source))) is unverified


@pytest.mark.parametrize("algorithm", ["none", "HS384"])
def test_another_algorithm_does_not_count(algorithm: str) -> None:
    key = "" if algorithm == "none" else KEY * 2
    raw = jwt.encode({"email": "a@b.test"}, key, algorithm).encode()
    assert from_cookies({"c": raw}, structured(decode=("jwt",), field="email", key=KEY * 2)) == {}


def test_a_public_key_is_no_shared_secret() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    source = {"decode": ("jwt",), "field": "email", "key": public.decode()}
    good = jwt.encode({"email": "a@b.test"}, private, "ES256").encode()
    assert from_cookies({"c": good}, structured(**source, algorithms=("ES256",)))
    assert from_cookies({"c": good}, structured(**source)) == {}


def test_other_charsets_are_read_when_named() -> None:
    raw = "René".encode("windows-1252")
    source = {"name": CookieSource(cookie="c", charset="windows-1252")}
    assert from_cookies({"c": raw}, source) == {"name": "René"}
    assert from_cookies({"c": raw}, {"name": CookieSource(cookie="c")}) == {}


def signed_as_express_does(text: str, key: str) -> bytes:
    digest = hmac.digest(key.encode(), text.encode(), "sha256")
    return f"s:{text}.{base64.b64encode(digest).decode().rstrip('=')}".encode()


def test_a_cookie_that_is_signed() -> None:
    source = structured(decode=("percent", "hmac"), key=KEY)
    good = signed_as_express_does("v.7", KEY)
    assert from_cookies({"c": good}, source) == {"email": "v.7"}
    assert from_cookies({"c": good.replace(b"+", b"%2B")}, source) == {"email": "v.7"}
    in_hex = b"v.7." + hmac.digest(KEY.encode(), b"v.7", "sha256").hex().encode()
    assert from_cookies({"c": in_hex}, source) == {"email": "v.7"}
    for bad in (signed_as_express_does("v.7", "other"), b"v.7", b"s:v.7.", b".", b"v.7.\xff", b""):
        assert from_cookies({"c": bad}, source) == {}
    assert levels({"email"}, source) == {"email": "signed"}
    assert levels({"email"}, structured(decode=("percent",))) == {}
