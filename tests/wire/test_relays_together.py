"""What several relays, or one after another, do together: nothing is lost when one goes."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.errors import Close
from tests.relays import (
    PAGE,
    STREAM,
    Peer,
    Process,
    Relay,
    agent_token,
    frame,
    keyframe,
    running_relay,
    said,
)
from tests.services import Service


@contextlib.contextmanager
def two_relays(
    folder: Path, redis: Service, postgres: Service
) -> Iterator[tuple[Process, Process]]:
    lines = f'store = "{postgres.url}"\nbroker = "{redis.url}"'
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    with (
        running_relay(folder / "a", relay=lines) as a,
        running_relay(folder / "b", relay=lines) as b,
    ):
        yield a, b


@pytest.fixture
def both(
    tmp_path: Path, redis: Service, postgres: Service, peers: contextlib.ExitStack
) -> Iterator[tuple[Process, Process, Relay, Relay]]:
    with two_relays(tmp_path, redis, postgres) as (a, b):
        yield a, b, Relay(a.port, peers), Relay(b.port, peers)


def again(relay: Relay, ticket: str, cookie: str = "cookie", patience_s: float = 10.0) -> Peer:
    """A visitor's page that comes back, as often as it must."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            peer = relay.visitor(ticket=ticket, cookie=cookie)
            answer = peer.get()
            assert answer["type"] == "continued", answer
            peer.send({"type": "confirm", "ticket": answer["ticket"]})
            peer.ticket = answer["ticket"]
            return peer
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def started(relay: Relay, **hello: Any) -> tuple[Peer, str]:
    visitor = relay.visitor(**hello)
    answer = visitor.get()
    visitor.send({"type": "confirm", "ticket": answer["ticket"]})
    visitor.ticket = answer["ticket"]
    return visitor, answer["key"]


def until_written(path: Path, table: str) -> None:
    """Until a record is in the relay's SQLite file: it is written a moment after it is made."""
    deadline = time.monotonic() + 10.0
    while True:
        with contextlib.closing(sqlite3.connect(path)) as database:
            if database.execute(f"SELECT count(*) FROM {table}").fetchone() != (0,):
                return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_agent_at_another_relay_sees_and_says_everything(
    both: tuple[Process, Process, Relay, Relay],
) -> None:
    _, _, first, second = both
    visitor, key = started(first)
    visitor.send({"type": "page", "page": PAGE})
    agent = second.agent(key)
    joined = agent.get_until("joined")
    assert joined["person"]["name"] == "Niels Bohr"
    [shown] = visitor.get_until("agents")["agents"]
    visitor.get_until("keyframe")
    frames = [keyframe(b"K" * 300_000), *(frame(bytes([n]) * 400) for n in range(50))]
    for data in frames:
        visitor.send(data)
    agent.get_until("state")
    assert [agent.get() for _ in frames] == frames
    visitor.send(said(1, "down", end=shown["end"]))
    assert agent.get() == said(1, "down", end=shown["end"])
    agent.send(said(1, "up"))
    assert visitor.get() == said(1, "up", end=shown["end"])
    late = second.agent(key, user="bert")
    late.get_until("agents")
    assert [m for m in (late.get() for _ in frames)] == frames
    console = second.open("/agent/socket")
    console.send({"type": "watch", "token": agent_token()})
    while not (rows := console.get_until("sessions")["sessions"]):
        pass
    assert (rows[0]["key"], rows[0]["agents"]) == (key, 2)
    agent.close()
    assert [a["name"] for a in visitor.get_until("agents")["agents"]] == ["anna", "bert"]
    visitor.send({"type": "stop"})
    assert late.close_code() == Close.ENDED


def test_a_session_follows_its_visitor_to_another_relay(
    both: tuple[Process, Process, Relay, Relay],
) -> None:
    _, _, first, second = both
    visitor, key = started(first, key="moves")
    agent = first.agent(key)
    agent.get_until("state")
    assert second.visitor(key="moves", cookie="a stranger").get()["code"] == "dupkey"
    assert second.visitor(ticket=f"{key}.wrong").get()["code"] == "ticket"
    moved = again(second, visitor.ticket)
    assert visitor.close_code() == Close.TAKEN_OVER
    moved.send({"type": "page", "page": PAGE})
    moved.send(keyframe())
    # The agent joins there, before or after the page has said which it is.
    while isinstance(told := agent.get(), bytes) or told.get("page", {}).get("title") != "Shop":
        pass
    while agent.get() != keyframe():
        pass
    # And back, with the ticket that the second one gave.
    back = again(first, moved.ticket)
    back.send(keyframe(b"back"))
    while agent.get() != keyframe(b"back"):
        pass
    back.send({"type": "stop"})
    assert agent.close_code() == Close.ENDED


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_relay_that_goes_loses_no_session(
    both: tuple[Process, Process, Relay, Relay], how: signal.Signals
) -> None:
    a, _, first, second = both
    visitor, key = started(first)
    here, there = first.agent(key, end="agent-at-first"), second.agent(key, user="bert")
    here.get_until("state")
    there.get_until("joined")
    os.kill(a.pid, how)
    began = time.monotonic()
    if how is signal.SIGTERM:
        assert visitor.close_code() == here.close_code() == Close.RESTARTING
    visitor = again(second, visitor.ticket)
    assert time.monotonic() - began < 5.0
    visitor.send({"type": "page", "page": PAGE})
    visitor.send(keyframe(b"after"))
    returned = second.agent(key, end="agent-at-first")
    names: set[str] = set()
    while names != {"anna", "bert"}:
        names = {shown["name"] for shown in visitor.get_until("agents")["agents"]}
    for agent in (there, returned):
        while agent.get() != keyframe(b"after"):
            pass
    visitor.send({"type": "stop"})
    assert there.close_code() == Close.ENDED


def test_a_relay_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, peers: contextlib.ExitStack
) -> None:
    with running_relay(tmp_path) as process:
        relay = Relay(process.port, peers)
        visitor, key = started(relay)
        agent = relay.agent(key, end="the-same-agent")
        agent.get_until("state")
        [shown] = visitor.get_until("agents")["agents"]
        until_written(tmp_path / "sessions.db", "agents")
        process.kill()
        process.start()
        visitor = again(relay, visitor.ticket)
        assert visitor.get_until("agents")["agents"] == [shown]
        agent = relay.agent(key, end="the-same-agent")
        agent.get_until("joined")
        # Both sides send again what was not acknowledged: the relay remembers none of it.
        visitor.send(said(4, "again", base=4, end=shown["end"]))
        assert agent.get_until("message")["seq"] == 4
        agent.send({"type": "ack", "stream": STREAM, "seq": 4})
        assert visitor.get_until("ack")["end"] == shown["end"]
        assert relay.visitor(ticket=f"{key}.forged").get()["code"] == "ticket"


def test_an_agent_that_comes_back_before_its_visitor_waits_for_it(
    both: tuple[Process, Process, Relay, Relay],
) -> None:
    a, _, first, second = both
    visitor, key = started(first)
    agent = first.agent(key, end="comes-back-first")
    agent.get_until("state")
    os.kill(a.pid, signal.SIGTERM)
    assert visitor.close_code() == agent.close_code() == Close.RESTARTING
    agent = second.agent(key, end="comes-back-first")
    assert agent.get_until("joined")["state"] == "away"
    visitor = again(second, visitor.ticket)
    visitor.send(keyframe(b"here again"))
    while agent.get() != keyframe(b"here again"):
        pass
    visitor.send({"type": "stop"})
    assert agent.close_code() == Close.ENDED


@pytest.mark.parametrize("which", ["the visitor's", "the agent's"])
def test_a_relay_that_stood_still_for_a_while(
    both: tuple[Process, Process, Relay, Relay], which: str
) -> None:
    """Longer than it takes to be taken for dead, and then it goes on as if nothing had been."""
    a, b, first, second = both
    visitor, key = started(first)
    agent = second.agent(key, end="stays-where-it-is")
    agent.get_until("joined")
    still = a.pid if which == "the visitor's" else b.pid
    os.kill(still, signal.SIGSTOP)
    time.sleep(6)
    os.kill(still, signal.SIGCONT)
    if which == "the visitor's":
        # Another relay may have taken the session up: then its page comes back, wherever to.
        visitor = comes_back(visitor, first)
    deadline = time.monotonic() + 15
    count = 0
    while True:
        count += 1
        assert time.monotonic() < deadline
        visitor.send(keyframe(f"{count}".encode()))
        if frame_within(agent, 0.5) == keyframe(f"{count}".encode()):
            break
    visitor.send({"type": "stop"})
    assert agent.close_code() == Close.ENDED


def comes_back(visitor: Peer, relay: Relay) -> Peer:
    """The same page, by its old line if that holds for some seconds, else by a new one."""
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        if visitor.is_refused():
            assert visitor.close_code() in (Close.RESTARTING, 1011, 1006)
            return again(relay, visitor.ticket)
    return visitor


def frame_within(agent: Peer, seconds: float) -> bytes | None:
    """The last frame that comes in this time."""
    last = None
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        message = agent.peek(left)
        if isinstance(message, bytes):
            last = message
    return last
