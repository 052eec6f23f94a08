import pytest

from proxy_addon.cookies import read, strip
from proxy_addon.fields import Fields
from proxy_addon.identity import from_cookies


def cookie(*lines: bytes) -> Fields:
    return tuple((b"Cookie", line) for line in lines)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"a=1; b=2"], {"a": b"1", "b": b"2"}),
        ([b"a=1", b"b=2"], {"a": b"1", "b": b"2"}),  # crumbs, as HTTP/2 sends them
        ([b"a=1; a=2"], {"a": b"1"}),
        ([b'a="quoted"'], {"a": b"quoted"}),
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
    values = from_cookies({field: raw}, MAPPING)
    assert values == ({} if expected is None else {wanted: expected})


def test_a_cookie_that_is_not_mapped_is_not_read() -> None:
    assert from_cookies({"secret": b"1", "name": b"x"}, {"name": "nm"}) == {}
