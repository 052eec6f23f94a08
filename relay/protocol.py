"""uvicorn's WebSocket protocol with a short way for capture frames.

Through ASGI a frame crosses two queues and two tasks on its way from one socket to another: most of
what it costs. Here it is handed on as it arrives, and written at once where nothing waits
before it. Everything else goes the usual way; so do frames when a server other than this one runs
the app. bench/relay.py shows what it saves.
"""

from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame


class FrameProtocol(WebSocketsSansIOProtocol):
    """One socket. take: is given each binary message; returns how long to read no more, in s."""

    take: Callable[[bytes], float] | None = None
    _rest: TimerHandle | None = None

    @classmethod
    def of(cls, receive: Any) -> "FrameProtocol | None":
        """The protocol behind an ASGI receive callable, if it is one of these."""
        protocol = getattr(receive, "__self__", None)
        return protocol if isinstance(protocol, FrameProtocol) else None

    def handle_bytes(self, event: Frame) -> None:
        # A message that waits for the app came before this one.
        if self.take is None or not event.fin or not self.queue.empty() or self.close_sent:
            super().handle_bytes(event)
            return
        wait_s = self.take(bytes(event.data))
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
        try:
            self.conn.send_binary(frame)
        except InvalidState:
            return False
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    def forget_handshake(self) -> None:
        """What was said before the first message is needed no more, and there are many sockets."""
        self.scope["headers"] = []
        del self.request, self.response

    def _read_on(self) -> None:
        self._rest = None
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
