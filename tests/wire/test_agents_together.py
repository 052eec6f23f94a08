"""Agents who wait for a session, who know of one another, and who point at things."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from relay.errors import Close
from tests.relays import OTHER_GROUP, PAGE, Peer, Relay, frame, keyframe, running_relay
from tests.services import Service


@pytest.fixture(scope="module")
def relay_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    other = f'\n[groups.{OTHER_GROUP}]\napi_key = "other"\n'
    with running_relay(tmp_path_factory.mktemp("relay"), more=other) as process:
        yield process.port


@pytest.fixture
def relay(relay_port: int, peers: contextlib.ExitStack) -> Relay:
    return Relay(relay_port, peers)


def waiting(relay: Relay, user: str) -> Peer:
    """An agent who waits, as viewers do: while relays ask each other, they come again."""
    while True:
        agent = relay.agent("awaited", user=user, wait=True)
        try:
            assert agent.get() == {"type": "pending", "key": "awaited"}
            return agent
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == Close.UNAVAILABLE


def names(message: Any) -> list[str]:
    return [shown["name"] for shown in message["agents"]]


# -- waiting -------------------------------------------------------------------------------------


def test_an_agent_waits_until_the_visitor_starts(relay: Relay) -> None:
    agent = relay.agent("awaited", wait=True)
    assert agent.get() == {"type": "pending", "key": "awaited"}
    elsewhere = relay.agent("awaited", group=OTHER_GROUP, wait=True)
    assert elsewhere.get()["type"] == "pending"
    visitor = relay.visitor(key="awaited", cookie="first")
    joined = agent.get()
    assert joined["type"] == "joined" and joined["person"]["name"] == "Niels Bohr"
    assert [visitor.get()["type"] for _ in range(3)] == ["started", "agents", "agentjoin"]
    visitor.send({"type": "page", "page": PAGE})
    assert agent.get_until("navigate")["page"]["url"] == PAGE["url"]
    first = keyframe()
    visitor.send(first)
    assert agent.get() == first
    # Another group's session with the same key is none of theirs.
    assert elsewhere.peek(0.2) is None


def test_who_does_not_wait_is_told_at_once(relay: Relay) -> None:
    agent = relay.agent("nobody-starts-it")
    assert agent.get()["code"] == "nosession"
    assert agent.close_code() == Close.REFUSED


def test_an_agent_who_has_stopped_waiting_is_not_in_the_session(relay: Relay) -> None:
    agent = relay.agent("left-alone", wait=True)
    assert agent.get()["type"] == "pending"
    agent.close()
    again = relay.agent("left-alone", user="bert", wait=True)
    assert again.get()["type"] == "pending"
    visitor = relay.visitor(key="left-alone", cookie="second")
    assert names(visitor.get_until("agents")) == ["bert"]


def test_no_more_wait_than_may_join(relay: Relay) -> None:
    for number in range(50):
        assert relay.agent("crowd", user=f"a{number}", wait=True).get()["type"] == "pending"
    assert relay.agent("crowd", wait=True).get()["code"] == "limit"


def test_an_agent_at_another_relay_waits_too(
    tmp_path: Path, redis: Service, postgres: Service, peers: contextlib.ExitStack
) -> None:
    lines = f'store = "{postgres.url}"\nbroker = "{redis.url}"'
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with (
        running_relay(tmp_path / "a", relay=lines) as a,
        running_relay(tmp_path / "b", relay=lines) as b,
    ):
        here, there = Relay(a.port, peers), Relay(b.port, peers)
        far, near = waiting(there, "anna"), waiting(here, "bert")
        visitor = here.visitor(key="awaited")
        visitor.get_until("started")
        visitor.send({"type": "page", "page": PAGE})
        for agent in (far, near):
            assert agent.get_until("joined")["key"] == "awaited"
        while set(names(far.get_until("agents"))) != {"anna", "bert"}:
            pass
        while set(names(visitor.get_until("agents"))) != {"anna", "bert"}:
            pass
        visitor.send(keyframe())
        while far.get() != keyframe():
            pass
        # What is pointed at finds its way between the relays.
        far.send({"type": "gesture", "kind": "pointer", "x": 3, "y": 4})
        assert visitor.get_until("gesture")["name"] == "anna"
        peers.close()


# -- one another ---------------------------------------------------------------------------------


def test_agents_are_told_of_one_another(relay: Relay) -> None:
    visitor = relay.visitor(cookie=secrets.token_hex(4))
    key = visitor.get()["key"]
    first = relay.agent(key)
    own = first.get_until("joined")["end"]
    [shown] = first.get_until("agents")["agents"]
    assert shown == {"end": own, "name": "anna"}
    second = relay.agent(key, user="bert")
    assert names(second.get_until("agents")) == names(first.get_until("agents")) == ["anna", "bert"]
    second.close()
    assert names(first.get_until("agents")) == ["anna"]


# -- gestures ------------------------------------------------------------------------------------


def session(relay: Relay) -> tuple[Any, Any, str]:
    visitor = relay.visitor(cookie=secrets.token_hex(4))
    key = visitor.get()["key"]
    agent = relay.agent(key)
    joined = agent.get_until("joined")
    visitor.get_until("keyframe")
    return visitor, agent, joined["end"]


def test_the_visitor_sees_what_an_agent_points_at(relay: Relay) -> None:
    visitor, agent, end = session(relay)
    agent.send({"type": "gesture", "kind": "pointer", "x": 10.5, "y": -3, "name": "forged"})
    shown = {"type": "gesture", "kind": "pointer", "x": 10.5, "y": -3.0, "width": 0, "height": 0}
    assert visitor.get() == {**shown, "end": end, "name": "anna"}
    agent.close()
    gone = visitor.get()
    assert (gone["type"], gone["kind"], gone["end"]) == ("gesture", "none", end)
    assert visitor.get()["type"] == "agents"


@pytest.mark.parametrize(
    "numbers",
    [
        '"x": 1e9',
        '"x": -1e9',
        '"x": NaN',
        '"x": 1e999',
        '"y": Infinity',
        '"width": -1',
        '"height": 1e300',
        '"x": "5"',
        '"x": null',
        '"kind": "draw"',
    ],
)
def test_bad_numbers_are_refused(relay: Relay, numbers: str) -> None:
    visitor, agent, _ = session(relay)
    agent.send('{"type": "gesture", "kind": "box", ' + numbers + "}")
    assert agent.close_code() == Close.MALFORMED
    gone = visitor.get()
    assert (gone["type"], gone["kind"]) == ("gesture", "none")


def test_no_more_is_shown_than_eyes_can_follow(relay: Relay) -> None:
    visitor, agent, _ = session(relay)
    for at in range(300):
        agent.send({"type": "gesture", "kind": "pointer", "x": at, "y": 0})
    said = {"type": "message", "stream": "stream-of-a-test", "seq": 1, "base": 1}
    agent.send({**said, "name": "after", "payload": 1})
    shown = 0
    while (message := visitor.get())["type"] == "gesture":
        shown += 1
    assert message["name"] == "after"  # messages are not held up, nor the agent thrown out
    assert 1 <= shown < 150


def test_a_flood_of_gestures_ends_the_connection(relay: Relay) -> None:
    _, agent, _ = session(relay)
    with contextlib.suppress(Exception):
        for at in range(20_000):
            agent.send({"type": "gesture", "kind": "pointer", "x": at % 100, "y": 0})
    assert agent.close_code() == Close.TOO_MUCH


def test_the_group_may_want_no_pointing(tmp_path: Path, peers: contextlib.ExitStack) -> None:
    settings = 'mask = "none"\nagent_pointer = false'
    with running_relay(tmp_path, settings=settings) as process:
        relay = Relay(process.port, peers)
        visitor = relay.visitor(cookie=secrets.token_hex(4))
        agent = relay.agent(visitor.get()["key"])
        assert agent.get_until("joined")["pointer"] is False
        visitor.get_until("keyframe")
        agent.send({"type": "gesture", "kind": "pointer", "x": 1, "y": 1})
        visitor.send(frame(b"x"))
        agent.send(
            {"type": "message", "stream": "stream-of-a-test", "seq": 1, "base": 1}
            | {"name": "after", "payload": 1}
        )
        assert visitor.get()["name"] == "after"
        peers.close()


def test_agents_do_not_go_over_into_a_session_that_replaces_theirs(
    tmp_path: Path, peers: contextlib.ExitStack
) -> None:
    with running_relay(tmp_path, group='key_conflict = "replace"') as process:
        relay = Relay(process.port, peers)
        relay.visitor(key="taken", cookie="first").get_until("started")
        agent = relay.agent("taken")
        agent.get_until("state")
        second = relay.visitor(key="taken", cookie="second")
        assert second.get()["type"] == "started"
        assert agent.get() == {"type": "ended", "reason": "replaced"}
        assert agent.close_code() == Close.ENDED
        assert second.peek(0.2) is None
        peers.close()
