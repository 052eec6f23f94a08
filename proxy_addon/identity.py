"""Who the visitor is, from the site's own cookies: the values of the GLANCE_COBROWSE block. Pure.

Source of the limits: the API's public reference, properties of GLANCE_COBROWSE.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

FIELDS: Final = ("visitorid", "name", "email", "phone")
_VISITOR_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,50}")
_MAX_CHARACTERS: Final = {"name": 63, "email": 127, "phone": 31}


def from_cookies(cookies: Mapping[str, bytes], mapping: Mapping[str, str]) -> dict[str, str]:
    """The identity values that the mapped cookies hold.

    Args:
        cookies: name to raw value.
        mapping: field (one of FIELDS) to cookie name.
    Returns:
        field to value. A value that breaks the field's limit is left out: half a visitor id would
        be another visitor.
    """
    values: dict[str, str] = {}
    for field in FIELDS:
        raw = cookies.get(mapping.get(field, ""))
        if raw is None:
            continue
        try:
            value = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            continue
        if is_valid(field, value):
            values[field] = value
    return values


def is_valid(field: str, value: str) -> bool:
    """Whether a value keeps the limits of its field. Control characters keep none."""
    if field == "visitorid":
        return _VISITOR_ID.fullmatch(value) is not None
    if not 0 < len(value) <= _MAX_CHARACTERS[field] or not value.isprintable():
        return False
    if field == "name":
        return True
    return all(ord(character) < 256 for character in value)
