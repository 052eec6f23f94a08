"""Put one snippet into a stream of HTML bytes. Pure: no I/O, no mitmproxy.

Source: HTML Standard, "Parsing HTML documents"; Encoding Standard, "BOM sniff".
"""

import re
from typing import Final

from proxy_addon.locate import HOLD_LIMIT_BYTES, UNDECIDED, LeaveAlone, Locator
from proxy_addon.prescan import WINDOW_BYTES as CHARSET_WINDOW_BYTES
from proxy_addon.prescan import declared_charsets, encoding_of
from proxy_addon.snippet import OPENING

SPLICED: Final = "spliced"
ERROR: Final = "error"  # a bug of ours
# The snippet takes it away again, once it has done its work.
_REPEATED: Final = b'<meta charset="%b" data-cobrowse>'
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_UTF16_BOMS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_BOM_LIMIT_BYTES: Final = 4
# Charsets in which our ASCII bytes would mean something else.
_WIDE_CHARSETS: Final = frozenset({"utf-16le", "utf-16be", "iso-2022-jp", "replacement"})
# What Chromium takes for HTML where no Content-Type says what it is.
_SNIFF_WINDOW_BYTES: Final = 512
_SNIFFED_AS_HTML: Final = re.compile(
    rb"[\t\n\f\r ]*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b"
    rb"|body|br|p|!--)[\t\n\f\r >]",
    re.IGNORECASE,
)


class Splicer:
    """Put one snippet into an HTML byte stream, once, at the start of <head>.

    feed() and close() together return every input byte once and in order, plus what .inserted
    holds; the result does not depend on how the input is cut into chunks.

    Args:
        snippet: one script element, ASCII, already escaped.
        charset: what the Content-Type header names, as browsers know it, or "": then the page's own
            declaration counts.
        sniff: there is no Content-Type, and only what a browser takes for HTML is spliced.
        hold_limit_bytes: most bytes held while undecided.
    Limits:
        Past hold_limit_bytes, or in bytes that it cannot place safely, it passes the rest through;
        see .outcome.
    Raises:
        ValueError for a snippet that is not ASCII. feed() and close() raise nothing
        that a page can cause.
    """

    def __init__(
        self,
        snippet: bytes,
        *,
        charset: str = "",
        sniff: bool = False,
        hold_limit_bytes: int = HOLD_LIMIT_BYTES,
    ) -> None:
        if not snippet.isascii():
            raise ValueError("the snippet must be ASCII, to read the same in every charset")
        self._snippet = snippet
        self._charset = charset
        self._sniff = sniff
        self._hold_limit_bytes = hold_limit_bytes
        self._held = bytearray()
        self._locator: Locator | None = None
        self._encoding = ""  # of the page, where it is not ASCII-compatible
        self._narrow = self._held  # what the locator reads: of UTF-16 one byte for each unit
        self._place: int | None = None  # in _narrow, where the snippet goes, once that is known
        self.inserted = b""  # what went in
        self.outcome: str | None = None

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the page and return those that may go on."""
        if self.outcome is not None:
            return chunk
        self._held += chunk
        try:
            if not self._is_placed():
                return b""
        except LeaveAlone as reason:
            return self._pass(str(reason))
        return self._insert()

    def close(self) -> bytes:
        """End the page and return the bytes still held."""
        if self.outcome is not None:
            return b""
        if not self._held:
            return self._pass("empty")
        try:
            if self._place is None:
                locator = self._locator or self._start()
                self._read_narrow()
                place = locator.locate()
                self._place = locator.at_end() if place is None else place
        except LeaveAlone as reason:
            return self._pass(str(reason))
        return self._insert()

    def pause(self) -> bytes:
        """The page may end here, or go on: return the bytes held.

        What is not certain yet, though it would be at the end, leaves the page as it is.
        """
        if self.outcome is not None or not self._held:
            return b""
        is_certain = self._place is not None or (
            self._locator is not None and self._locator.in_head
        )
        is_declared = bool(self._charset) or declared_charsets(self._held) != (b"", b"")
        if is_certain and (is_declared or len(self._held) >= CHARSET_WINDOW_BYTES):
            return self.close()
        return self._pass(UNDECIDED)

    def give_up(self, outcome: str) -> bytes:
        """Stop looking and return the bytes held."""
        return b"" if self.outcome is not None else self._pass(outcome)

    # -- where -----------------------------------------------------------------------------------

    def _is_placed(self) -> bool:
        """Whether the place is known, and all that decides about it is here. Raises: LeaveAlone."""
        locator = self._locator
        if locator is None:
            if len(self._held) < (_SNIFF_WINDOW_BYTES if self._sniff else _BOM_LIMIT_BYTES):
                return False
            locator = self._start()
        self._read_narrow()
        if self._place is None:
            self._place = locator.locate()
        if self._place is None:
            return False
        if not self._charset and len(self._held) < CHARSET_WINDOW_BYTES:
            return False  # a charset declaration may follow, which must not be pushed out of sight
        here = bytes(self._narrow[self._place : self._place + len(OPENING)])
        return here == OPENING or not OPENING.startswith(here)

    def _start(self) -> Locator:
        """Look at the first bytes and make the locator. Raises: LeaveAlone."""
        held, start = self._held, 0
        if encoding := _UTF16_BOMS.get(bytes(held[:2])):
            self._encoding = self._charset = encoding
            self._narrow, start = bytearray(), 1
        elif held.startswith(_UTF8_BOM):
            self._charset, start = "utf-8", len(_UTF8_BOM)
        elif encoding_of(self._charset) in _WIDE_CHARSETS or 0 in held[:_BOM_LIMIT_BYTES]:
            raise LeaveAlone("charset")
        # Behind a byte order mark, browsers take anything for plain text.
        if self._sniff and (start or not _SNIFFED_AS_HTML.match(held)):
            raise LeaveAlone("not HTML")
        self._locator = Locator(
            self._narrow,
            start=start,
            charset_known=bool(self._charset),
            hold_limit_bytes=self._hold_limit_bytes // (2 if self._encoding else 1),
        )
        return self._locator

    def _read_narrow(self) -> None:
        """Of UTF-16, one byte for each unit: itself, or one that is no markup."""
        if self._encoding:
            first = len(self._narrow) * 2
            last = len(self._held) & ~1
            lows, highs = self._held[first:last:2], self._held[first + 1 : last : 2]
            if self._encoding == "utf-16-be":
                lows, highs = highs, lows
            self._narrow += bytes(
                low if not high else 0x80 for low, high in zip(lows, highs, strict=True)
            )

    # -- what ------------------------------------------------------------------------------------

    def _insert(self) -> bytes:
        assert self._place is not None
        if self._narrow.startswith(OPENING, self._place):
            return self._pass("carries the script already")
        held = self._held
        snippet = self._snippet
        if not self._charset and b"charset" in held[self._place : CHARSET_WINDOW_BYTES].lower():
            label, other = declared_charsets(held)
            if declared_charsets(held[: self._place] + snippet + held[self._place :]) != (
                (label, other)
            ):
                if label != other:
                    return self._pass("charset in doubt")
                # Said again in front, because the page's own words are now too far down.
                snippet = _REPEATED % label + snippet
        return self._pass(SPLICED, self._place, snippet)

    def _pass(self, outcome: str, at: int = 0, insert: bytes = b"") -> bytes:
        """End the search and return the bytes held, with what is inserted."""
        self.outcome = outcome
        if self._encoding:
            at, insert = at * 2, insert.decode("ascii").encode(self._encoding)
        self.inserted = insert
        held = self._held
        out = b"".join((held[:at], insert, held[at:])) if insert else bytes(held)
        held.clear()
        return out
