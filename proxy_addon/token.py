"""The proxy's word to the relay: this browser came through here, with these cookie values. Pure.

The relay checks it with the same secret and takes each token once. docs/design.md lists the claims.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import jwt

LIFETIME_S: Final = 60
AUDIENCE: Final = "cobrowse-visitor"


def mint(
    *,
    secret: bytes,
    group: str,
    origin: str,
    visitor: str,
    identity: Mapping[str, str],
    now: float,
    token_id: str,
) -> str:
    """A signed token (JWT, HS256) good for LIFETIME_S and for one hello.

    Args:
        origin: scheme://host[:port] of the page, as the browser sends it in Origin.
        visitor: value of the visitor's own cookie; only its digest goes into the token.
        now: Unix seconds. token_id: unguessable, never used twice.
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
    }
    return jwt.encode(claims, secret, algorithm="HS256")
