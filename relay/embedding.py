"""Which sites may show the agent's pages in a frame. Pure.

A domain is written as in AccountSettings; web/src/trusted.ts reads it in the same way.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

_LOCAL: Final = re.compile(r"(?:localhost|.+\.localhost|127\.0\.0\.1|\[::1\])\Z")


def frame_ancestors(domains: Iterable[str]) -> str:
    """The value of the policy's frame-ancestors: our own pages, and these hosts by https.

    This machine's own names may come by http. Policies cannot name IPv6 addresses: these are left
    out.
    """
    sources = ["'self'"]
    for domain in map(str.lower, domains):
        host, _, port = domain.partition(":")
        if host.startswith("["):
            continue
        schemes = ("https", "http") if _LOCAL.match(host) else ("https",)
        sources += [f"{scheme}://{host}:{port or '*'}" for scheme in schemes]
    return " ".join(dict.fromkeys(sources))


def is_trusted(origin: str, domains: Iterable[str]) -> bool:
    """Whether an origin, as browsers write it, is one of the domains."""
    try:
        url = urlsplit(origin)
        host, port = (url.hostname or "").lower(), url.port
    except ValueError:
        return False
    host = f"[{host}]" if ":" in host else host
    if url.scheme != "https" and not (url.scheme == "http" and _LOCAL.match(host)):
        return False
    names = (host, f"{host}:{port}")
    return any(
        host.endswith(domain[1:]) if domain.startswith("*.") else domain in names
        for domain in map(str.lower, domains)
    )
