"""The way of a page's body: decode, splice, encode again, as it streams. Pure.

Broken bodies come out as a browser would have shown them: a cut one ends where it was cut, bytes
behind the end do not count, and one that breaks off in the middle breaks at the same place. (One
exception: bytes behind a br stream, which no server sends, cost what they came in one read with.)

Source: RFC 9110, 8.4.1 (content codings); Chromium, by trial.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from proxy_addon.compression import CODINGS, NO_CODING, Broken, Encoder, decoder, encoder
from proxy_addon.fields import tokens
from proxy_addon.locate import HOLD_LIMIT_BYTES, UNDECIDED
from proxy_addon.splice import Splicer

NOT_CODED: Final = "not in its coding"
_ALIASES: Final = {"x-gzip": "gzip"}
# More of them than any server means.
_MAX_STACKED: Final = 3
# Beyond a size that any page may have: more than deflate can mean by so many bytes. Other codings,
# and several at once, can mean so much more that one page would stop the proxy for all.
_ANY_PAGE_BYTES: Final = 64 * 1024 * 1024
_MAX_EXPANSION: Final = 1_100


class Body(Protocol):
    """A body on its way: feed() takes what came, and each method returns what may go on.

    pause() lets go of what is held where the page may have ended, or may go on. give_up() ends the
    search for a place, after a bug of ours; feed() and close() work after both.
    """

    def feed(self, chunk: bytes) -> bytes: ...
    def pause(self) -> bytes: ...
    def close(self) -> bytes: ...
    def give_up(self, outcome: str) -> bytes: ...


def codings_of(value: str) -> tuple[str, ...] | None:
    """The codings that a Content-Encoding names, in order of use.

    None for a list with any that we do not know: browsers then decode none of it.
    """
    names = tuple(_ALIASES.get(name, name) for name in tokens(value))
    if names in ((), ("identity",)):
        return ()
    return names if len(names) <= _MAX_STACKED and set(names) <= set(CODINGS) else None


def body_for(codings: Sequence[str], splicer: Splicer) -> Body:
    """The way of one page."""
    return CodedBody(codings, splicer) if codings else splicer


class CodedBody:
    """A body in one or more codings, spliced inside. What is in none of them passes as it came."""

    def __init__(self, codings: Sequence[str], splicer: Splicer) -> None:
        self._codings = codings
        self._splicer = splicer
        self._decoders = [decoder(coding) for coding in reversed(codings)]
        self._encoders: list[Encoder] = []
        self._raw = bytearray()  # what came, until the first bytes go on
        self._came_bytes = self._decoded_bytes = 0
        self._state = "undecided"  # -> "coding" or "as it came"; "coding" -> "ended"

    def feed(self, chunk: bytes) -> bytes:
        if self._state == "as it came":
            return chunk
        if self._state == "ended":
            return b""
        if self._state == "undecided":
            self._raw += chunk
        self._came_bytes += len(chunk)
        out = []
        allowed_bytes = _ANY_PAGE_BYTES + _MAX_EXPANSION * self._came_bytes
        try:
            for piece in self._decode(chunk, 0):
                self._decoded_bytes += len(piece)
                if self._decoded_bytes > allowed_bytes:
                    raise Broken
                out.append(self._encode(self._splicer.feed(piece)))
        except Broken:
            return b"".join([*out, self._break()])
        if self._decoders[-1].ended:
            return b"".join([*out, self._encode(self._splicer.close()), self._finish()])
        if self._state == "undecided" and len(self._raw) > HOLD_LIMIT_BYTES:
            return self.give_up(UNDECIDED)  # codings have ways to say nothing for very long
        # Flushed with each chunk: what the origin sent early, the visitor sees early.
        return b"".join([*out, self._flush()])

    def close(self) -> bytes:
        if self._state in ("as it came", "ended"):
            return b""
        if self._state == "undecided" and not self._decoded_bytes:
            self._splicer.give_up(NOT_CODED)
            return self._as_it_came()
        out = self._encode(self._splicer.close())
        if self._decoders[-1].complete:
            return out + self._finish()
        return out + self._flush()  # it was cut: its end is missing here too

    def pause(self) -> bytes:
        if self._state in ("as it came", "ended"):
            return b""
        if self._state == "undecided" and not self._decoded_bytes:
            return self.give_up(UNDECIDED)
        out = self._encode(self._splicer.pause())
        if len(self._encoders) != 1 or not self._decoders[-1].complete:
            return out + self._flush()
        # All that came is whole; of the codings only zstd can go on after that, with a new frame.
        out += self._finish()
        self._state, self._encoders = "coding", []
        return out

    def give_up(self, outcome: str) -> bytes:
        if self._state == "undecided":
            self._splicer.give_up(outcome)
            return self._as_it_came()
        return self._encode(self._splicer.give_up(outcome)) + self._flush()

    def _decode(self, data: bytes, stage: int) -> Iterator[bytes]:
        if stage == len(self._decoders):
            yield data
            return
        for piece in self._decoders[stage].decode(data):
            yield from self._decode(piece, stage + 1)

    def _encode(self, page: bytes) -> bytes:
        if not page:
            return b""
        if not self._encoders:
            ratio = self._decoded_bytes / max(self._came_bytes, 1)
            self._encoders = [encoder(coding, ratio) for coding in self._codings]
            self._state, self._raw = "coding", bytearray()
        for stage in self._encoders:
            page = stage.encode(page)
        return page

    def _flush(self) -> bytes:
        out = b""
        for stage in self._encoders:
            out = (stage.encode(out) if out else b"") + stage.flush()
        return out

    def _finish(self) -> bytes:
        if not self._encoders:
            return self._as_it_came()
        self._state, out = "ended", b""
        for stage in self._encoders:
            out = (stage.encode(out) if out else b"") + stage.finish()
        return out

    def _break(self) -> bytes:
        if self._state == "undecided":
            self._splicer.give_up(NOT_CODED)
            return self._as_it_came()
        out = self._encode(self._splicer.close())
        out += self._finish() if self._decoders[-1].complete else self._flush()
        self._state = "ended"
        return out + NO_CODING

    def _as_it_came(self) -> bytes:
        self._state = "as it came"
        return bytes(self._raw)
