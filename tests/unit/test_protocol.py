"""The short way for capture frames means what the whole parser means, however the bytes come."""

import asyncio
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from relay.protocol import FrameProtocol

HANDSHAKE = (
    b"GET /visitor/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\x01\x02\x03\x04"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_shut = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_shut

    def close(self) -> None:
        self.is_shut = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def opened() -> tuple[FrameProtocol, Transport, list[bytes]]:
    config = Config(app, ws=FrameProtocol, log_config=None, ws_ping_interval=None, lifespan="off")
    config.load()
    protocol, transport = FrameProtocol(config, ServerState(), {}), Transport()
    taken: list[bytes] = []
    protocol.connection_made(transport)
    protocol.data_received(HANDSHAKE)
    for _ in range(5):
        await asyncio.sleep(0)
    assert b"101" in transport.written
    transport.written = b""

    def take(frame: bytes) -> float:
        taken.append(frame)
        return 0.0

    protocol.take_frames(take)
    return protocol, transport, taken


def sent(kind: str, data: bytes) -> bytes:
    if kind == "pieces":
        half = len(data) // 2
        first = Frame(Opcode.BINARY, data[:half], fin=False).serialize(mask=True)
        return first + Frame(Opcode.CONT, data[half:]).serialize(mask=True)
    opcode = {"binary": Opcode.BINARY, "text": Opcode.TEXT, "ping": Opcode.PING}[kind]
    return Frame(opcode, data).serialize(mask=True)


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["binary", "binary", "binary", "ping", "pieces"]),
        st.binary(max_size=100) | st.binary(min_size=120, max_size=130) | st.just(b"x" * 70_000),
    ),
    max_size=8,
)


@given(MESSAGES, st.lists(st.integers(1, 2000), min_size=1, max_size=20), st.booleans())
def test_any_pieces_of_any_messages(
    messages: list[tuple[str, bytes]], sizes: list[int], text_at_the_end: bool
) -> None:
    async def run() -> None:
        protocol, transport, taken = await opened()
        wanted = []
        stream = b""
        pings = 0
        for kind, data in messages:
            data = data[:125] if kind == "ping" else data
            stream += sent(kind, data)
            pings += kind == "ping"
            if kind != "ping":
                wanted.append(data)
        if text_at_the_end:
            stream += sent("text", b"words") + sent("binary", b"behind the words")
        at = turn = 0
        while at < len(stream):
            size = sizes[turn % len(sizes)]
            protocol.data_received(stream[at : at + size])
            at, turn = at + size, turn + 1
        queued: list[Any] = []
        while not protocol.queue.empty():
            queued.append(await protocol.queue.get())
        # A message in pieces goes the usual way, and so does all that comes while one waits.
        got = taken + [m["bytes"] for m in queued if m.get("bytes") is not None]
        if text_at_the_end:
            assert got.pop() == b"behind the words"
            assert queued[-2]["text"] == "words"
        assert got == wanted
        assert transport.written.count(b"\x8a") >= pings
        for task in protocol.tasks:
            task.cancel()

    asyncio.run(run())


@given(st.binary(min_size=1, max_size=40))
def test_what_is_no_message_is_refused(data: bytes) -> None:
    async def run() -> None:
        protocol, _, taken = await opened()
        protocol.data_received(b"\x82\x05hello" + data)  # not masked
        assert taken == [] and protocol.close_sent
        for task in protocol.tasks:
            task.cancel()

    asyncio.run(run())


def test_a_frame_is_written_as_the_parser_would() -> None:
    async def run() -> None:
        protocol, transport, _ = await opened()
        for size in (0, 1, 125, 126, 65_535, 65_536, 100_000):
            transport.written = b""
            assert protocol.write_frame(b"f" * size)
            assert transport.written == Frame(Opcode.BINARY, b"f" * size).serialize(mask=False)
        protocol.pause_writing()
        assert not protocol.write_frame(b"f")
        protocol.resume_writing()
        protocol.data_received(Frame(Opcode.CLOSE, struct.pack(">H", 1000)).serialize(mask=True))
        assert not protocol.write_frame(b"f")
        for task in protocol.tasks:
            task.cancel()

    asyncio.run(run())
