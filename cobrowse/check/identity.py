"""Which cookies seem to say who the visitor is, and the config lines that would read them. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from proxy_addon.identity import FIELDS, from_cookies
from proxy_addon.settings import CookieSource

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE: Final = re.compile(r"\+?[\d ()/.-]{6,20}")
_NAME: Final = re.compile(r"[^\W\d_][\w'. -]{1,62}")
_NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,24}")
_KNOWN: Final = {"email": _EMAIL, "phone": _PHONE, "name": _NAME, "visitorid": _NUMBER}
# Words in the names of cookies, claims and keys; a value must fit, too.
_NAMES: Final = {
    "email": re.compile(r"e?mail", re.IGNORECASE),
    "phone": re.compile(r"phone|mobile|\btel", re.IGNORECASE),
    "visitorid": re.compile(
        r"(user|customer|client|member|account|login|kunden?|kd)[_. -]?(id|no|nr|num|number)"
        r"|\b(uid|userid|sub|login)\b",
        re.IGNORECASE,
    ),
    "name": re.compile(
        r"(user|customer|full|display|first|client|member)[_. -]?name|\bname\b", re.IGNORECASE
    ),
}
# What others count visitors by, and our own.
_OTHERS: Final = re.compile(r"_g|_fb|_hj|_pk|_uet|ajs_|amplitude|optimizely|cobrowse_|mp_|_clck")
_MAX_DEPTH: Final = 3
_MAX_KEYS: Final = 100


class Proposal(msgspec.Struct, frozen=True):
    """field: of GLANCE_COBROWSE. line: for [groups.<groupid>.cookies]."""

    field: str
    cookie: str
    line: str


def proposals(cookies: Mapping[str, str]) -> list[Proposal]:
    """For each field the first cookie that seems to hold it; each line is one that works.

    Args: cookies: name to value as it is sent.
    """
    found: dict[str, Proposal] = {}
    for name, value in cookies.items():
        if _OTHERS.match(name):
            continue
        for field, source in _sources(name, value):
            raw = {name: value.encode("utf-8", "replace")}
            if field not in found and from_cookies(raw, {field: source}):
                found[field] = Proposal(field, name, f"{field} = {_written(source)}")
    return [found[field] for field in FIELDS if field in found]


def _sources(name: str, value: str) -> Iterator[tuple[str, CookieSource]]:
    decoded, is_percent = unquote(value), "%" in value
    members: Any = None
    steps: tuple[str, ...] = ()
    if value.count(".") == 2 and (members := _json(_base64(value.split(".")[1]))):
        steps = ("jwt",)
    elif members := _json(decoded):
        steps = ("percent", "json") if is_percent else ("json",)
    elif members := _json(_base64(decoded)):
        steps = ("percent", "base64", "json") if is_percent else ("base64", "json")
    if members:
        for path, text in _texts(members):
            if field := _field(path, text):
                yield (
                    field,
                    msgspec.convert({"cookie": name, "decode": steps, "field": path}, CookieSource),
                )
    elif field := _field(name, decoded):
        yield field, CookieSource(cookie=name)


def _field(name: str, text: str) -> str:
    """The field that a value seems to be, by its name and by what it is."""
    if _EMAIL.fullmatch(text):
        return "email"
    for field, pattern in _NAMES.items():
        if pattern.search(name.replace("-", "_")) and _KNOWN[field].fullmatch(text):
            return field
    return ""


def _json(text: str) -> Any:
    """The object that a text is; None for anything else."""
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _base64(text: str) -> str:
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return ""


def _texts(members: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for key, value in list(members.items())[:_MAX_KEYS]:
        below = f"{path}.{key}".lstrip(".")
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            yield from _texts(value, below, depth + 1)
        elif isinstance(value, str | int) and not isinstance(value, bool) and "." not in str(key):
            yield below, str(value)


def _written(source: CookieSource) -> str:
    if not source.field:
        return json.dumps(source.cookie)
    steps = ", ".join(f'"{step}"' for step in source.decode)
    cookie, member = json.dumps(source.cookie), json.dumps(source.field)
    return f"{{ cookie = {cookie}, decode = [{steps}], field = {member} }}"
