"""Put one snippet into a stream of HTML bytes. Pure: no I/O, no mitmproxy.

Source: HTML Standard, "Tokenization"; insertion modes "before html", "before head", "in head".
"""

import re
from typing import Final

from proxy_addon.prescan import WINDOW_BYTES as CHARSET_WINDOW_BYTES
from proxy_addon.prescan import declared_charset

HOLD_LIMIT_BYTES: Final = 65_536

_NOT_SPACE = re.compile(rb"[^\t\n\f\r ]")
_NAME_END = re.compile(rb"[\t\n\f\r />]")
# Longer than any tag name that matters here, so that a name without end decides nothing late.
_NAME_LIMIT_BYTES: Final = 16
# The tokenizer's states inside a tag: what to look for, where each find leads, and where any other
# does. "end" is the ">" that ends the tag.
_TAG_STATES: Final[dict[str, tuple[re.Pattern[bytes], dict[bytes, str], str]]] = {
    "tag name": (_NAME_END, {b">": "end"}, "between"),
    "between": (re.compile(rb"[^\t\n\f\r /]"), {b">": "end"}, "name"),
    "name": (
        re.compile(rb"[\t\n\f\r />=]"),
        {b">": "end", b"=": "before value", b"/": "between"},
        "after name",
    ),
    "after name": (_NOT_SPACE, {b">": "end", b"=": "before value", b"/": "between"}, "name"),
    "before value": (_NOT_SPACE, {b">": "end", b'"': "double", b"'": "single"}, "unquoted"),
    "unquoted": (re.compile(rb"[\t\n\f\r >]"), {b">": "end"}, "between"),
    "double": (re.compile(rb'"'), {}, "between"),
    "single": (re.compile(rb"'"), {}, "between"),
}
_COMMENT_END = re.compile(rb"--!?>")
_TITLE_END = re.compile(rb"</title[\t\n\f\r />]", re.IGNORECASE)
_DECLARES_EARLY = re.compile(
    rb"""[\s/"'](charset|http-equiv)\s*=\s*["']?\s*(x-ua-compatible|content-type|[^"'\s>]*)""",
    re.IGNORECASE,
)
_CSP_META = re.compile(
    rb"""http-equiv\s*=\s*["']?\s*content-security-policy["'\s>/]""", re.IGNORECASE
)
# Elements that may stand between <head> and a charset declaration without asking for a script.
_LEADING_RUN: Final = frozenset({b"meta", b"title", b"/title", b"link", b"base"})
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF8_BOM: Final = b"\xef\xbb\xbf"


class _Wait(Exception):
    """The bytes seen so far end inside a token."""


class _LeaveAlone(Exception):
    """No place in this page would do. Its text is the outcome."""


class Splicer:
    """Put one snippet into an HTML byte stream, once, at the start of <head>.

    feed() and close() together return every input byte once and in order, plus the snippet at most
    once; the result does not depend on how the input is cut into chunks.

    Args:
        snippet: bytes, ASCII, already escaped.
        charset_known: the Content-Type header names a charset: no declaration in the page matters.
        hold_limit_bytes: most bytes held while undecided.
    Limits:
        Past hold_limit_bytes, or in bytes that it cannot place safely, it passes the rest through;
        see .outcome.
    Raises:
        ValueError for a non-ASCII snippet. feed() and close() raise nothing that a page can cause.
    """

    def __init__(
        self,
        snippet: bytes,
        *,
        charset_known: bool = False,
        hold_limit_bytes: int = HOLD_LIMIT_BYTES,
    ) -> None:
        if not snippet.isascii():
            raise ValueError("the snippet must be ASCII: it has to read the same in every charset")
        self._snippet = snippet
        self._charset_known = charset_known
        self._hold_limit_bytes = hold_limit_bytes
        self._held = bytearray()
        self._token_at = 0  # start of the first token not yet passed
        self._scanned_to = 0  # inside that token, where the search for its end goes on
        self._tag_state = ""  # where in a tag that search stands; "" outside one
        self._in_title = False
        self._head_at: int | None = None  # where <head> begins; None while outside it
        self._early_at: int | None = None  # behind the last declaration that must come early
        self._place: int | None = None  # where the snippet goes, once that is known
        self.inserted = b""  # what went in: the snippet, behind a charset declaration at need
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
            if self._place is None:
                self._place = self._locate()
        except _Wait:
            if self._head_at is not None and len(self._held) >= CHARSET_WINDOW_BYTES:
                return self._insert_at(self._choose())
            if len(self._held) > self._hold_limit_bytes:
                return self._pass("undecided within the hold limit")
            return b""
        except _LeaveAlone as reason:
            return self._pass(str(reason))
        if self._place > self._hold_limit_bytes - _NAME_LIMIT_BYTES:
            # The same answer as if the page had come in small chunks.
            return self._pass("undecided within the hold limit")
        if not self._charset_known and len(self._held) < CHARSET_WINDOW_BYTES:
            return b""  # a charset declaration may follow, which must not be pushed out of sight
        return self._insert_at(self._place)

    def close(self) -> bytes:
        """End the page and return the bytes still held."""
        if self.outcome is not None:
            return b""
        if self._place is not None:
            return self._insert_at(self._place)
        if self._token_at < len(self._held):
            # No browser runs a script that stands inside an unfinished tag or comment; but what is
            # certain by now is not lost with it.
            if self._head_at is None:
                return self._pass("ends inside markup")
            return self._insert_at(self._choose())
        if not self._held:
            return self._pass("empty")
        return self._insert_at(self._choose())

    def rescue(self) -> bytes:
        """After a bug of ours: stop looking and return the bytes held."""
        return self._pass("error")

    def _pass(self, outcome: str) -> bytes:
        self.outcome = outcome
        out, self._held = bytes(self._held), bytearray()
        return out

    def _insert_at(self, index: int) -> bytes:
        held = self._held
        self.inserted = self._snippet
        if not self._charset_known and b"charset" in held[index:CHARSET_WINDOW_BYTES].lower():
            label = declared_charset(held)
            if declared_charset(held[:index] + self._snippet + held[index:]) != label:
                # Said again in front, because the page's own words are now too far down.
                self.inserted = b'<meta charset="%b">%b' % (label, self._snippet)
        held[index:index] = self.inserted
        return self._pass("spliced")

    def _choose(self) -> int:
        """The place for the snippet, once the tokens up to _token_at are known."""
        if self._head_at is None:
            return self._token_at
        return self._head_at if self._early_at is None else self._early_at

    def _locate(self) -> int:
        """Walk tokens until the place is known. Raises: _Wait, _LeaveAlone."""
        held = self._held
        if self._token_at == 0:
            if len(held) < 4:
                raise _Wait
            if bytes(held[:2]) in _UTF16_BOMS or 0 in held[:4]:
                raise _LeaveAlone("UTF-16")
            if held.startswith(_UTF8_BOM):
                self._charset_known = True
                self._token_at = self._scanned_to = 3
        while True:
            if self._token_at > self._hold_limit_bytes:
                raise _Wait
            match = _NOT_SPACE.search(held, self._token_at)
            self._token_at = match.start() if match else len(held)
            self._scanned_to = max(self._scanned_to, self._token_at)
            if match is None:
                if self._head_at is not None and self._settled():
                    return self._choose()
                raise _Wait
            if self._head_at is None:
                place = self._before_head()
            else:
                place = self._in_head()
            if place is not None:
                return place

    def _settled(self) -> bool:
        """In the head: may the place no longer change?"""
        return self._charset_known or self._token_at >= CHARSET_WINDOW_BYTES

    def _before_head(self) -> int | None:
        """Pass one token, or return the place."""
        held, at = self._held, self._token_at
        if held[at] != 0x3C:  # "<"
            if held[at] in b"{[":
                raise _LeaveAlone("JSON")
            return at
        kind = self._kind()
        if kind in (b"!--", b"!"):
            self._token_at = self._scanned_to = self._end_of(kind)
            return None
        if not kind or kind in (b"/head", b"/body", b"/html", b"/br"):
            return at
        if kind == b"html" or kind.startswith(b"/"):
            self._token_at = self._scanned_to = self._end_of_tag()
            return None
        if kind in _LEADING_RUN and not self._charset_known:
            self._head_at = at  # an implied <head>: what it must declare early is looked for alike
            return None
        if kind == b"head":
            self._token_at = self._scanned_to = self._head_at = self._end_of_tag()
            return self._head_at if self._charset_known else None
        return at

    def _in_head(self) -> int | None:
        """Pass one token of the run of declarations behind <head>, or return the place.

        A token counts only if it ends inside the charset window, so that the answer is the same
        however much of the page is here already.
        """
        if self._in_title:
            closing = _TITLE_END.search(self._held, max(self._token_at, self._scanned_to - 8))
            if closing is None:
                self._scanned_to = len(self._held)
                raise _Wait
            self._in_title = False
            self._token_at = self._scanned_to = closing.start()
        if self._settled() or self._held[self._token_at] != 0x3C:
            return self._choose()
        start, kind = self._token_at, self._kind()
        if kind in (b"!--", b"!"):
            self._token_at = self._scanned_to = self._end_of(kind)
            return None
        if kind not in _LEADING_RUN:
            return self._choose()
        end = self._end_of_tag()
        if kind == b"meta" and end <= CHARSET_WINDOW_BYTES:
            tag = bytes(self._held[start:end])
            if _CSP_META.search(tag):
                return self._choose()
            if _must_stay_early(tag):
                self._early_at = end
        self._in_title = kind == b"title"
        self._token_at = self._scanned_to = end
        return None

    def _kind(self) -> bytes:
        """What the "<" at _token_at opens: lower-case "name" or "/name", "!--", "!"; "" is text."""
        held, at = self._held, self._token_at + 1
        if at >= len(held):
            raise _Wait
        if held[at] == 0x21:  # "!"
            rest = held[at : at + 3]
            if rest == b"!--":
                return b"!--"
            if b"!--".startswith(rest):
                raise _Wait
            return b"!"
        if held[at] == 0x3F:  # "?"
            return b"!"
        slash = b""
        if held[at] == 0x2F:  # "/"
            slash, at = b"/", at + 1
            if at >= len(held):
                raise _Wait
        if not held[at : at + 1].isalpha():
            # "</>" is nothing at all, "</ x>" a comment: both end at the first ">".
            return b"!" if slash else b""
        end = _NAME_END.search(held, at, at + _NAME_LIMIT_BYTES)
        if end is None:
            if len(held) - at < _NAME_LIMIT_BYTES:
                raise _Wait
            return slash + b"?"
        return slash + bytes(held[at : end.start()]).lower()

    def _end_of(self, kind: bytes) -> int:
        """The index behind a comment or a declaration."""
        held, at = self._held, self._token_at
        if kind != b"!--":
            end = held.find(b">", self._scanned_to)
            self._scanned_to = len(held)
            if end < 0:
                raise _Wait
            return end + 1
        for short in (b"<!-->", b"<!--->"):
            piece = bytes(held[at : at + len(short)])
            if piece == short:
                return at + len(short)
            if short.startswith(piece):
                raise _Wait
        match = _COMMENT_END.search(held, max(at + 4, self._scanned_to - 3))
        self._scanned_to = len(held)
        if match is None:
            raise _Wait
        return match.end()

    def _end_of_tag(self) -> int:
        """The index behind the tag at _token_at; a ">" inside a quoted value does not count."""
        held = self._held
        if not self._tag_state:
            # Behind "<" or "</", where the name's first letter stands.
            self._tag_state, self._scanned_to = "tag name", self._token_at + 2
        while self._tag_state != "end":
            pattern, leads, otherwise = _TAG_STATES[self._tag_state]
            match = pattern.search(held, self._scanned_to)
            if match is None:
                self._scanned_to = len(held)
                raise _Wait
            self._scanned_to = match.end()
            self._tag_state = leads.get(match[0], otherwise)
        self._tag_state = ""
        return self._scanned_to


def _must_stay_early(meta_tag: bytes) -> bool:
    match = _DECLARES_EARLY.search(meta_tag)
    if match is None:
        return False
    return match[1].lower() == b"charset" or match[2].lower() in (
        b"content-type",
        b"x-ua-compatible",
    )
