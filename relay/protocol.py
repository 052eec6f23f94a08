"""uvicorn's protocols, with a short way for capture frames and an end to slow requests.

Through ASGI a frame crosses two queues and two tasks on its way from one socket to another: most of
what it costs. Here it is handed on as it arrives, and written at once where nothing waits
before it. Everything else goes the usual way; so do frames when a server other than this one runs
the app. bench/relay.py shows what it saves.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import OPEN

from relay import wire

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

HEAD_TIMEOUT_S: Final = 10.0
FIRST_MAX_BYTES: Final = 4 * wire.MAX_CONTROL_BYTES  # characters may have four bytes
# Of a message in fragments: browsers make large ones.
MAX_PIECES: Final = 2_000


# RFC 6455, section 5.2: the first byte of a whole binary message, and what the second may say.
_BINARY: Final = 0x82
_MASKED: Final = 0x80
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127
_MASKED_HEAD: Final = 6


class _Queue:
    """What of asyncio.Queue is used here, in a tenth of the memory: for one reader."""

    __slots__ = ("_reader", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._waiting

    def put_nowait(self, item: Any) -> None:
        self._waiting.append(item)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        while not self._waiting:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._waiting.pop(0)


class FrameProtocol(WebSocketsSansIOProtocol):
    """One socket. take: is given each binary message; returns how long to read no more, in s."""

    take: Callable[[bytes], float] | None = None
    _rest: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue = _Queue()  # type: ignore[assignment]
        # Until it is known who this is, as much as a control message may have.
        self.conn.max_message_size = FIRST_MAX_BYTES

    @classmethod
    def of(cls, receive: Any) -> "FrameProtocol | None":
        """The protocol behind an ASGI receive callable, if it is one of these."""
        protocol = getattr(receive, "__self__", None)
        return protocol if isinstance(protocol, FrameProtocol) else None

    def take_frames(self, take: Callable[[bytes], float]) -> None:
        """The peer is a visitor, whose messages may be large."""
        self.take = take
        self.conn.max_message_size = self.config.ws_max_size
        self.forget_handshake()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()  # it asks and asks, and reads no answer

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_PIECES:
            self.transport.abort()
        else:
            super().handle_cont(event)

    def handle_bytes(self, event: Frame) -> None:
        # A message that waits for the app came before this one.
        if self.take is None or not event.fin or not self.queue.empty() or self.close_sent:
            super().handle_bytes(event)
            return
        self._hand_on(bytes(event.data))

    def data_received(self, data: bytes) -> None:
        if self.take is not None and not self.frames and not self.conn.reader.buffer:
            data = self._take_whole(data)
        if data:
            super().data_received(data)

    def _take_whole(self, data: bytes) -> bytes:
        """Take the binary messages at the start of what came, while they are of the plain sort.

        Plain: whole, masked, in one piece, under 64 KiB. Returns the rest, for the parser that
        takes all.
        """
        at = 0
        while len(data) - at > _MASKED_HEAD and data[at] == _BINARY:
            length, head = data[at + 1] - _MASKED, 2
            if length == _TWO_BYTES:
                length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            start = at + head + 4
            is_plain = 0 <= length < _TWO_BYTES or head == 4
            if not is_plain or start + length > len(data):
                break
            if not self.queue.empty() or self.close_sent:
                break
            self._hand_on(apply_mask(data[start : start + length], data[start - 4 : start]))
            at = start + length
        return data[at:]

    def _hand_on(self, frame: bytes) -> None:
        wait_s = self.take(frame) if self.take is not None else 0.0
        if wait_s:
            if self._rest is None:
                self.transport.pause_reading()
            else:
                self._rest.cancel()
            self._rest = self.loop.call_later(wait_s, self._read_on)

    def write_frame(self, frame: bytes) -> bool:
        """Send a binary message at once. False where that cannot be: then it must wait its turn."""
        if not self.writable.is_set() or self.close_sent or self.disconnected:
            return False
        if self.conn.state is not OPEN:
            return False
        length = len(frame)
        if length < _TWO_BYTES:
            head = bytes((_BINARY, length))
        elif length < 65_536:
            head = bytes((_BINARY, _TWO_BYTES)) + length.to_bytes(2, "big")
        else:
            head = bytes((_BINARY, _EIGHT_BYTES)) + length.to_bytes(8, "big")
        self.transport.write(head + frame)
        return True

    def forget_handshake(self) -> None:
        """What was said before the first message is needed no more, and there are many sockets."""
        self.scope["headers"] = []
        del self.request, self.response

    def _read_on(self) -> None:
        self._rest = None
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which would wait for ever for the rest of a request's head."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def on_message_begin(self) -> None:
        self._head_came()
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
