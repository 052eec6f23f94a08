"""The way of a page's body: decode, splice, encode again, as it streams. Pure.

Source: RFC 9110, 8.4.1 (content codings); RFC 1952 (gzip).
"""

import zlib
from typing import Final, Protocol

from proxy_addon.splice import Splicer

_GZIP_WBITS: Final = 31
# The fastest level: measured at 1 MB, deflate at the usual level costs more than all else here.
_LEVEL: Final = 1
_PIECE_BYTES: Final = 65_536


class Body(Protocol):
    """A body on its way: feed() takes what came, and each method returns what may go on.

    rescue() is for a bug of ours: it gives up splicing, and feed() and close() still work after it.
    """

    def feed(self, chunk: bytes) -> bytes: ...
    def close(self) -> bytes: ...
    def rescue(self) -> bytes: ...


def body_for(coding: str, splicer: Splicer) -> Body:
    """The way for one page. Raises: ValueError for a coding that policy should have left alone."""
    match coding.strip().lower():
        case "" | "identity":
            return splicer
        case "gzip" | "x-gzip":
            return GzipBody(splicer)
    raise ValueError(f"no way to stream the content coding {coding!r}")


class GzipBody:
    """A gzip body, spliced inside. What is no gzip at all passes as it came.

    As in a browser, a cut stream shows what arrived of it, and bytes behind its end do not count.
    """

    def __init__(self, splicer: Splicer) -> None:
        self._splicer = splicer
        self._decoder = zlib.decompressobj(_GZIP_WBITS)
        self._encoder = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
        self._raw = bytearray()  # what came, until the first bytes go on
        self._state = "undecided"  # -> "coding" or "as it came"; "coding" -> "ended"

    def feed(self, chunk: bytes) -> bytes:
        if self._state == "as it came":
            return chunk
        if self._state == "ended":
            return b""
        if self._state == "undecided":
            self._raw += chunk
        out = b""
        while chunk and self._state != "ended":
            try:
                # In pieces: a few bytes can stand for very many.
                page = self._decoder.decompress(chunk, _PIECE_BYTES)
            except zlib.error:
                return out + self._broken()
            chunk = self._decoder.unconsumed_tail
            out += self._encode(self._splicer.feed(page), last=self._decoder.eof)
        return out

    def close(self) -> bytes:
        if self._state in ("as it came", "ended"):
            return b""
        if self._state == "undecided" and not self._decoder.eof and not self._splicer.held_bytes:
            return bytes(self._raw)
        return self._encode(b"", last=True)

    def rescue(self) -> bytes:
        return self._encode(self._splicer.rescue(), last=False)

    def _broken(self) -> bytes:
        if self._state == "undecided" and not self._splicer.held_bytes:
            self._state = "as it came"
            return bytes(self._raw)
        return self._encode(b"", last=True)

    def _encode(self, page: bytes, *, last: bool) -> bytes:
        if last:
            page += self._splicer.close()
        if not page and not last:
            return b""
        self._state, self._raw = "ended" if last else "coding", bytearray()
        out = self._encoder.compress(page)
        # Flushed with each chunk: what the origin sent early, the visitor sees early.
        return out + self._encoder.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
