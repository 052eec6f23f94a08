"""XML of strangers in, XML that any parser takes out. Pure.

There is no document type, no entity beyond XML's own five, no network and no huge tree.
Source: XML 1.0, appendix F; RFC 7303, section 3 (which charset counts).
"""

import codecs
import re
from typing import Any, Final

from lxml import etree

from relay.service.lookup import CallError

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODINGS: Final = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "utf-16-le", "utf-16-be"})
_DECLARED: Final = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DECLARATION: Final = re.compile(r"<\?xml\s[^>]*\?>")
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(body: bytes, charset: str) -> Any:
    """The root element of a document. charset: of its Content-Type; "" for none.

    Raises: CallError.
    """
    text = _decoded(body, charset)
    if (found := _NOT_XML.search(text)) is not None:
        raise CallError(f"The request holds U+{ord(found[0]):04X}, which XML does not allow.")
    if "<!DOCTYPE" in text:
        raise CallError("The request has a document type, which is not allowed.")
    text = _DECLARATION.sub("", text, count=1) if text.startswith("<?xml") else text
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise CallError(f"The request is no XML (line {line}, column {column}).") from error


def text_of(element: Any) -> str:
    """Raises: CallError for an element that holds others."""
    if len(element):
        name = etree.QName(element).localname
        raise CallError(f"The parameter {name} must be text.")
    return element.text or ""


def printable(text: str) -> str:
    """Without what XML cannot hold: pages may say anything of themselves."""
    return _NOT_XML.sub("\ufffd", text)


def write(root: Any) -> bytes:
    written: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _decoded(body: bytes, charset: str) -> str:
    for bom, coding in _BOMS:
        if body.startswith(bom):
            return _decode(body[len(bom) :], coding)
    if charset:
        return _decode(body, charset)
    if body[:2] in (b"<\0", b"\0<"):
        return _decode(body, "utf-16-le" if body[:1] == b"<" else "utf-16-be")
    declared = _DECLARED.match(body)
    return _decode(body, declared[1].decode() if declared else "utf-8")


def _decode(body: bytes, charset: str) -> str:
    try:
        coding = codecs.lookup(charset).name
    except (LookupError, ValueError) as error:
        raise CallError("The request's encoding is not known here.") from error
    if coding == "utf-16":  # and no mark that says which
        coding = "utf-16-le" if body[1:2] == b"\0" else "utf-16-be"
    if coding not in _CODINGS:
        raise CallError("The request's encoding is not known here.")
    try:
        return body.decode(coding)
    except UnicodeDecodeError as error:
        raise CallError(f"The request is not in its encoding, {coding}.") from error
