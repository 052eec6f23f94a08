"""Who the visitor is, from the site's own cookies: the values of the GLANCE_COBROWSE block. Pure.

Source of the limits: the API's public reference, properties of GLANCE_COBROWSE.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import jwt
import msgspec

from proxy_addon.settings import CookieSource

FIELDS: Final = ("visitorid", "name", "email", "phone")
_VISITOR_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,50}")
_MAX_CHARACTERS: Final = {"name": 63, "email": 127, "phone": 31}
# Twice what browsers keep.
_MAX_COOKIE_BYTES: Final = 8_192
# Only the signature and the times count: a token for another audience still says who this is.
_JWT_OPTIONS: Final[Any] = {"verify_aud": False, "verify_iss": False, "verify_sub": False}
_UNVERIFIED: Final[Any] = {**_JWT_OPTIONS, "verify_signature": False}


def from_cookies(
    cookies: Mapping[str, bytes], sources: Mapping[str, CookieSource]
) -> dict[str, str]:
    """The identity values that the mapped cookies hold.

    Args:
        cookies: name to raw value.
        sources: field (one of FIELDS) to the cookie that holds it, and how.
    Returns:
        field to value. A value that cannot be read, whose signature is wrong, or that breaks the
        field's limit is left out: half a visitor id would be another visitor.
    """
    values: dict[str, str] = {}
    for field in FIELDS:
        source = sources.get(field)
        raw = cookies.get(source.cookie) if source else None
        if source is None or raw is None or len(raw) > _MAX_COOKIE_BYTES:
            continue
        try:
            value = _read(raw, source)
        # RecursionError is what deeply nested JSON gives.
        except (ValueError, LookupError, RecursionError, jwt.PyJWTError):
            continue
        if is_valid(field, value):
            values[field] = value
    return values


def levels(values: Collection[str], sources: Mapping[str, CookieSource]) -> dict[str, str]:
    """Which of these fields' values are signed; the rest are mere cookies."""
    return {field: "signed" for field in values if sources[field].is_signed}


def is_valid(field: str, value: str) -> bool:
    """Whether a value keeps the limits of its field. Control characters keep none."""
    if field == "visitorid":
        return _VISITOR_ID.fullmatch(value) is not None
    if not 0 < len(value) <= _MAX_CHARACTERS[field] or not value.isprintable():
        return False
    if field == "name":
        return True
    return all(ord(character) < 256 for character in value)


def _read(raw: bytes, source: CookieSource) -> str:
    """Raises: ValueError, LookupError, RecursionError, jwt.PyJWTError."""
    value: Any = raw
    for step in source.decode:
        match step:
            case "percent":
                value = unquote_to_bytes(value)
            case "base64":
                value = _from_base64(value)
            case "hmac":
                value = _signed(value, source.key)
            case "json":
                value = msgspec.json.decode(value)
            case "jwt":
                value = _claims(value, source)
    for name in source.field.split(".") if source.field else ():
        value = value[int(name)] if isinstance(value, list) else _member(value, name)
    if isinstance(value, bytes):
        return value.decode(source.charset)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"no text: {type(value)}")
    return value


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise LookupError(name)
    return value[name]


def _from_base64(value: bytes) -> bytes:
    """Either alphabet, with or without the padding."""
    text = value.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _signed(value: bytes, key: str) -> bytes:
    """What was signed, if the signature fits. Raises: ValueError."""
    text, _, signature = value.removeprefix(b"s:").rpartition(b".")
    genuine = hmac.digest(key.encode(), text, "sha256")
    given = (
        bytes.fromhex(signature.decode("ascii"))
        if len(signature) == 2 * len(genuine)
        else _from_base64(signature)
    )
    if not hmac.compare_digest(genuine, given):
        raise ValueError("the signature does not fit")
    return text


def _claims(value: bytes, source: CookieSource) -> Any:
    if not source.key:
        return jwt.decode(value, options=_UNVERIFIED)
    return jwt.decode(value, source.key, list(source.algorithms), options=_JWT_OPTIONS)
