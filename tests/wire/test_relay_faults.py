"""What can go wrong around a relay. After each fault no session is harmed but the guilty one, and
nothing of it is left."""

import contextlib
import json
import os
import random
import resource
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay import wire
from relay.errors import Close, Malformed
from tests.relays import (
    PAGE,
    SITE,
    Peer,
    Process,
    Relay,
    frame,
    keyframe,
    running_relay,
    said,
    visitor_token,
)
from tests.services import running_postgres, running_redis

AWAY_S = 10.0  # as long as a broker or store is gone


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("faults")
    with running_relay(folder, log=folder / "relay.log") as made:
        yield made


@pytest.fixture
def relay(process: Process, peers: contextlib.ExitStack) -> Relay:
    return Relay(process.port, peers)


class Bystanders:
    """A visitor and an agent who must not notice anything."""

    def __init__(self, relay: Relay, name: str) -> None:
        self.visitor = relay.visitor(cookie=f"bystander of {name}")
        self.agent = relay.agent(self.visitor.get()["key"])
        self.agent.get_until("state")
        self.visitor.send(keyframe())
        self.sent = 0

    def are_well(self) -> None:
        self.sent += 1
        data = frame(f"well {self.sent}".encode())
        self.visitor.send(data)
        while self.agent.get() != data:
            pass


@pytest.fixture
def bystanders(relay: Relay, request: pytest.FixtureRequest) -> Iterator[Bystanders]:
    made = Bystanders(relay, request.node.name)
    yield made
    made.are_well()
    made.visitor.send({"type": "stop"})


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def settle(pid: int, files: int) -> None:
    """Until the relay has no more files open than it had."""
    deadline = time.monotonic() + 20
    while (now := open_files(pid)) > files:
        assert time.monotonic() < deadline, f"{now} files are open, {files} were"
        time.sleep(0.05)


def metrics(relay: Relay) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{relay.port}/metrics", timeout=10) as response:
        return str(response.read().decode())


def upgrade(port: int, path: str = "/visitor/socket") -> socket.socket:
    """A WebSocket in the raw, past its handshake."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=30)
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {SITE}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: cobrowse.1\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += raw.recv(1)
    assert b" 101 " in head
    return raw


def masked(data: bytes, opcode: int = 1) -> bytes:
    size = (
        bytes([0x80 | len(data)])
        if len(data) < 126
        else b"\xfe" + struct.pack(">H", len(data))
        if len(data) < 65536
        else b"\xff" + struct.pack(">Q", len(data))
    )
    return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + data


def raw_visitor(port: int, cookie: str) -> tuple[socket.socket, dict[str, Any]]:
    raw = upgrade(port)
    hello = {"type": "start", "token": visitor_token(cookie=cookie)}
    raw.sendall(masked(json.dumps(hello).encode()))
    got = raw.recv(65536)
    return raw, json.loads(got[got.index(b"{") :])


def test_a_cut_in_the_middle_of_a_frame(
    relay: Relay, process: Process, bystanders: Bystanders
) -> None:
    files = open_files(process.pid)
    raw, started = raw_visitor(process.port, "cut")
    agent = relay.agent(started["key"])
    agent.get_until("state")
    raw.sendall(masked(keyframe(b"K" * 5000), opcode=2)[:2000])
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()  # RST
    assert agent.get_until("state")["state"] == "away"
    back = relay.visitor(cookie="cut", ticket=started["ticket"])
    assert back.get()["type"] == "continued"
    back.send(keyframe(b"whole"))
    while agent.get() != keyframe(b"whole"):
        pass
    back.send({"type": "stop"})
    assert agent.close_code() == Close.ENDED
    back.close()
    settle(process.pid, files)


def test_peers_that_are_gone_without_a_word_are_found_within_15_s(
    relay: Relay, process: Process, bystanders: Bystanders
) -> None:
    raw, started = raw_visitor(process.port, "half open")
    agent = relay.agent(started["key"])
    agent.get_until("state")
    began = time.monotonic()  # from here on it answers no ping
    states: list[str] = []
    while not states:
        try:
            states.append(agent.get_until("state")["state"])
        except TimeoutError:
            assert time.monotonic() - began < 20
    assert states == ["away"]
    assert time.monotonic() - began < 16.0
    raw.close()


def test_a_peer_hears_signs_of_life(process: Process) -> None:
    raw, _ = raw_visitor(process.port, "listening")
    began = time.monotonic()
    got = b""
    while b'"beat"' not in got:
        got += raw.recv(4096)
    assert time.monotonic() - began < 11.0
    raw.close()


def test_a_frame_of_a_gigabyte_is_refused_when_it_is_announced(
    process: Process, bystanders: Bystanders
) -> None:
    raw, _ = raw_visitor(process.port, "gigabyte")
    before = rss_mb(process.pid)
    raw.sendall(b"\x82\xff" + struct.pack(">Q", 1 << 30) + b"\0\0\0\0" + b"x" * 1000)
    got = b""
    with contextlib.suppress(ConnectionError):
        while chunk := raw.recv(4096):
            got += chunk
    assert struct.pack(">H", 1009) in got
    assert rss_mb(process.pid) - before < 20
    raw.close()


def test_upgrades_that_never_end_are_ended(process: Process, bystanders: Bystanders) -> None:
    files = open_files(process.pid)
    began = time.monotonic()
    slow = [socket.create_connection(("127.0.0.1", process.port), timeout=30) for _ in range(100)]
    for at, one in enumerate(slow):
        one.sendall(b"GET /visitor/socket HTTP/1.1\r\nHost: x\r\nX-Slow: "[: 10 + at % 40])
    said_nothing = upgrade(process.port)
    bystanders.are_well()
    got = b""
    with contextlib.suppress(ConnectionError):
        while chunk := said_nothing.recv(4096):
            got += chunk
    assert struct.pack(">H", Close.NO_HELLO) in got
    for one in slow:
        with contextlib.suppress(ConnectionError):
            while one.recv(4096):
                pass
        one.close()
    said_nothing.close()
    assert time.monotonic() - began < 25
    settle(process.pid, files)


def test_a_flood_of_pings_from_who_reads_nothing(process: Process, bystanders: Bystanders) -> None:
    raw = upgrade(process.port)
    before = rss_mb(process.pid)
    pings = b"".join([b"\x89\xfd\0\0\0\0" + b"p" * 125] * 1000)
    raw.settimeout(5)
    with contextlib.suppress(OSError):
        for _ in range(500):
            raw.sendall(pings)
    raw.close()
    assert rss_mb(process.pid) - before < 20


def test_a_message_in_crumbs(process: Process, bystanders: Bystanders) -> None:
    raw = upgrade(process.port)
    before = rss_mb(process.pid)
    crumbs = b"\x01\x81\0\0\0\0x" + b"\x00\x81\0\0\0\0x" * 200_000
    with contextlib.suppress(OSError):
        raw.sendall(crumbs)
    raw.close()
    assert rss_mb(process.pid) - before < 20


def test_before_it_is_known_who_it_is_nobody_may_send_much(process: Process) -> None:
    raw = upgrade(process.port)
    raw.sendall(b"\x82\xff" + struct.pack(">Q", 1 << 20) + b"\0\0\0\0")
    got = b""
    with contextlib.suppress(ConnectionError):
        while chunk := raw.recv(4096):
            got += chunk
    assert struct.pack(">H", 1009) in got
    raw.close()


def fuzzed(random: random.Random) -> bytes | str:
    """A message that looks a little like one of ours."""
    good = random.choice(
        [
            json.dumps(said(1, {"a": [1, 2]}, end="x")),
            json.dumps({"type": "page", "page": PAGE}),
            json.dumps({"type": "ack", "stream": "stream-1", "seq": 1}),
            json.dumps({"type": "confirm", "ticket": "K.x"}),
        ]
    ).encode()
    kind = random.randrange(6)
    if kind == 0:
        return random.randbytes(random.randrange(200))
    if kind == 1:
        return wire.pack_frame(random.randbytes(9), keyframe=True, sequence=1)[1:]
    at = random.randrange(len(good))
    if kind == 2:
        return good[:at].decode()
    if kind == 3:
        changed = bytearray(good)
        changed[at] = random.randrange(32, 127)
        return changed.decode()
    if kind == 4:
        return good.decode().replace('"', '"' * random.randrange(3), 1) + "}" * random.randrange(3)
    depth = random.randrange(1, 3000)
    return '{"type":"message","payload":' + "[" * depth + "]" * random.randrange(depth)


def test_10_000_messages_from_a_fuzzer(
    relay: Relay, process: Process, bystanders: Bystanders
) -> None:
    files, before = open_files(process.pid), rss_mb(process.pid)
    chance = random.Random(20261126)
    sent = 0
    while sent < 10_000:
        peer = relay.visitor(cookie="fuzzer", key="fuzzed")
        assert peer.get()["type"] in ("started", "continued")
        with contextlib.suppress(Exception):
            while True:
                sent += 1
                peer.send(fuzzed(chance))
                if chance.random() < 0.02:
                    break
        peer.close()
    settle(process.pid, files)
    assert rss_mb(process.pid) - before < 30


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
TYPES = st.sampled_from(["start", "resume", "confirm", "page", "stop", "message", "ack", "join"])
FIELDS = st.sampled_from(
    ["token", "key", "person", "ticket", "page", "name", "payload", "stream", "seq", "base", "end"]
)


@settings(max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
@given(TYPES, st.dictionaries(FIELDS, ANY_JSON, max_size=6), st.binary(max_size=40))
def test_any_message_is_understood_or_refused(
    kind: str, fields: dict[str, Any], data: bytes
) -> None:
    text = json.dumps({"type": kind, **fields})
    for decode in (wire.decode_from_visitor, wire.decode_from_agent):
        with contextlib.suppress(Malformed):
            message = decode(text)
            assert type(message).__struct_config__.tag == kind
    with contextlib.suppress(Malformed):
        wire.is_keyframe(data)
    with contextlib.suppress(Malformed):
        wire.decode_from_agent(data.decode("utf-8", "replace"))


def test_an_agent_that_reads_nothing_gets_a_fresh_keyframe_and_harms_nobody(
    relay: Relay, process: Process, bystanders: Bystanders
) -> None:
    visitor = relay.visitor(cookie="slow agent")
    key = visitor.get()["key"]
    slow = relay.agent(key)
    slow.get_until("state")
    brisk = relay.agent(key, user="bert")
    brisk.get_until("joined")
    before = rss_mb(process.pid)
    visitor.get_until("keyframe")
    stop = threading.Event()
    thread = threading.Thread(target=lambda: drain(brisk, stop), name="brisk")
    thread.start()
    visitor.send(keyframe())
    for n in range(400):  # 40 MB, of which the slow one takes what the kernel and its client hold
        visitor.send(frame(bytes([n % 256]) * 100_000))
    bystanders.are_well()
    assert rss_mb(process.pid) - before < 40
    stop.set()
    visitor.send({"type": "stop"})
    thread.join(20)
    assert not thread.is_alive()


def drain(peer: Any, stop: threading.Event) -> None:
    with contextlib.suppress(Exception):
        while not stop.is_set():
            peer.get()


def test_what_leaves_leaves_nothing_behind(
    relay: Relay, process: Process, bystanders: Bystanders
) -> None:
    files = open_files(process.pid)

    def visit(n: int) -> None:
        visitor = relay.visitor(cookie=f"visit {n}")
        key = visitor.get()["key"]
        agent = relay.agent(key)
        agent.get_until("state")
        visitor.send(keyframe(b"K" * 10_000))
        if n % 3 == 0:
            visitor.send({"type": "stop"})
            agent.close_code()
        elif n % 3 == 1:
            visitor.send(b"malformed")
            visitor.close_code()
            back = relay.visitor(cookie=f"visit {n}", key=key)
            back.get_until("continued")
            back.send({"type": "stop"})
            back.close_code()
        agent.close()
        visitor.send({"type": "stop"}) if n % 3 == 2 else None
        visitor.close()

    for n in range(30):
        visit(n)
    settle(process.pid, files)
    before = rss_mb(process.pid)
    for n in range(30, 330):
        visit(n)
    settle(process.pid, files)
    assert rss_mb(process.pid) - before < 8
    assert 'cobrowse_peers{kind="agent"} 1.0' in metrics(relay)


def test_redis_gone_for_a_while(tmp_path: Path, peers: contextlib.ExitStack) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with running_redis() as redis, running_postgres() as postgres:
        lines = f'store = "{postgres.url}"\nbroker = "{redis.url}"'
        with (
            running_relay(tmp_path / "a", relay=lines) as a,
            running_relay(tmp_path / "b", relay=lines) as b,
        ):
            first, second = Relay(a.port, peers), Relay(b.port, peers)
            visitor = first.visitor()
            started = visitor.get()
            here, there = first.agent(started["key"]), second.agent(started["key"], user="bert")
            here.get_until("state")
            there.get_until("joined")
            redis.stop()
            gone_at = time.monotonic()
            visitor.send(keyframe(b"while it is gone"))
            while here.get() != keyframe(b"while it is gone"):
                pass
            # A page load goes on: its token cannot be asked about, and is still this browser's.
            visitor.close()
            visitor = first.visitor(ticket=started["ticket"])
            assert visitor.get()["type"] == "continued"
            health = f"http://127.0.0.1:{a.port}/healthz"
            wait_for_status(health, "degraded")
            go_on_until(gone_at + AWAY_S, visitor, here)
            redis.start()
            wait_for_status(health, "ok")
            visitor.send(keyframe(b"after"))
            deadline = time.monotonic() + 15
            while there.get() != keyframe(b"after"):
                assert time.monotonic() < deadline
            visitor.send({"type": "stop"})
            assert there.close_code() == Close.ENDED


def test_postgresql_gone_for_a_while(tmp_path: Path, peers: contextlib.ExitStack) -> None:
    with running_postgres() as postgres:
        with running_relay(tmp_path, relay=f'store = "{postgres.url}"') as process:
            relay = Relay(process.port, peers)
            visitor = relay.visitor()
            started = visitor.get()
            postgres.stop()
            gone_at = time.monotonic()
            other = relay.visitor(cookie="starts without a store")
            assert other.get()["type"] == "started"
            visitor.close()
            visitor = relay.visitor(ticket=started["ticket"])
            assert visitor.get()["type"] == "continued"
            health = f"http://127.0.0.1:{process.port}/healthz"
            wait_for_status(health, "degraded")
            other.send({"type": "stop"})
            assert other.close_code() == Close.ENDED
            agent = relay.agent(started["key"])
            agent.get_until("joined")
            go_on_until(gone_at + AWAY_S, visitor, agent)
            postgres.start()
            wait_for_status(health, "ok")
            # What happened meanwhile is written down: a relay that starts now knows of it.
            process.kill()
            process.start()
            again = relay.visitor(ticket=started["ticket"])
            assert again.get()["type"] == "continued"
            assert relay.visitor(cookie="late", key="late").get()["type"] == "started"


def test_a_disk_that_is_full(tmp_path: Path, peers: contextlib.ExitStack) -> None:
    with running_relay(tmp_path) as process:
        relay = Relay(process.port, peers)
        visitor = relay.visitor()
        key = visitor.get()["key"]
        health = f"http://127.0.0.1:{process.port}/healthz"
        wait_for_status(health, "ok")
        # No file of the process may grow any more.
        limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
        full = relay.visitor(cookie="on a full disk")
        assert full.get()["type"] == "started"
        assert relay.agent(key).get()["type"] == "joined"
        told = wait_for_status(health, "degraded")
        assert told["store"] != "ok"
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        wait_for_status(health, "ok")


def go_on_until(moment: float, visitor: Peer, agent: Peer) -> None:
    """Frames go through as if nothing were missing."""
    visitor.send(keyframe(b"going on"))
    count = 0
    while time.monotonic() < moment:
        count += 1
        data = frame(f"{count}".encode())
        visitor.send(data)
        while agent.get() != data:
            pass
        time.sleep(0.05)
    assert count > 20


def wait_for_status(url: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 25
    while True:
        with urllib.request.urlopen(url, timeout=10) as response:
            told: dict[str, Any] = json.loads(response.read())
        if told["status"] == status:
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
