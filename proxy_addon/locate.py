"""Where in an HTML page a script of ours may stand: the start of <head>. Pure.

Source: HTML Standard, "Tokenization"; insertion modes "initial" to "in head".
"""

import re
from typing import Final

from proxy_addon.prescan import WINDOW_BYTES as CHARSET_WINDOW_BYTES

HOLD_LIMIT_BYTES: Final = 65_536
UNDECIDED: Final = "undecided within the hold limit"

_NOT_SPACE = re.compile(rb"[^\t\n\f\r ]")
_NAME_END = re.compile(rb"[\t\n\f\r />]")
# Longer than any tag name that matters here, so that a name without end decides nothing late.
NAME_LIMIT_BYTES: Final = 16
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


class LeaveAlone(Exception):
    """No place in this page would do. Its text is the reason."""


class _Wait(Exception):
    """The bytes seen so far end inside a token."""


class Locator:
    """Walks the first tokens of a page until the place is known. Resumes where it stopped.

    Args:
        page: the page's first bytes, ASCII-compatible; the owner appends to it and calls
            locate() again.
        start: index behind a byte order mark.
        charset_known: no declaration in the page matters.
        hold_limit_bytes: how far into the page the place may be.
    Limits:
        time is linear in the page, however it is cut.
    """

    def __init__(
        self, page: bytearray, *, start: int, charset_known: bool, hold_limit_bytes: int
    ) -> None:
        self._page = page
        self._charset_known = charset_known
        self._hold_limit_bytes = hold_limit_bytes
        self._token_at = start  # start of the first token not yet passed
        self._scanned_to = start  # inside that token, where the search for its end goes on
        self._tag_state = ""  # where in a tag that search stands; "" outside one
        self._in_title = False
        self._head_at: int | None = None  # where <head> begins; None while outside it
        self._early_at: int | None = None  # behind the last declaration that must come early

    @property
    def in_head(self) -> bool:
        """Whether <head> has begun, so that no token to come can make the place a wrong one."""
        return self._head_at is not None

    def locate(self) -> int | None:
        """The place, or None when more of the page is needed. Raises: LeaveAlone."""
        try:
            place = self._walk()
        except _Wait:
            if self._head_at is not None and len(self._page) >= CHARSET_WINDOW_BYTES:
                return self._choose()
            if len(self._page) > self._hold_limit_bytes:
                raise LeaveAlone(UNDECIDED) from None
            return None
        if place > self._hold_limit_bytes - NAME_LIMIT_BYTES:
            # The same answer as if the page had come in small chunks.
            raise LeaveAlone(UNDECIDED)
        return place

    def at_end(self) -> int:
        """The place in a page that ends here undecided. Raises: LeaveAlone."""
        # No browser runs a script that stands inside an unfinished tag or comment; but what is
        # certain by now is not lost with it.
        if self._token_at < len(self._page) and self._head_at is None:
            raise LeaveAlone("ends inside markup")
        return self._choose()

    def _choose(self) -> int:
        """The place, once the tokens up to _token_at are known."""
        if self._head_at is None:
            return self._token_at
        return self._head_at if self._early_at is None else self._early_at

    def _walk(self) -> int:
        """Pass tokens until the place is known. Raises: _Wait, LeaveAlone."""
        page = self._page
        while True:
            if self._token_at > self._hold_limit_bytes:
                raise _Wait
            match = _NOT_SPACE.search(page, self._token_at)
            self._token_at = match.start() if match else len(page)
            self._scanned_to = max(self._scanned_to, self._token_at)
            if match is None:
                if self._head_at is not None and self._settled():
                    return self._choose()
                raise _Wait
            place = self._before_head() if self._head_at is None else self._in_head()
            if place is not None:
                return place

    def _settled(self) -> bool:
        """In the head: may the place no longer change?"""
        return self._charset_known or self._token_at >= CHARSET_WINDOW_BYTES

    def _before_head(self) -> int | None:
        """Pass one token, or return the place."""
        page, at = self._page, self._token_at
        if page[at] != 0x3C:  # "<"
            if page[at] in b"{[":
                raise LeaveAlone("JSON")
            if page[at] == 0:
                raise LeaveAlone("a NUL")  # browsers differ about what it begins
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
            closing = _TITLE_END.search(self._page, max(self._token_at, self._scanned_to - 8))
            if closing is None:
                self._scanned_to = len(self._page)
                raise _Wait
            self._in_title = False
            self._token_at = self._scanned_to = closing.start()
        if self._settled() or self._page[self._token_at] != 0x3C:
            return self._choose()
        start, kind = self._token_at, self._kind()
        if kind in (b"!--", b"!"):
            self._token_at = self._scanned_to = self._end_of(kind)
            return None
        if kind not in _LEADING_RUN:
            return self._choose()
        end = self._end_of_tag()
        if kind == b"meta" and end <= CHARSET_WINDOW_BYTES:
            tag = bytes(self._page[start:end])
            if _CSP_META.search(tag):
                return self._choose()
            if _must_stay_early(tag):
                self._early_at = end
        self._in_title = kind == b"title"
        self._token_at = self._scanned_to = end
        return None

    def _kind(self) -> bytes:
        """What the "<" at _token_at opens: lower-case "name" or "/name", "!--", "!"; "" is text."""
        page, at = self._page, self._token_at + 1
        if at >= len(page):
            raise _Wait
        if page[at] == 0x21:  # "!"
            rest = page[at : at + 3]
            if rest == b"!--":
                return b"!--"
            if b"!--".startswith(rest):
                raise _Wait
            return b"!"
        if page[at] == 0x3F:  # "?"
            return b"!"
        slash = b""
        if page[at] == 0x2F:  # "/"
            slash, at = b"/", at + 1
            if at >= len(page):
                raise _Wait
        if not page[at : at + 1].isalpha():
            # "</>" is nothing at all, "</ x>" a comment: both end at the first ">".
            return b"!" if slash else b""
        end = _NAME_END.search(page, at, at + NAME_LIMIT_BYTES)
        if end is None:
            if len(page) - at < NAME_LIMIT_BYTES:
                raise _Wait
            return slash + b"?"
        return slash + bytes(page[at : end.start()]).lower()

    def _end_of(self, kind: bytes) -> int:
        """The index behind a comment or a declaration."""
        page, at = self._page, self._token_at
        if kind != b"!--":
            end = page.find(b">", self._scanned_to)
            self._scanned_to = len(page)
            if end < 0:
                raise _Wait
            return end + 1
        for short in (b"<!-->", b"<!--->"):
            piece = bytes(page[at : at + len(short)])
            if piece == short:
                return at + len(short)
            if short.startswith(piece):
                raise _Wait
        match = _COMMENT_END.search(page, max(at + 4, self._scanned_to - 3))
        self._scanned_to = len(page)
        if match is None:
            raise _Wait
        return match.end()

    def _end_of_tag(self) -> int:
        """The index behind the tag at _token_at; a ">" inside a quoted value does not count."""
        page = self._page
        if not self._tag_state:
            # Behind "<" or "</", where the name's first letter stands.
            self._tag_state, self._scanned_to = "tag name", self._token_at + 2
        while self._tag_state != "end":
            if self._scanned_to > self._hold_limit_bytes:
                raise _Wait
            pattern, leads, otherwise = _TAG_STATES[self._tag_state]
            match = pattern.search(page, self._scanned_to)
            if match is None:
                self._scanned_to = len(page)
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
