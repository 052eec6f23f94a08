"""Which requests are ours: the visitor paths under the reserved prefix. Pure.

A path is compared after normalising, and only the normalised form goes on to the relay, so that no
spelling of "..", "%2e", "%2f", "//" or "\\" reaches anything that is not on the list.
"""

from enum import Enum
from typing import Final
from urllib.parse import unquote_to_bytes


class Ours(Enum):
    """What a path under the reserved prefix asks for."""

    LOADER = "loader.js"
    CAPTURE = "capture.js"
    UI = "ui.js"
    SETTINGS = "settings"
    TAKE = "take"
    ASSETS = "assets"
    ASSET = "asset"
    SOCKET = "socket"
    TOKEN = "token"
    UNKNOWN = ""


_BY_NAME: Final = {ours.value.encode(): ours for ours in Ours if ours is not Ours.UNKNOWN}


def normalise(path: str) -> bytes:
    """The path of a request target as a server might read it: decoded once, dots resolved.

    Args:    path: a request target in origin form, query included.
    Returns: bytes that start with "/"; empty and "." segments are gone, ".." has taken its parent.
    """
    raw = path.partition("?")[0].partition("#")[0]
    decoded = unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).replace(b"\\", b"/")
    kept: list[bytes] = []
    for segment in decoded.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept)


def classify(path: str, prefix: str) -> Ours | None:
    """What a request target asks of us; None where it is the site's own.

    Args: prefix: begins and ends with "/", as the settings make sure.
    """
    normalised = normalise(path)
    reserved = prefix.encode()
    if normalised + b"/" == reserved:
        return Ours.UNKNOWN
    if not normalised.startswith(reserved):
        return None
    return _BY_NAME.get(normalised[len(reserved) :], Ours.UNKNOWN)
