"""Forward mode: which hosts are opened, and where nobody may get to."""

import re

import pytest

from proxy_addon.forward import Hosts, is_loopback, is_public


def test_hosts_are_those_of_include() -> None:
    hosts = Hosts(["shop.test/*", "*.bank.test/account/*", "shop.test/other", "[::1]/*"])
    assert hosts.names == ["shop.test", "*.bank.test", "[::1]"]
    for host in ("shop.test", "SHOP.test", "www.bank.test", "a.b.bank.test", "::1"):
        assert host in hosts, host
    for host in ("www.shop.test", "bank.test", "evilbank.test", "shop.test.evil", "", "::2"):
        assert host not in hosts, host


def test_what_mitmproxy_is_told_means_the_same() -> None:
    patterns = [
        re.compile(p) for p in Hosts(["shop.test/*", "*.bank.test/*", "[::1]/*"]).patterns()
    ]
    for host in ("shop.test:443", "Shop.test:8443", "www.bank.test:443", "::1:443", "[::1]:80"):
        assert any(p.search(host) for p in patterns), host
    for host in (
        "www.shop.test:443",
        "shopXtest:443",
        "bank.test:443",
        "evilbank.test:443",
        "shop.test.evil:443",
        "evil:1/shop.test:443",
    ):
        assert not any(p.search(host) for p in patterns), host


@pytest.mark.parametrize("include", [[], ["*"], ["*/x"], ["sh*p.test/"], ["/x"], ["a b/"]])
def test_what_names_no_host_is_refused(include: list[str]) -> None:
    with pytest.raises(ValueError, match="include"):
        Hosts(include)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("2002:7f00:1::", "2001:db8::1", "fec0::1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::192.168.0.1"),
    ],
)
def test_what_is_not_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::93.184.216.34"]
)
def test_what_is_the_internet(address: str) -> None:
    assert is_public(address)


def test_who_reaches_a_listener() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "[::1]", "::1", "localhost")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "192.168.1.1", "shop.test")))
