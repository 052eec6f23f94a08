"""Reverse mode: what each side says about addresses, in the words of the other. Pure.

The visitor knows the site under another host, and perhaps another scheme, than the site knows
itself. Bodies are not touched: a page's absolute links lead where they say.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from proxy_addon import csp
from proxy_addon.fields import Fields, Values
from proxy_addon.origins import STANDARD_PORTS
from proxy_addon.settings import ReverseSettings

_LINKS: Final = frozenset(
    (
        *(b"location", b"content-location", b"sourcemap", b"x-sourcemap"),
        *(b"access-control-allow-origin", b"timing-allow-origin"),
    )
)
_REFRESH_URL: Final = re.compile(rb"""^([^;,]*[;,]\s*(?:url\s*=\s*)?["']?)(.*)$""", re.IGNORECASE)
_LINK_URL: Final = re.compile(rb"<([^<>]*)>")
_NEEDS_SECURE: Final = (b"__secure-", b"__host-")


@dataclass(frozen=True)
class Sides:
    """Both names of one site, as scheme://host[:port].

    others: the same pairs of the further sites behind this proxy: (upstream, visitor's).
    """

    upstream: str
    visitor: str
    others: tuple[tuple[str, str], ...] = ()

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(upstream, visitor's) of all sites, this one first."""
        return ((self.upstream, self.visitor), *self.others)


def to_origin(values: Values, sides: Sides) -> dict[bytes, bytes | None]:
    """Edits that let Origin and Referer name the site's own address."""
    edits: dict[bytes, bytes | None] = {}
    for name in ("origin", "referer"):
        if name in values:
            value = values[name].encode("latin-1")
            for upstream, visitor in sides.pairs:
                port = b":%d" % STANDARD_PORTS[visitor.partition("://")[0]]
                new = _moved(value, visitor, upstream, port)
                if new is not value:
                    break
            edits[name.encode("ascii")] = new
    return edits


def from_origin(fields: Fields, sides: Sides, options: ReverseSettings) -> Fields:
    """Response fields in which the site's own address is the visitor's."""
    is_plain = sides.visitor.startswith("http:")
    out = []
    for name, value in fields:
        lower = name.lower()
        if lower == b"set-cookie":
            value = cookie_for_visitor(value, sides, options)
        elif lower in _LINKS and options.links:
            value = _visitors(value, sides)
        elif lower == b"refresh" and options.links:
            value = _REFRESH_URL.sub(lambda m: m[1] + _visitors(m[2], sides), value)
        elif lower == b"link" and options.links:
            value = _LINK_URL.sub(lambda m: b"<" + _visitors(m[1], sides) + b">", value)
        elif lower in csp.HEADERS and options.csp:
            value = csp.moved(value, sides.pairs, is_plain=is_plain)
        elif lower == b"strict-transport-security" and not options.keep_hsts:
            continue
        elif lower == b"alt-svc" and not options.keep_alt_svc:
            continue
        out.append((name, value))
    return tuple(out)


def cookie_for_visitor(value: bytes, sides: Sides, options: ReverseSettings) -> bytes:
    """A Set-Cookie that the visitor's browser keeps, and sends back here.

    A Domain that does not cover the visitor's host goes. Over plain http, so do Secure and what
    needs it; of cookies whose name demands it, it stays: without it none would be kept anywhere.
    """
    host, is_plain = _host_of(sides.visitor), sides.visitor.startswith("http:")
    pair, *attributes = value.split(b";")
    drops_secure = (
        options.cookie_secure and is_plain and not pair.strip().lower().startswith(_NEEDS_SECURE)
    )
    kept = [pair]
    for attribute in attributes:
        key, _, content = attribute.partition(b"=")
        key, content = key.strip().lower(), content.strip().lower()
        if key == b"domain" and options.cookie_domain:
            if not _covers(content.decode("latin-1").lstrip("."), host):
                continue
        elif drops_secure and (
            key in (b"secure", b"partitioned") or (key == b"samesite" and content == b"none")
        ):
            continue
        kept.append(attribute)
    return value if len(kept) == 1 + len(attributes) else b";".join(kept)


@lru_cache(maxsize=256)
def _host_of(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _covers(domain: str, host: str) -> bool:
    """Whether a cookie's Domain covers a host. An address covers only itself."""
    if domain == host:
        return True
    try:
        ip_address(host)
    except ValueError:
        return bool(domain) and host.endswith(f".{domain}")
    return False


def _visitors(url: bytes, sides: Sides) -> bytes:
    """A URL of one of our sites under the visitor's name for it; any other as it is."""
    for upstream, visitor in sides.pairs:
        port = b":%d" % STANDARD_PORTS[upstream.partition("://")[0]]
        new = _moved(url, upstream, visitor, port)
        if new is not url:
            return new
        # "//host/path" takes the scheme of the page.
        upstream, visitor = (f"//{side.partition('://')[2]}" for side in (upstream, visitor))
        new = _moved(url, upstream, visitor, port)
        if new is not url:
            return new
    return url


def _moved(url: bytes, old: str, new: str, port: bytes) -> bytes:
    """port: the one that the old address may name or leave out."""
    before = old.encode("utf-8", "surrogateescape")
    if not url.lower().startswith(before):
        return url
    rest = url[len(before) :].removeprefix(port)
    if rest[:1] not in (b"", b"/", b"?", b"#"):
        return url
    return new.encode("utf-8", "surrogateescape") + rest
