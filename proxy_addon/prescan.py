"""Which charset a browser would find declared in the first bytes of a page. Pure.

Source: HTML Standard, "prescan a byte stream to determine its encoding". Chromium departs from it:
what stands in a title, a script or the like is text to it, and declares nothing.
"""

import re
from typing import Final

WINDOW_BYTES: Final = 1024

_SPACE: Final = b"\t\n\f\r "
_ENDS_META: Final = (b"\t", b"\n", b"\f", b"\r", b" ", b"/")
_LABEL: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:()+-]{0,39}")
_TEXT_ELEMENT: Final = re.compile(
    rb"<(title|textarea|script|style|xmp|iframe|noembed|noframes|noscript)[\t\n\f\r />]",
    re.IGNORECASE,
)
_CONTENT_CHARSET: Final = re.compile(
    rb"""charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^"'\t\n\f\r ;][^\t\n\f\r ;]*))""",
    re.IGNORECASE,
)


def declared_charsets(page: bytes | bytearray) -> tuple[bytes, bytes]:
    """What declared_charset() finds by the standard, and as Chromium reads."""
    data = bytes(page[:WINDOW_BYTES])
    label = declared_charset(data)
    if not label or not _TEXT_ELEMENT.search(data):
        return label, label
    return label, declared_charset(data, sees_text=True)


def declared_charset(page: bytes | bytearray, *, sees_text: bool = False) -> bytes:
    """The label of the first charset declaration in the window, as it stands there; b"" for none.

    A label that holds anything but the characters of encoding names counts as none.

    Args: sees_text: what stands in an element that holds only text is passed over.
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
            attributes, at = _attributes(data, at + 5)
            if label := _label_of(attributes):
                return label
        elif data[at + 1 : at + 2].isalpha():
            element = _TEXT_ELEMENT.match(data, at) if sees_text else None
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
    if not label and attributes.get(b"http-equiv", b"").lower() == b"content-type":
        match = _CONTENT_CHARSET.search(attributes.get(b"content", b""))
        label = next((g for g in match.groups() if g is not None), b"") if match else b""
    return label if _LABEL.fullmatch(label) else b""


def _name_end(data: bytes, at: int) -> int:
    while at < len(data) and data[at] not in _SPACE + b">":
        at += 1
    return at


def _attributes(data: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """The attributes from an index on, the first of each name, and the index behind them."""
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
        found.setdefault(name, value)


def _value(data: bytes, at: int) -> tuple[bytes, int]:
    if data[at : at + 1] in (b'"', b"'"):
        end = data.find(data[at : at + 1], at + 1)
        return (data[at + 1 : end], end + 1) if end >= 0 else (b"", len(data))
    start = at
    while at < len(data) and data[at] not in _SPACE + b">":
        at += 1
    return data[start:at], at
