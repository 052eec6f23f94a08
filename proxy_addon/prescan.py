"""Which charset a browser would find declared in the first bytes of a page. Pure.

Source: HTML Standard, "prescan a byte stream to determine its encoding". Chromium departs from it:
what stands in a title, a script or the like is text to it, and declares nothing; and of attributes
with the same name it takes the last.
"""

import re
from functools import lru_cache
from typing import Final

import webencodings

WINDOW_BYTES: Final = 1024

# Longer than any label.
_LABEL_LIMIT: Final = 40
_SPACE: Final = b"\t\n\f\r "
_ENDS_META: Final = (b"\t", b"\n", b"\f", b"\r", b" ", b"/")
_TEXT_ELEMENT: Final = re.compile(
    rb"<(title|textarea|script|style|xmp|iframe|noembed|noframes|noscript)[\t\n\f\r />]",
    re.IGNORECASE,
)
_CONTENT_CHARSET: Final = re.compile(
    rb"""charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^"'\t\n\f\r ;][^\t\n\f\r ;]*))""",
    re.IGNORECASE,
)


@lru_cache(maxsize=256)
def encoding_of(label: str) -> str:
    """The encoding that a label names, or "": browsers go on looking past labels they do not know.

    Source: Encoding Standard, "Names and labels".
    """
    encoding = webencodings.lookup(label)
    return str(encoding.name) if encoding is not None else ""


def is_known_charset(label: str) -> bool:
    return len(label) <= _LABEL_LIMIT and encoding_of(label) != ""


def declared_charsets(page: bytes | bytearray) -> tuple[bytes, bytes]:
    """What declared_charset() finds by the standard, and as Chromium reads."""
    data = bytes(page[:WINDOW_BYTES])
    label = declared_charset(data)
    return label, declared_charset(data, as_chromium=True)


def declared_charset(page: bytes | bytearray, *, as_chromium: bool = False) -> bytes:
    """The label of the first charset declaration in the window, as it stands there; b"" for none.

    A label that browsers do not know declares nothing.

    Args: as_chromium: what stands in an element that holds only text is passed over, and of
        attributes with the same name the last counts.
    """
    data = bytes(page[:WINDOW_BYTES])
    at = 0
    while (at := data.find(b"<", at)) >= 0:
        if data.startswith(b"<!--", at):
            end = data.find(b"-->", at + 2)
            if end < 0:
                return b""
            at = end + 3
        elif data[at : at + 5].lower() == b"<meta" and data[at + 5 : at + 6] in _ENDS_META:
            attributes, at = _attributes(data, at + 5, last=as_chromium)
            if label := _label_of(attributes):
                return label
        elif data[at + 1 : at + 2].isalpha():
            element = _TEXT_ELEMENT.match(data, at) if as_chromium else None
            _, at = _attributes(data, _name_end(data, at + 1))
            if element:
                closing = re.compile(rb"</%b[\t\n\f\r />]" % element[1], re.IGNORECASE)
                found = closing.search(data, at)
                at = found.start() if found else len(data)
        elif data[at + 1 : at + 2] == b"/" and data[at + 2 : at + 3].isalpha():
            _, at = _attributes(data, _name_end(data, at + 2))
        elif data[at + 1 : at + 2] in (b"!", b"/", b"?"):
            end = data.find(b">", at)
            if end < 0:
                return b""
            at = end
        else:
            at += 1
    return b""


def _label_of(attributes: dict[bytes, bytes]) -> bytes:
    """What a meta element with these attributes declares."""
    label = attributes.get(b"charset", b"").strip(_SPACE)
    if (
        b"charset" not in attributes
        and attributes.get(b"http-equiv", b"").lower() == b"content-type"
    ):
        match = _CONTENT_CHARSET.search(attributes.get(b"content", b""))
        label = next((g for g in match.groups() if g is not None), b"") if match else b""
    return label if is_known_charset(label.decode("latin-1")) else b""


def _name_end(data: bytes, at: int) -> int:
    while at < len(data) and data[at] not in _SPACE + b">":
        at += 1
    return at


def _attributes(data: bytes, at: int, *, last: bool = False) -> tuple[dict[bytes, bytes], int]:
    """The attributes from an index on, and the index behind them.

    Args: last: of several with the same name the last counts, not the first.
    """
    found: dict[bytes, bytes] = {}
    while True:
        while at < len(data) and data[at] in _SPACE + b"/":
            at += 1
        if at >= len(data) or data[at] == 0x3E:  # ">"
            return found, at
        start = at
        while at < len(data) and not (
            data[at] in _SPACE + b"/>" or (data[at] == 0x3D and at > start)
        ):
            at += 1
        name = data[start:at].lower()
        while at < len(data) and data[at] in _SPACE:
            at += 1
        value = b""
        if data[at : at + 1] == b"=":
            at += 1
            while at < len(data) and data[at] in _SPACE:
                at += 1
            value, at = _value(data, at)
        if at >= len(data):
            return {}, at  # cut off: it declares nothing inside the window
        if last or name not in found:
            found[name] = value


def _value(data: bytes, at: int) -> tuple[bytes, int]:
    if data[at : at + 1] in (b'"', b"'"):
        end = data.find(data[at : at + 1], at + 1)
        return (data[at + 1 : end], end + 1) if end >= 0 else (b"", len(data))
    start = at
    while at < len(data) and data[at] not in _SPACE + b">":
        at += 1
    return data[start:at], at
