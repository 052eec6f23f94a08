"""Origins as browsers write them: scheme://host[:port], without the scheme's own port. Pure."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

STANDARD_PORTS: Final = {"http": 80, "https": 443}
_PORTS: Final = {**STANDARD_PORTS, "ws": 80, "wss": 443}
_AUTHORITY: Final = re.compile(
    r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>\d{1,5}))?"
)


@lru_cache(maxsize=1024)
def origin_of(scheme: str, authority: str) -> tuple[str, str]:
    """The origin and its host (an IPv6 address without brackets). An odd authority stays one word.

    Args: authority: lower-case host[:port], as a Host field has it.
    """
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return f"{scheme}://{authority}", authority
    host = match["host"] if match["literal"] is None else match["literal"]
    return f"{scheme}://{host_and_port(scheme, host, int(match['port'] or 0))}", host


def host_and_port(scheme: str, host: str, port: int) -> str:
    """host[:port]. port: 0 for the scheme's own."""
    literal = f"[{host}]" if ":" in host else host
    return literal if port in (0, STANDARD_PORTS.get(scheme)) else f"{literal}:{port}"


def address_of(url: str) -> tuple[str, str, int]:
    """scheme, host and port of a URL that the settings have checked."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


@lru_cache(maxsize=1024)
def others(
    origins: tuple[tuple[str, str], ...], origin: str, host: str
) -> tuple[tuple[str, str], ...]:
    """The further sites behind a proxy: (upstream, visitor's), at the port of this visitor.

    Args:
        origins: visitor-facing host and URL of each site.
        origin, host: of the page that the visitor asks for.
    """
    scheme, _, authority = origin.partition("://")
    port = authority.removeprefix(f"[{host}]").removeprefix(host)
    found = []
    for other, url in origins:
        if other != host:
            upstream = address_of(url)
            found.append(
                (f"{upstream[0]}://{host_and_port(*upstream)}", f"{scheme}://{other}{port}")
            )
    return tuple(found)


def last_item(value: str) -> str:
    """Of a forwarded list, what the nearest proxy has added, in lower case."""
    return value.rpartition(",")[2].strip().lower()
