"""Those who are connected, as the hub sees them: here, or at another relay."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from relay import wire
from relay.errors import Close, Refused
from relay.metrics import DROPS
from relay.outbox import Outbox

SEND_TIMEOUT_S: Final = 15.0
_BEAT: Final = wire.encode(wire.Beat())


class Peer(Protocol):
    """Takes what the rules send."""

    number: int

    def tell(self, text: str) -> None:
        """Give it a control message."""

    def forward(self, frame: bytes, *, keyframe: bool) -> bool:
        """Give it a capture frame. False when a fresh keyframe would help it."""

    def shut(self, code: Close, refusal: Refused | None = None) -> None:
        """Close its socket, and say why, when there is more to say than the close code does."""


class LocalPeer:
    """One socket of this relay: an outbox, and the wish to be closed.

    write: sends a frame past the outbox, if it can be sent at once. cut: ends the socket.
    """

    __slots__ = (
        "_waiter",
        "close_code",
        "cut",
        "is_gone",
        "is_sending",
        "number",
        "outbox",
        "probe",
        "sending_since",
        "was_told",
        "write",
    )

    def __init__(self, number: int) -> None:
        self.write: Callable[[bytes], bool] | None = None
        self.cut: Callable[[], object] = lambda: None
        # A message is out of the outbox and not yet with the socket; since when (time.monotonic).
        self.is_sending = False
        self.sending_since = 0.0
        self.number = number
        self.outbox = Outbox()
        self.close_code: Close | None = None
        self.is_gone = False
        # A frame whose way through the relay is timed, and when it came (time.perf_counter).
        self.probe: tuple[bytes, float] | None = None
        self.was_told = False
        self._waiter: asyncio.Future[None] | None = None

    def tell(self, text: str) -> None:
        self.outbox.push(text)
        self._woken()

    def forward(self, frame: bytes, *, keyframe: bool) -> bool:
        if self.write is not None and not self.is_sending and self.outbox.passes(keyframe=keyframe):
            if self.write(frame):
                self.was_told = True
                return True
        whole = self.outbox.push_frame(frame, keyframe=keyframe)
        if not whole:
            DROPS.inc()
        self._woken()
        return whole

    def shut(self, code: Close, refusal: Refused | None = None) -> None:
        if refusal is not None:
            self.outbox.push(wire.encode(wire.RefusedMessage(refusal.code, refusal.message)))
        self.close_code = code
        self._wake()

    @property
    def is_idle(self) -> bool:
        """Whether what is told now goes out at once."""
        return not self.is_sending and not len(self.outbox)

    def gone(self) -> None:
        """Its socket is closed."""
        self.is_gone = True
        self._wake()

    async def next_message(self) -> str | bytes | None:
        """What to send next; None when the peer is gone or to be closed with close_code."""
        while not (self.is_gone or self.outbox.stuck):
            message = self.outbox.pop()
            if message is not None:
                return message
            if self.close_code is not None:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return None

    def beat(self, now: float) -> None:
        """A sign of life, unless there was one since the last beat. Ends a socket that is stuck."""
        if self.is_sending and now - self.sending_since > SEND_TIMEOUT_S:
            self.cut()
        if not self.was_told:
            self.tell(_BEAT)
        self.was_told = False

    def _woken(self) -> None:
        self.was_told = True
        if self.outbox.stuck:
            self.close_code = Close.TOO_SLOW
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
