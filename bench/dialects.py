"""WebSocket clients that speak just enough of each server's language, as cheaply as Python can.

A frame is 8 bytes of our capture header, 8 bytes of the sender's clock, and filling; every server
gets the same bytes. The mask is never zero: ws would skip the unmasking then.
"""

import asyncio
import itertools
import json
import secrets
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal, cast

from relay import wire

Dialect = Literal["cobrowse", "socket.io", "ws"]
ORIGIN: Final = "http://shop.test"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_MASK: Final = b"\x37\xfa\x21\x3d"
_STAMP: Final = slice(8, 16)
_HEAD: Final = wire.pack_frame(b"", keyframe=False, sequence=0)
_KEYFRAME: Final = wire.pack_frame(b"k" * 8, keyframe=True, sequence=0)


@dataclass
class Tally:
    """What all clients of a generator have seen."""

    received: int = 0
    closed: int = 0  # by the server
    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass
class Session:
    """One session and what its clients must know. tokens: of its visitor, good once each."""

    number: int
    tokens: Iterator[str]
    agent_token: str
    ticket: str = ""
    visitor: "Client | None" = None
    agents: "list[Client]" = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"bench-{self.number}"


class Client(asyncio.Protocol):
    """One socket. ready: set when the server has let it in, or with why it has not."""

    request = ""
    headers = ""

    def __init__(self, session: Session, tally: Tally, *, is_agent: bool) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session, self._tally, self._is_agent = session, tally, is_agent
        self._transport: asyncio.Transport | None = None
        self._is_open = self._is_cut = False
        self._rest = b""

    # -- what dialects do ------------------------------------------------------------------------

    def receive_open(self) -> None:
        """The handshake is done."""

    def receive_text(self, text: bytes) -> None:
        """A text message."""

    def prepare(self) -> None:
        """Frames are about to be sent."""

    def send_frame(self, size_bytes: int) -> None:
        self._write(_framed(BINARY, _stamped(size_bytes)))

    # -- what they have in common ----------------------------------------------------------------

    def send_text(self, text: str) -> None:
        self._write(_framed(TEXT, text.encode()))

    def cut(self) -> None:
        """As when the network is gone."""
        self._is_cut = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base
        path = self.request.format(role=self._role, key=self._session.key)
        self._write(
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
            f"Origin: {'http://bench' if self._is_agent else ORIGIN}\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Version: 13\r\n{self.headers}\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed before it was ready"))
        elif not self._is_cut:
            self._tally.closed += 1

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._is_open:
            head, end_of_head, rest = data.partition(b"\r\n\r\n")
            self._rest = data
            if not end_of_head:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(head.decode("latin-1"))
            self._is_open, data = True, rest
            self.receive_open()
        at, end = 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size > 125:
                start += 2 if size == 126 else 8
                if end < start:
                    break
                size = int.from_bytes(data[at + 2 : start])
            if end - start < size:
                break
            self._receive(data[at] & 15, data[start : start + size])
            at = start + size
        self._rest = data[at:]

    def _receive(self, opcode: int, payload: bytes) -> None:
        if opcode == BINARY:
            if not payload[1] & wire.FLAG_KEYFRAME:
                self._tally.received += 1
                sent_ns = int.from_bytes(payload[_STAMP])
                self._tally.latencies_ns.append(time.perf_counter_ns() - sent_ns)
        elif opcode == TEXT:
            self.receive_text(payload)
        elif opcode == PING:
            self._write(_framed(PONG, payload))

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    @property
    def _role(self) -> str:
        return "agent" if self._is_agent else "visitor"

    def _let_in(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)


class CobrowseClient(Client):
    """Our own protocol. A visitor with a ticket goes on with its session."""

    request = "/{role}/socket"
    headers = f"Sec-WebSocket-Protocol: {wire.SUBPROTOCOL}\r\n"
    _sends_keyframes = False

    def receive_open(self) -> None:
        session = self._session
        if self._is_agent:
            hello = {"type": "join", "token": session.agent_token, "key": session.key}
            hello["end"] = secrets.token_hex(8)
        elif session.ticket:
            hello = {"type": "resume", "token": next(session.tokens), "ticket": session.ticket}
        else:
            hello = {"type": "start", "token": next(session.tokens), "key": session.key}
        self.send_text(json.dumps(hello))

    def receive_text(self, text: bytes) -> None:
        message = json.loads(text)
        match message["type"]:
            case "started" | "continued":
                self._session.ticket = message["ticket"]
                self.send_text(json.dumps({"type": "confirm", "ticket": message["ticket"]}))
                self._let_in()
            case "joined":
                self._let_in()
            case "keyframe" if self._sends_keyframes:
                self._write(_framed(BINARY, _KEYFRAME))
            case "refused":
                self.ready.set_exception(ConnectionError(message["message"]))

    def prepare(self) -> None:
        self._sends_keyframes = True
        self._write(_framed(BINARY, _KEYFRAME))


class SocketIoClient(Client):
    """Engine.IO 4 and the default namespace; a frame is a binary event, so two messages."""

    request = "/socket.io/?EIO=4&transport=websocket"
    _event = b'451-["frame",{"_placeholder":true,"num":0}]'

    def receive_text(self, text: bytes) -> None:
        if text == b"2":
            self.send_text("3")
        elif text.startswith(b"0"):
            self.send_text("40")
        elif text.startswith(b"40"):
            self.send_text(f'420["{self._role}","{self._session.key}"]')
        elif text.startswith(b"430"):
            self._let_in()

    def send_frame(self, size_bytes: int) -> None:
        # In one write, which spares the server a read that two would cost it.
        self._write(_framed(TEXT, self._event) + _framed(BINARY, _stamped(size_bytes)))


class WsClient(Client):
    """Nothing but frames."""

    request = "/{role}/{key}"

    def receive_open(self) -> None:
        self._let_in()


CLIENTS: Final[dict[Dialect, type[Client]]] = {
    "cobrowse": CobrowseClient,
    "socket.io": SocketIoClient,
    "ws": WsClient,
}


def _stamped(size_bytes: int) -> bytes:
    return _HEAD + time.perf_counter_ns().to_bytes(8) + _filling(size_bytes - len(_HEAD) - 8)


@cache
def _filling(size_bytes: int) -> bytes:
    return bytes(itertools.islice(itertools.cycle(range(256)), size_bytes))


def _framed(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    masked = int.from_bytes(payload) ^ _mask(size)
    return _frame_head(opcode, size) + masked.to_bytes(size)


@cache
def _mask(size_bytes: int) -> int:
    return int.from_bytes(bytes(itertools.islice(itertools.cycle(_MASK), size_bytes)))


@cache
def _frame_head(opcode: int, size_bytes: int) -> bytes:
    if size_bytes < 126:
        return bytes((0x80 | opcode, 0x80 | size_bytes)) + _MASK
    return bytes((0x80 | opcode, 0x80 | 126)) + size_bytes.to_bytes(2) + _MASK
