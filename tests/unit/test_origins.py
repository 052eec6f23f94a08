import pytest

from proxy_addon.origins import host_and_port, last_item, origin_of, others


@pytest.mark.parametrize(
    ("scheme", "authority", "origin", "host"),
    [
        ("http", "shop.test", "http://shop.test", "shop.test"),
        ("http", "shop.test:80", "http://shop.test", "shop.test"),
        ("https", "shop.test:80", "https://shop.test:80", "shop.test"),
        ("http", "[::1]:8080", "http://[::1]:8080", "::1"),
        ("http", "[::1]", "http://[::1]", "::1"),
        ("http", "[bad", "http://[bad", "[bad"),
        ("http", "a]b[", "http://a]b[", "a]b["),
        ("http", "shop.test:x", "http://shop.test:x", "shop.test:x"),
        ("http", "", "http://", ""),
    ],
)
def test_origins(scheme: str, authority: str, origin: str, host: str) -> None:
    assert origin_of(scheme, authority) == (origin, host)


def test_the_schemes_own_port_is_not_written() -> None:
    assert host_and_port("https", "a", 443) == "a"
    assert host_and_port("https", "::1", 80) == "[::1]:80"


def test_the_other_sites_stand_at_the_visitors_port() -> None:
    sites = (("shop.test", "http://s"), ("bank.test", "HTTPS://Bank.Internal:443/"))
    assert others(sites, "http://shop.test:8080", "shop.test") == (
        ("https://bank.internal", "http://bank.test:8080"),
    )


@pytest.mark.parametrize(("value", "item"), [("a, B ", "b"), ("x", "x"), ("", ""), ("a,", "")])
def test_the_nearest_proxys_word(value: str, item: str) -> None:
    assert last_item(value) == item
