"""Raw sockets at both ends of the proxy: what is really sent, byte for byte."""

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

TIMEOUT_S = 10.0


@dataclass
class RawServer:
    """A server that keeps each request head and answers as the test says."""

    port: int
    # Called with the connection and the head; whatever it sends is the response.
    answer: Callable[[socket.socket, bytes], None] = lambda connection, head: None
    heads: "queue.Queue[bytes]" = field(default_factory=queue.Queue)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, *pieces: bytes) -> None:
        """Send these bytes to whoever asks next."""

        def send(connection: socket.socket, _head: bytes) -> None:
            for piece in pieces:
                connection.sendall(piece)

        self.answer = send

    def answers_and_closes(self, data: bytes) -> None:
        """Send this to whoever asks next, and end the connection."""

        def send(connection: socket.socket, _head: bytes) -> None:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        self.answer = send

    def head(self) -> bytes:
        """The next request head that came."""
        return self.heads.get(timeout=TIMEOUT_S)

    def hears_nothing(self) -> bool:
        return self.heads.empty()


@contextlib.contextmanager
def listening(
    serve: Callable[[socket.socket], None], at: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[int]:
    """Call serve with each connection, in a thread of its own; yields the port."""
    listener = socket.create_server(at)
    connections: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        for connection in connections:
            connection.close()


@contextlib.contextmanager
def raw_server() -> Iterator[RawServer]:
    server = RawServer(0)

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while head := read_head(connection):
                server.heads.put(head)
                server.answer(connection, head)
                if b"connection: close" in head.lower():
                    return

    with listening(serve) as server.port:
        yield server


def read_head(connection: socket.socket) -> bytes:
    """Bytes up to and with the empty line; b"" at the end of the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    return head


class Client:
    """One connection to the proxy."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *lines: str, body: bytes = b"") -> None:
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "surrogateescape")
        self._socket.sendall(head + body)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and header fields by lower-case name."""
        first, *lines = read_head(self._socket).decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}

    def rest_of_head(self) -> bytes:
        """Whatever head comes, or b"" when the proxy closes instead."""
        return read_head(self._socket)

    def chunk(self) -> bytes:
        """The next chunk of a chunked body; b"" for the last."""
        size = b""
        while not size.endswith(b"\r\n"):
            byte = self._socket.recv(1)
            assert byte, "the connection ended inside a body"
            size += byte
        return self.exactly(int(size, 16) + 2)[:-2]

    def chunked(self) -> bytes:
        """A whole chunked body."""
        return b"".join(iter(self.chunk, b""))

    def chunked_so_far(self) -> bytes:
        """What came of a chunked body before the connection ended."""
        data, out = self.rest(), b""
        while data:
            size, _, rest = data.partition(b"\r\n")
            out, data = out + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return out

    def body(self, fields: dict[str, str]) -> bytes:
        """A whole body, as its head says it is framed."""
        if fields.get("transfer-encoding") == "chunked":
            return self.chunked()
        return self.exactly(int(fields["content-length"]))

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            assert piece, "the connection ended inside a body"
            data += piece
        return data

    def rest(self) -> bytes:
        """All bytes up to the end of the connection."""
        return b"".join(iter(lambda: self._socket.recv(65_536), b""))
