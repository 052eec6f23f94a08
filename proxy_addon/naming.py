"""What a visitor's page names for its agents, and what of it was kept. Pure.

The page names addresses; what goes on to the relay is a list of files. Of a style sheet that goes
on, the files that it names itself go too, if any visitor would have got them: the page may not be
able to read the sheet, but what everybody gets says nothing about anyone.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final
from urllib.parse import urljoin

import msgspec
from msgspec import Meta

from proxy_addon.assets import Asset

MAX_NAMED_BYTES: Final = 256 * 1024
BATCH_BYTES: Final = 32 * 1024 * 1024
_MAX_SHEETS: Final = 20
_MAX_NAMED_BY_SHEETS: Final = 400
# Comments too: what is named in one is found or not, and does no harm.
_ADDRESS: Final = re.compile(
    rb"url\(\s*(?:\"([^\"\\\n]*)\"|'([^'\\\n]*)'|([^\"'()\\\s]+))\s*\)"
    rb"|@import\s+(?:\"([^\"\\\n]*)\"|'([^'\\\n]*)')",
    re.IGNORECASE,
)
_OFFSETS: Final = (0x811C9DC5, 0x9E3779B1)
_PRIME: Final = 0x01000193

Url = Annotated[str, Meta(max_length=8192)]
AssetId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
_named: msgspec.json.Decoder[dict[str, str]] = msgspec.json.Decoder(
    Annotated[dict[AssetId, Url], Meta(max_length=200)]
)


class File(msgspec.Struct, array_like=True, frozen=True):
    """One file for the relay. id: see asset_id()."""

    id: str
    media_type: str
    body: bytes


class Found(msgspec.Struct, array_like=True, frozen=True):
    """What the relay gets: the ids that the page has asked for, and the files."""

    asked: list[str]
    files: list[File]


def asset_id(url: str) -> str:
    """The name of a file on its way to agents: two 32-bit FNV-1a sums of its address, in hex.

    The page, the proxy and the viewer work it out alike; tests/cases/asset_ids.json holds them
    together. Nothing rests on it being hard to forge: a page names only its own session's files.
    """
    sums = list(_OFFSETS)
    for byte in url.encode("utf-8", "surrogatepass"):
        sums = [((s ^ byte) * _PRIME) & 0xFFFFFFFF for s in sums]
    return "".join(f"{s:08x}" for s in sums)


def read_named(body: bytes) -> dict[str, str]:
    """The addresses that a page names, by id. Raises: ValueError."""
    if len(body) > MAX_NAMED_BYTES:
        raise ValueError("too much is named at once")
    return _named.decode(body)  # msgspec's errors are ValueErrors


def find_all(
    named: Mapping[str, str],
    find: Callable[[str], Asset | None],
    find_public: Callable[[str], Asset | None],
    file_cap_bytes: int,
) -> Found:
    """Args: find: the visitor's file at an address. find_public: one that any visitor would get."""
    files: dict[str, File] = {}
    room = BATCH_BYTES
    left = [(name, url, find) for name, url in reversed(list(named.items()))]
    sheets = named_by_sheets = 0
    while left:
        name, url, look = left.pop()
        if name in files or (asset := look(url)) is None:
            continue
        body = asset.decoded(min(file_cap_bytes, room))
        if body is None:
            continue
        room -= len(body)
        files[name] = File(name, asset.media_type, body)
        if asset.media_type == "text/css" and sheets < _MAX_SHEETS:
            sheets += 1
            others = named_in(body, url)[: _MAX_NAMED_BY_SHEETS - named_by_sheets]
            named_by_sheets += len(others)
            left += [(asset_id(other), other, find_public) for other in others]
    return Found(list(named), list(files.values()))


def named_in(sheet: bytes, url: str) -> list[str]:
    """The absolute addresses in a style sheet, without fragments."""
    found: dict[str, None] = {}
    for match in _ADDRESS.finditer(sheet):
        written = next(group for group in match.groups() if group is not None)
        text = written.decode("utf-8", "replace").strip()
        if text and not text.lower().startswith(("data:", "#")):
            try:
                found[urljoin(url, text).partition("#")[0]] = None
            except ValueError:
                continue  # "//[" and the like
    return list(found)


def packed(found: Found) -> bytes:
    return msgspec.msgpack.encode(found)
