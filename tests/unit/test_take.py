import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addon.take import Way, take

HOSTS = {"shop.test", "bank.test"}
TICKET = "1234567.abcdefghijklmnop_-"
COOKIE = f"cobrowse_session={TICKET}; Path=/; SameSite=Lax"


@pytest.mark.parametrize(
    ("path", "referer", "expected"),
    [
        (f"/x?ticket={TICKET}&to=/a%3Fb%23c", "https://shop.test/", Way("/a?b#c", COOKIE)),
        (f"/x?to=/&ticket={TICKET}", "http://shop.test:8080/p", Way("/", COOKIE)),
        # A stranger's link leads on, and shares nothing.
        (f"/x?ticket={TICKET}&to=/a", "https://evil.test/", Way("/a", "")),
        (f"/x?ticket={TICKET}&to=/a", "https://shop.test.evil.test/", Way("/a", "")),
        (f"/x?ticket={TICKET}&to=/a", "", Way("/a", "")),
        ("/x?ticket=x;y&to=/a", "https://shop.test/", Way("/a", "")),
        (f"/x?ticket={TICKET}%0d%0aX:y&to=/a", "https://shop.test/", Way("/a", "")),
        (f"/x?ticket={TICKET}", "https://shop.test/", None),
        (f"/x?ticket={TICKET}&to=//evil.test", "https://shop.test/", None),
        (f"/x?ticket={TICKET}&to=/%5Cevil.test", "https://shop.test/", None),
        (f"/x?ticket={TICKET}&to=https://evil.test", "https://shop.test/", None),
        (f"/x?ticket={TICKET}&to=/a%0d%0aX:y", "https://shop.test/", None),
    ],
)
def test_each_way(path: str, referer: str, expected: Way | None) -> None:
    assert take(path, referer, HOSTS, secure=False) == expected


def test_by_https_the_cookie_is_secure() -> None:
    way = take(f"/x?ticket={TICKET}&to=/", "https://shop.test/", HOSTS, secure=True)
    assert way == Way("/", COOKIE + "; Secure")


@given(st.text(max_size=60), st.text(max_size=30))
def test_whatever_is_asked_the_way_stays_here(path: str, referer: str) -> None:
    try:
        way = take(path, referer, HOSTS, secure=False)
    except ValueError:
        return  # no URL at all: answered as a bad request
    if way is not None:
        assert way.location.startswith("/") and way.location[1:2] not in ("/", "\\")
