"""A relay in a process of its own, and plain WebSocket clients that speak to it."""

import contextlib
import json
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from cobrowse.processes import Processes
from proxy_addon import token as proxy_token
from relay import auth, wire
from tests.stack import GROUP, config_text, free_port

OTHER_GROUP, CLOSED_GROUP = "99", "100"
SECRET = b"obviously-fake-secret-of-enough-length"
SITE = "http://shop.test"
STREAM = "stream-of-a-test"
PATIENCE_S = 10.0
PAGE = {"url": f"{SITE}/", "title": "Shop"}


class Relay:
    """The running relay; closes the peers of one test together."""

    def __init__(self, port: int, peers: contextlib.ExitStack) -> None:
        self.port, self._peers = port, peers

    def open(
        self, path: str, *, origin: str = "", protocol: str = "cobrowse.1", address: str = ""
    ) -> "Peer":
        """address: where a trusted proxy says that the peer is."""
        own = f"http://127.0.0.1:{self.port}"
        origin = origin or (own if path.startswith("/agent") else SITE)
        connection = connect(
            f"ws://127.0.0.1:{self.port}{path}",
            origin=Origin(origin),
            subprotocols=[Subprotocol(protocol)],
            compression=None,
            additional_headers={"X-Forwarded-For": address} if address else None,
        )
        return Peer(self._peers.enter_context(connection))

    def visitor(self, *, cookie: str = "cookie", **hello: Any) -> "Peer":
        peer = self.open("/visitor/socket")
        kind = "resume" if "ticket" in hello else "start"
        peer.send({"type": kind, "token": visitor_token(cookie=cookie), **hello})
        return peer

    def agent(
        self,
        key: str,
        *,
        group: str = GROUP,
        user: str = "anna",
        end: str = "",
        wait: bool = False,
    ) -> "Peer":
        peer = self.open("/agent/socket")
        end = end or secrets.token_urlsafe(12)
        hello = {"type": "join", "token": agent_token(group, user), "key": key, "end": end}
        peer.send({**hello, "wait": wait})
        return peer


@dataclass
class Process:
    """The relay's process, which tests may kill."""

    config: Path
    port: int
    log: Path | None = None
    _processes: Processes = field(default_factory=Processes)

    def start(self) -> None:
        listen = f"127.0.0.1:{self.port}"
        command = ["-m", "cobrowse", "relay", "--config", str(self.config)]
        self._processes.start("relay", [*command, "--relay-listen", listen], self.log)
        self._processes.wait_ready("127.0.0.1", self.port, "relay")

    @property
    def pid(self) -> int:
        return self._processes.pid("relay")

    def kill(self) -> None:
        """As kill -9 does."""
        self._processes.kill("relay")

    def stop(self) -> None:
        self._processes.stop()


class Peer:
    """One WebSocket client. ticket: what a visitor has to come back with."""

    ticket = ""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def send(self, message: dict[str, Any] | str | bytes) -> None:
        self._connection.send(json.dumps(message) if isinstance(message, dict) else message)

    def get(self) -> Any:
        """The next message: control messages decoded, frames as bytes; beats are skipped."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            message = self._connection.recv(timeout=max(0.0, deadline - time.monotonic()))
            if isinstance(message, bytes):
                return message
            if (decoded := json.loads(message)) != {"type": "beat"}:
                return decoded

    def get_until(self, kind: str) -> Any:
        """The next control message of a kind."""
        while isinstance(message := self.get(), bytes) or message["type"] != kind:
            pass
        return message

    def close_code(self) -> int:
        """Skip what comes and return the code that the relay closes with."""
        try:
            while True:
                self._connection.recv(timeout=10)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code

    def peek(self, seconds: float) -> str | bytes | None:
        """The next message as it is, if one comes in this time."""
        try:
            return self._connection.recv(timeout=seconds)
        except TimeoutError:
            return None

    def is_refused(self) -> bool:
        """Whether the relay has closed it at once."""
        try:
            self._connection.recv(timeout=0.1)
        except ConnectionClosed:
            return True
        except TimeoutError:
            pass
        return False

    def close(self) -> None:
        self._connection.close()


def said(seq: int, payload: Any, *, base: int = 1, end: str = "", name: str = "note") -> Any:
    """A session message, of the stream that all tests use."""
    message = {"type": "message", "stream": STREAM, "seq": seq, "base": base}
    return {**message, "name": name, "payload": payload, **({"end": end} if end else {})}


def visitor_token(*, cookie: str = "cookie", origin: str = SITE, **more: Any) -> str:
    return proxy_token.mint(
        secret=SECRET,
        group=GROUP,
        origin=origin,
        visitor=cookie,
        identity={"name": "Niels Bohr", "email": "cookie@shop.test"},
        now=time.time(),
        token_id=secrets.token_urlsafe(16),
        **more,
    )


def agent_token(group: str = GROUP, user: str = "anna") -> str:
    agent = auth.AgentToken(group, user, "", int(time.time()) + 60)
    return auth.make_agent_token(agent, SECRET)


@contextlib.contextmanager
def running_relay(
    folder: Path,
    *,
    port: int | None = None,
    relay: str = "",
    group: str = "",
    settings: str | None = 'mask = "none"',
    more: str = "",
    log: Path | None = None,
) -> Iterator[Process]:
    """A relay until the end of the block.

    Args:
        relay, group, settings: lines of these sections; without settings they are in the store.
        more: whole sections.
        log: file for what it prints.
    """
    (folder / "token_secret").write_bytes(SECRET)
    config = folder / "cobrowse.toml"
    text = config_text(folder, settings)
    text = text.replace("[relay]\n", f"[relay]\n{relay}\n")
    text = text.replace(f"[groups.{GROUP}]\n", f"[groups.{GROUP}]\n{group}\n")
    config.write_text(text + more)
    process = Process(config, port or free_port(), log)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def keyframe(content: bytes = b"K" * 400) -> bytes:
    return wire.pack_frame(content, keyframe=True, sequence=0)


def frame(content: bytes) -> bytes:
    return wire.pack_frame(content, keyframe=False, sequence=1)


def client(folder: Path) -> list[str]:
    """The command that runs the client of docs/wire.md."""
    docs = (Path(__file__).parent.parent / "docs" / "wire.md").read_text()
    code = docs.partition("```python\n")[2].partition("```")[0]
    path = folder / "client.py"
    path.write_text(code)
    return [sys.executable, str(path)]
