"""Forward and transparent mode: whose connections are opened, and where others may lead. Pure."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

# Addresses of version 6 that end in one of version 4: RFC 4291, 2765 and 6052.
_AROUND_IPV4: Final = tuple(
    map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
)
# Not all versions of Python know that these are nobody's outside: RFC 3879 and 8215.
_LOCAL: Final = tuple(map(ipaddress.IPv6Network, ("fec0::/10", "64:ff9b:1::/48")))
_HOST: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


class Hosts:
    """The hosts that are opened: all others pass by, unopened and unread.

    Args: include: of the config file, "host/path", where host may begin with "*.".
    Raises: ValueError, for what names no host, or every one.
    """

    def __init__(self, include: Iterable[str]) -> None:
        self.names = list(dict.fromkeys(pattern.partition("/")[0].lower() for pattern in include))
        for name in self.names:
            if not _HOST.fullmatch(name):
                raise ValueError(
                    f"include: {name!r} names no host: in forward mode each entry begins with "
                    "host/ or *.host/"
                )
        if not self.names:
            raise ValueError(
                "forward mode opens only what include names: set include in [proxy], as "
                '["shop.test/*"], or give --include shop.test'
            )

    def __contains__(self, host: object) -> bool:
        if not isinstance(host, str):
            return False
        host = host.lower()
        bare = f"[{host}]" if ":" in host else host
        return any(
            host.endswith(name[1:]) if name.startswith("*.") else bare == name
            for name in self.names
        )

    def patterns(self) -> list[str]:
        """Regular expressions of host:port, as mitmproxy's allow_hosts takes them."""
        return [
            r"(?i)^(?:[^:/]+\.)" + re.escape(name[2:]) + r":\d+$"
            if name.startswith("*.")
            else r"(?i)^\[?" + re.escape(name.strip("[]")) + r"\]?:\d+$"
            for name in self.names
        ]


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, and of no network behind it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not ip.is_global or ip.is_multicast:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return True
    teredo = ip.teredo
    inner = [ip.ipv4_mapped, ip.sixtofour, teredo and teredo[1]]
    if any(ip in network for network in _AROUND_IPV4):
        inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    is_local = any(ip in network for network in _LOCAL)
    return not is_local and all(is_public(str(found)) for found in inner if found)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener there. "" is every address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
