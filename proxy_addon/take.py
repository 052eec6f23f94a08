"""A session that goes on from one site behind this proxy to another. Pure.

The visitor's script leads a link to another of our sites over a path of ours there, which leaves
the ticket as a cookie and leads on. Only our own sites may lead there: a stranger's link must not
make anybody share a page.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from proxy_addon.cookies import SESSION_COOKIE

_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{1,50}\.[A-Za-z0-9_-]{16,64}")
# A path of this site, in characters that a Location field may have.
_PATH: Final = re.compile(r"/(?![/\\])[!-~]*")


@dataclass(frozen=True)
class Way:
    """Where the browser goes on, and with which Set-Cookie value ("" for none)."""

    location: str
    set_cookie: str


def take(path: str, referer: str, hosts: Container[str], *, secure: bool) -> Way | None:
    """What to answer; None where the address says nothing that we would have written.

    Args: path: the request's, with its query. hosts: our sites, by lower-case name.
    """
    asked = parse_qs(urlsplit(path).query)
    to, ticket = asked.get("to", [""])[0], asked.get("ticket", [""])[0]
    if not _PATH.fullmatch(to):
        return None
    from_us = (urlsplit(referer).hostname or "") in hosts
    if not from_us or not _TICKET.fullmatch(ticket):
        return Way(to, "")
    more = "; Secure" if secure else ""
    return Way(to, f"{SESSION_COOKIE}={ticket}; Path=/; SameSite=Lax{more}")
