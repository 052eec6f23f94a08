"""Edits of header fields for spliced pages. Pure."""

import re
from typing import Final

from proxy_addon.compression import CODINGS
from proxy_addon.fields import Fields, Values, edited, tokens

# A cached copy or a part of one must never carry another visitor's values or an old nonce, and a
# 304 would bring one back.
_CONDITIONAL: Final = (
    *("if-none-match", "if-modified-since", "if-match", "if-unmodified-since"),
    *("if-range", "range"),
)
# True of the origin's bytes, no longer of ours.
_ABOUT_THE_BYTES: Final[dict[bytes, None]] = dict.fromkeys(
    (
        *(b"content-length", b"content-md5", b"digest", b"repr-digest", b"content-digest"),
        *(b"accept-ranges", b"etag", b"last-modified", b"expires", b"cache-control"),
        *(b"age", b"use-as-dictionary", b"signature", b"signature-input"),
        # What caches of a certain kind obey before Cache-Control; see also RFC 9213.
        *(b"surrogate-control", b"edge-control", b"x-accel-expires"),
    )
)
# br costs several times what the others do, and who takes br takes one of them.
_ASKED_FOR: Final = tuple(coding for coding in CODINGS if coding not in ("br", "deflate"))
_REFUSED: Final = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


def for_navigation(values: Values) -> dict[bytes, bytes | None]:
    """Edits that make the origin answer with a whole page in a coding we can stream."""
    edits: dict[bytes, bytes | None] = {
        name.encode("ascii"): None for name in _CONDITIONAL if name in values
    }
    offered = values.get("accept-encoding")
    if offered is not None:
        taken = _accepted(offered)
        asked = [coding for coding in _ASKED_FOR if coding in taken]
        asked = asked or [coding for coding in CODINGS if coding in taken]
        edits[b"accept-encoding"] = ", ".join(asked or ["identity"]).encode("ascii")
    return edits


def _accepted(offered: str) -> set[str]:
    """The codings of ours that an Accept-Encoding takes. "*" stands for gzip."""
    taken = set()
    for item in offered.lower().split(","):
        name, _, parameter = item.partition(";")
        if not _REFUSED.fullmatch(parameter):
            taken.add({"*": "gzip", "x-gzip": "gzip"}.get(name.strip(), name.strip()))
    return taken & set(CODINGS)


def for_spliced_page(fields: Fields, *, varies_by: bytes, chunked: bool, http10: bool) -> Fields:
    """Response fields of a page whose body grows.

    Args:
        varies_by: see varied().
        chunked: the visitor takes chunks, so the length can be left to them.
        http10: the visitor takes the end of the connection as the end of the page.
    """
    edits: dict[bytes, bytes | None] = dict(_ABOUT_THE_BYTES)
    targeted = (name.lower() for name, _ in fields if name.lower().endswith(b"-cache-control"))
    edits |= dict.fromkeys(targeted)
    is_chunked = any(name.lower() == b"transfer-encoding" for name, _ in fields)
    if http10:
        edits[b"transfer-encoding"] = None
    no_store = any(
        name.lower() == b"cache-control" and "no-store" in tokens(value.decode("latin-1"))
        for name, value in fields
    )
    out = edited(fields, edits)
    if chunked and not is_chunked:
        out += ((b"Transfer-Encoding", b"chunked"),)
    caching = b"no-store" if no_store else b"private, no-cache"
    return varied((*out, (b"Cache-Control", caching)), varies_by)


def telling_field(values: Values) -> bytes:
    """The request field that tells a navigation from a script's request.

    Browsers leave Sec-Fetch-Mode out over plain http to a host name; there it is Accept.
    """
    return b"Sec-Fetch-Mode" if "sec-fetch-mode" in values else b"Accept"


def varied(fields: Fields, field: bytes) -> Fields:
    """The fields, saying that a script's copy of this page is another than a navigation's.

    Else a browser shows in a tab what a script, or a prefetch, has put into its cache.
    """
    for name, value in fields:
        if name.lower() == b"vary":
            if {"*", field.decode("ascii").lower()} & set(tokens(value.decode("latin-1"))):
                return fields
    return (*fields, (b"Vary", field))
