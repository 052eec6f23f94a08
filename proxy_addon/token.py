"""The proxy's word to the relay: this browser came through here, with these cookie values. Pure.

The relay checks it with the same secret and takes each token once. docs/design.md lists the claims.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import jwt

from proxy_addon.cookies import VISITOR_COOKIE
from proxy_addon.fields import Values

LIFETIME_S: Final = 60
AUDIENCE: Final = "cobrowse-visitor"
_SECRET_MIN_BYTES: Final = 32
_VISITOR_COOKIE_BYTES: Final = 32
_DOMAIN: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_VISITOR_COOKIE_VALUE: Final = re.compile(rb"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Answer:
    """What the page that asks for a token gets. set_cookie: a Set-Cookie value, or ""."""

    status: int
    text: str
    set_cookie: str = ""


def answer(
    *,
    method: str,
    values: Values,
    sent: Mapping[str, bytes],
    origin: str,
    group: str,
    identity: Mapping[str, str],
    levels: Mapping[str, str],
    secret: bytes,
    path: str,
    domain: str,
    now: float,
    make_random: Callable[[int], str],
) -> Answer:
    """Mint a token for the page that asks. Fails closed: no doubt about who asks is allowed.

    Args:
        values: the request's fields. sent: its cookies.
        origin: scheme://host[:port] of our pages there. group: "" where the host has none.
        levels: which of the values are signed.
        path, domain: where the visitor cookie is sent; "" for this host only.
        now: Unix seconds.
        make_random: unguessable text from so many bytes.
    """
    same_site = values.get("sec-fetch-site", "") in ("", "same-origin")
    if method != "POST" or not same_site or values.get("origin") != origin:
        return Answer(403, "A token is given to a page of this site, by POST.\n")
    if not group or len(secret) < _SECRET_MIN_BYTES:
        return Answer(503, "Co-browsing is not set up here.\n")
    visitor = sent.get(VISITOR_COOKIE, b"")
    known = _VISITOR_COOKIE_VALUE.fullmatch(visitor) is not None
    value = visitor.decode("ascii") if known else make_random(_VISITOR_COOKIE_BYTES)
    minted = mint(
        secret=secret,
        group=group,
        origin=origin,
        visitor=value,
        identity=identity,
        levels=levels,
        now=now,
        token_id=make_random(16),
    )
    secure = "; Secure" if origin.startswith("https:") else ""
    wide = f"; Domain={domain}" if _covers(domain, origin) else ""
    cookie = f"{VISITOR_COOKIE}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}{wide}"
    return Answer(200, minted, "" if known else cookie)


def _covers(domain: str, origin: str) -> bool:
    """Whether a page's cookie may have this domain, as far as that is to be seen here.

    The page has tried which is the widest that its browser takes; no other site's is taken.
    """
    host = urlsplit(origin).hostname or ""
    named = _DOMAIN.fullmatch(domain) is not None
    return named and (host == domain or host.endswith(f".{domain}"))


def mint(
    *,
    secret: bytes,
    group: str,
    origin: str,
    visitor: str,
    identity: Mapping[str, str],
    now: float,
    token_id: str,
    levels: Mapping[str, str] | None = None,
) -> str:
    """A signed token (JWT, HS256) good for LIFETIME_S and for one hello.

    Args:
        origin: scheme://host[:port] of the page, as the browser sends it in Origin.
        visitor: value of the visitor's own cookie; only its digest goes into the token.
        now: Unix seconds. token_id: unguessable, never used twice.
        levels: which values are signed; the rest a visitor can forge.
    """
    claims = {
        "aud": AUDIENCE,
        "iat": int(now),
        "exp": int(now) + LIFETIME_S,
        "jti": token_id,
        "group": group,
        "origin": origin,
        "visitor": hashlib.sha256(visitor.encode()).hexdigest(),
        "identity": dict(identity),
        "levels": dict(levels or {}),
    }
    return jwt.encode(claims, secret, algorithm="HS256")
