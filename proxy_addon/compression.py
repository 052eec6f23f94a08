"""Decoders and encoders of the content codings, as streams. Pure.

Source: RFC 1950, 1951, 1952 (deflate, gzip), 7932 (br), 8878 (zstd); Chromium, by trial.
Limits: levels and libraries are chosen by `python -m bench.injection`.
"""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import brotlicffi
from backports import zstd
from isal import isal_zlib
from zlib_ng import zlib_ng

# In the order in which we ask for them: the cheaper to make, the sooner.
CODINGS: Final = ("zstd", "gzip", "deflate", "br")
# Bytes that no decoder takes, wherever they come: a deflate block of a type that does not exist,
# and reserved values in the other two.
NO_CODING: Final = b"\xff" * 16

_RAW: Final = -15  # wbits: deflate without a format around it
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_GZIP_HEAD_BYTES: Final = 10
_GZIP_HEAD: Final = _GZIP_MAGIC + b"\0" * 6 + b"\xff"
_ZLIB_HEAD: Final = b"\x78\x5e"
_SLICE_BYTES: Final = 4_096  # what goes into a decoder at once, and may be lost when it breaks
_PIECE_BYTES: Final = 65_536  # most that comes out at once
_ZSTD_WINDOW_LOG: Final = 23  # 8 MiB, as in browsers
# The first part of a page by the encoder that makes less of it, the rest by the faster one. Pages
# that shrink a lot cost it less, and gain by a better search.
_EARLY_BYTES: Final = 131_072
_EARLY_LEVEL: Final = 3
_LATE_LEVEL, _LATE_DENSE_LEVEL = 2, 3
_DENSE_RATIO: Final = 7.0
_BROTLI_QUALITY: Final = 5
_ZSTD_LEVEL: Final = 1


class Broken(Exception):
    """The bytes are not in the coding that they are said to be in."""


class Decoder(Protocol):
    """One coding. decode() yields pieces of at most _PIECE_BYTES, however much a few bytes mean.

    complete: nothing is missing. ended: besides, nothing that follows counts.
    Raises: Broken from decode().
    """

    @property
    def ended(self) -> bool: ...
    @property
    def complete(self) -> bool: ...

    def decode(self, data: bytes) -> Iterator[bytes]: ...


class _Deflater(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int, /) -> bytes: ...


class Encoder(Protocol):
    """One coding. flush() makes all that went in readable; finish() ends the stream."""

    def encode(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Inflate:
    """gzip or deflate. As in browsers: the first member counts, and checksums do not.

    Args: head_of: finds the end of what stands before the deflate stream; None when it is not
        there yet. Raises: Broken.
    """

    ended = False

    def __init__(self, head_of: Callable[[bytes], int | None]) -> None:
        self._head_of = head_of
        self._head: bytes | None = b""
        self._inflater = isal_zlib.decompressobj(_RAW)

    @property
    def complete(self) -> bool:
        return self.ended

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._head is not None:
            data = self._head + data
            size = self._head_of(data)
            if size is None:
                self._head = data
                return
            data, self._head = data[size:], None
        for at in range(0, len(data), _SLICE_BYTES):
            rest, is_full = data[at : at + _SLICE_BYTES], False
            # A full piece may be all the input and not yet all that it means.
            while (rest or is_full) and not self.ended:
                try:
                    piece = self._inflater.decompress(rest, _PIECE_BYTES)
                except isal_zlib.error as error:  # type: ignore[misc]
                    raise Broken from error
                rest, self.ended = self._inflater.unconsumed_tail, self._inflater.eof
                is_full = len(piece) == _PIECE_BYTES
                if piece:
                    yield piece


def _gzip_head(data: bytes) -> int | None:
    """The size of a gzip header, RFC 1952, 2.3."""
    if data[:3] != _GZIP_MAGIC[: len(data)] or len(data) > _PIECE_BYTES:
        raise Broken
    if len(data) < _GZIP_HEAD_BYTES:
        return None
    flags, at = data[3], _GZIP_HEAD_BYTES
    if flags & 0x04:  # extra field
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (0x08, 0x10):  # name, comment
        if flags & flag:
            end = data.find(b"\0", at)
            if end < 0:
                return None
            at = end + 1
    if flags & 0x02:  # checksum of the header
        at += 2
    return at if at <= len(data) else None


def _deflate_head(data: bytes) -> int | None:
    """The size of a zlib header, RFC 1950; 0 where servers send the bare stream instead."""
    if len(data) < 2:
        return None
    return 2 if data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0 else 0


class _Brotli:
    ended = False

    @property
    def complete(self) -> bool:
        return self.ended

    def __init__(self) -> None:
        self._decompressor = brotlicffi.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _SLICE_BYTES):
            rest, more = data[at : at + _SLICE_BYTES], True
            while more and not self.ended:
                try:
                    piece = self._decompressor.process(rest, output_buffer_limit=_PIECE_BYTES)
                except brotlicffi.error as error:
                    raise Broken from error
                rest, self.ended = b"", self._decompressor.is_finished()
                more = not self._decompressor.can_accept_more_data()
                if piece:
                    yield piece


class _Zstd:
    """zstd: any number of frames, one behind the other, as in browsers."""

    _OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    ended = False

    def __init__(self) -> None:
        self._decompressor = zstd.ZstdDecompressor(options=self._OPTIONS)
        self.complete = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _SLICE_BYTES):
            rest = data[at : at + _SLICE_BYTES]
            while rest or not self._decompressor.needs_input:
                if self._decompressor.eof:
                    rest = self._decompressor.unused_data + rest
                    if not rest:
                        break
                    self._decompressor = zstd.ZstdDecompressor(options=self._OPTIONS)
                try:
                    piece = self._decompressor.decompress(rest, _PIECE_BYTES)
                except zstd.ZstdError as error:
                    raise Broken from error
                rest, self.complete = b"", self._decompressor.eof
                if piece:
                    yield piece


class _ToDeflate:
    """gzip or zlib format around a deflate stream, whose encoder is a faster one for long pages.

    A sync flush ends on a byte and inside the stream, so that another encoder can go on from there.
    """

    def __init__(self, *, is_gzip: bool, ratio: float) -> None:
        self._is_gzip = is_gzip
        self._late_level = _LATE_DENSE_LEVEL if ratio > _DENSE_RATIO else _LATE_LEVEL
        self._deflater: _Deflater = zlib_ng.compressobj(_EARLY_LEVEL, zlib_ng.DEFLATED, _RAW)
        self._head = _GZIP_HEAD if is_gzip else _ZLIB_HEAD
        self._digest = 0 if is_gzip else 1
        self._size = 0
        self._is_early = True

    def encode(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        digest = isal_zlib.crc32 if self._is_gzip else isal_zlib.adler32
        self._digest = digest(data, self._digest)
        self._size += len(data)
        if self._is_early and self._size > _EARLY_BYTES:
            self._is_early = False
            head += self.flush()
            self._deflater = isal_zlib.compressobj(self._late_level, isal_zlib.DEFLATED, _RAW)
        return head + self._deflater.compress(data)

    def flush(self) -> bytes:
        return self._deflater.flush(zlib_ng.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        if self._is_gzip:
            tail = self._digest.to_bytes(4, "little") + (self._size % 2**32).to_bytes(4, "little")
        else:
            tail = self._digest.to_bytes(4, "big")
        return self._head + self._deflater.flush(zlib_ng.Z_FINISH) + tail


class _ToBrotli:
    def __init__(self) -> None:
        self._compressor = brotlicffi.Compressor(quality=_BROTLI_QUALITY)

    def encode(self, data: bytes) -> bytes:
        return bytes(self._compressor.process(data))

    def flush(self) -> bytes:
        return bytes(self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class _ToZstd:
    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(_ZSTD_LEVEL)

    def encode(self, data: bytes) -> bytes:
        return self._compressor.compress(data)

    def flush(self) -> bytes:
        return self._compressor.flush(zstd.ZstdCompressor.FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compressor.flush(zstd.ZstdCompressor.FLUSH_FRAME)


_DECODERS: Final[dict[str, Callable[[], Decoder]]] = {
    "gzip": lambda: _Inflate(_gzip_head),
    "deflate": lambda: _Inflate(_deflate_head),
    "br": _Brotli,
    "zstd": _Zstd,
}


def decoder(coding: str) -> Decoder:
    """A decoder of one of CODINGS."""
    return _DECODERS[coding]()


def encoder(coding: str, ratio: float) -> Encoder:
    """An encoder of one of CODINGS. ratio: by how much the origin's coding shrank the page."""
    match coding:
        case "br":
            return _ToBrotli()
        case "zstd":
            return _ToZstd()
    return _ToDeflate(is_gzip=coding == "gzip", ratio=ratio)
