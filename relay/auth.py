"""Who may do what: login keys of agents, tokens of visitors and of viewers. Pure.

Source: the public description of the login key, and its five published test vectors.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

import jwt
import msgspec
from msgspec import Meta

from relay.errors import Refused
from relay.wire import Level, Person

T = TypeVar("T")

LOGIN_KEY_MAX_AGE_S: Final = 86_400
AGENT_TOKEN_LIFETIME_S: Final = 8 * 3600  # a working day: longer than a viewer stays open
TAG_TOKEN_LIFETIME_S: Final = 60
VISITOR_AUDIENCE: Final = "cobrowse-visitor"
AGENT_AUDIENCE: Final = "cobrowse-agent"
_VERSION: Final = "1"


def make_login_key(partnerid: str, partneruserid: str, api_key: str, expiry: int) -> str:
    """The time-limited credential of an agent: $1$expiry$signature.

    Args: expiry: Unix seconds, at most a day ahead when it is used.
    """
    message = f"{partnerid}{partneruserid}{_VERSION}{expiry}".encode()
    digest = hmac.digest(api_key.encode(), message, hashlib.sha256)
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return f"${_VERSION}${expiry}${signature}"


def check_login_key(
    partnerid: str,
    partneruserid: str,
    loginkey: str,
    api_keys: Mapping[str, tuple[str, ...]],
    now: float,
    skew_s: float = 0.0,
) -> int:
    """Accept an agent's credential, or say why not to the one who holds it.

    Args:
        api_keys: group id to the API keys that count; a group without one lets nobody in.
        skew_s: how far the clock of the one who made it may be off.
    Returns: when it expires, in Unix seconds.
    Raises:  Refused. A stranger learns nothing of which part was wrong.
    """
    wrong = Refused("login", "The login key is not valid for this partner and user.")
    keys = [key for key in api_keys.get(partnerid, ()) if key]
    parts = loginkey.split("$")
    if len(parts) != 4 or parts[0] or parts[1] != _VERSION or not partneruserid or not keys:
        raise wrong
    if not (parts[2].isascii() and parts[2].isdecimal() and len(parts[2]) <= 12):
        raise wrong
    expiry = int(parts[2])
    genuine = [make_login_key(partnerid, partneruserid, key, expiry) for key in keys]
    if not any([hmac.compare_digest(g.encode(), loginkey.encode()) for g in genuine]):
        raise wrong
    if now >= expiry + skew_s:
        raise Refused("expired", "The login key has expired. Ask for a new one.")
    if expiry > now + LOGIN_KEY_MAX_AGE_S + skew_s:
        raise Refused("expiry", "The login key is good for more than a day, which is not allowed.")
    return expiry


class VisitorToken(msgspec.Struct, frozen=True):
    """What the proxy says of a visitor.

    identity: from the site's cookies. levels: how well each value is known.
    """

    jti: Annotated[str, Meta(min_length=16)]
    exp: int
    group: str
    origin: str
    visitor: Annotated[str, Meta(min_length=64, max_length=64)]
    identity: Person = Person()
    levels: dict[str, Level] = {}


class AgentToken(msgspec.Struct, frozen=True):
    """What a viewer or console page shows to its socket."""

    group: str
    user: str
    name: str
    exp: int  # Unix seconds


def read_visitor_token(token: str, secret: bytes, now: float) -> VisitorToken:
    """Raises: Refused for one that is forged, stale or of another kind."""
    return _read(token, secret, now, VISITOR_AUDIENCE, VisitorToken)


def make_visitor_token(
    group: str, origin: str, visitor: str, secret: bytes, now: float, token_id: str
) -> str:
    """The token of a page that no proxy stands in front of: it says nothing of who the visitor is.

    Args: visitor: digest of the page's own secret. now: Unix seconds.
    """
    claims = {
        "aud": VISITOR_AUDIENCE,
        "exp": int(now) + TAG_TOKEN_LIFETIME_S,
        "jti": token_id,
        "group": group,
        "origin": origin,
        "visitor": visitor,
        "identity": {},
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def read_agent_token(token: str, secret: bytes, now: float) -> AgentToken:
    """Raises: Refused."""
    return _read(token, secret, now, AGENT_AUDIENCE, AgentToken)


def make_agent_token(agent: AgentToken, secret: bytes) -> str:
    claims = {"aud": AGENT_AUDIENCE, **msgspec.structs.asdict(agent)}
    return jwt.encode(claims, secret, algorithm="HS256")


def make_asset_key(session: str, purpose: Literal["upload", "view"], secret: bytes) -> str:
    """What opens the files of a session: its id, ".", a signature. session: 32 hex digits."""
    signature = hmac.digest(secret, f"assets:{purpose}:{session}".encode(), hashlib.sha256)
    return f"{session}.{base64.urlsafe_b64encode(signature).decode()[:32]}"


def read_asset_key(key: str, purpose: Literal["upload", "view"], secret: bytes) -> str | None:
    """The session's id; None for a key that is not genuine."""
    session = key.partition(".")[0]
    genuine = make_asset_key(session, purpose, secret)
    return session if hmac.compare_digest(genuine.encode(), key.encode()) else None


def end_of(agent: AgentToken, end: str, secret: bytes) -> str:
    """The name of an agent's end in a session. end: what the agent's page calls it."""
    message = "\0".join((agent.group, agent.user, end)).encode()
    return hmac.digest(secret, message, hashlib.sha256).hex()[:32]


def _read(token: str, secret: bytes, now: float, audience: str, kind: type[T]) -> T:
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=audience,
            # The clock is an argument here, so the library's own is not asked.
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "aud"]},
        )
        if not isinstance(claims["exp"], int) or now >= claims["exp"]:
            raise Refused("token", "The token has expired.")
        return msgspec.convert(claims, kind)
    except (jwt.InvalidTokenError, msgspec.ValidationError) as error:
        raise Refused("token", "The token is not valid.") from error
