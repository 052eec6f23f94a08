"""Forward and transparent mode: whose connections are opened, and where others may lead. Pure."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

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

    def __contains__(self, host: str) -> bool:
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
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    teredo = getattr(ip, "teredo", None)
    return (
        ip.is_global
        and not ip.is_multicast
        and (inner is None or is_public(str(inner)))
        and (teredo is None or is_public(str(teredo[1])))
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener there. "" is every address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
