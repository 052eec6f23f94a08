"""The relay in a process of its own, spoken to by a plain WebSocket client."""

import contextlib
import hashlib
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from relay import auth
from relay.errors import Close
from tests.relays import (
    CLOSED_GROUP,
    OTHER_GROUP,
    PAGE,
    SECRET,
    STREAM,
    Relay,
    agent_token,
    client,
    frame,
    keyframe,
    running_relay,
    said,
    visitor_token,
)
from tests.stack import API_KEY, GROUP


@pytest.fixture(scope="module")
def relay_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    groups = f'[groups.{OTHER_GROUP}]\napi_key = "k"\n[groups.{CLOSED_GROUP}]\n'
    with running_relay(tmp_path_factory.mktemp("relay"), more=groups) as process:
        yield process.port


@pytest.fixture
def relay(relay_port: int) -> Iterator[Relay]:
    with contextlib.ExitStack() as peers:
        yield Relay(relay_port, peers)


def test_frames_reach_agents_untouched_and_late_ones_too(relay: Relay) -> None:
    visitor = relay.visitor(person={"name": "Said on the page"})
    key = visitor.get()["key"]
    first = relay.agent(key)
    joined = first.get()
    # What the page says comes before the cookies, property by property.
    assert joined["person"] == {
        "name": "Said on the page",
        "email": "cookie@shop.test",
        "levels": {"name": "claimed", "email": "cookie"},
    }
    assert [shown["name"] for shown in visitor.get()["agents"]] == ["anna"]
    assert [shown["name"] for shown in first.get()["agents"]] == ["anna"]
    assert visitor.get() == {"type": "agentjoin", "name": "anna"}
    assert visitor.get() == {"type": "keyframe"}
    frames = [keyframe(bytes(range(256)) * 40), frame(b"\x00\xff"), frame(b"x" * 70_000)]
    for data in frames:
        visitor.send(data)
    assert first.get() == {"type": "state", "state": "active"}
    assert [first.get() for _ in frames] == frames
    late = relay.agent(key, user="bert")
    assert [late.get()["type"] for _ in range(2)] == ["joined", "agents"]
    assert first.get()["type"] == "agents"
    assert [late.get() for _ in frames] == frames
    visitor.send({"type": "stop"})
    assert first.get() == {"type": "ended", "reason": "visitor"}
    for peer in (visitor, first, late):
        assert peer.close_code() == Close.ENDED


def test_a_page_load_keeps_the_session_and_a_spent_ticket_is_worth_nothing(relay: Relay) -> None:
    visitor = relay.visitor()
    started = visitor.get()
    visitor.send({"type": "confirm", "ticket": started["ticket"]})
    agent = relay.agent(started["key"])
    agent.get_until("state")
    visitor.close()
    assert agent.get_until("state") == {"type": "state", "state": "away"}
    again = relay.visitor(ticket=started["ticket"])
    continued = again.get()
    assert (continued["type"], continued["key"]) == ("continued", started["key"])
    assert continued["ticket"] != started["ticket"]
    again.send({"type": "page", "page": PAGE})
    assert agent.get_until("navigate")["page"]["title"] == "Shop"
    # Not confirmed yet: the page may be gone before it could store the new ticket.
    third = relay.visitor(ticket=started["ticket"])
    assert third.get()["type"] == "continued"
    assert again.close_code() == Close.TAKEN_OVER
    newest = relay.visitor(ticket=continued["ticket"])
    ticket = newest.get()["ticket"]
    newest.send({"type": "confirm", "ticket": ticket})
    newest.send({"type": "page", "page": PAGE})
    newest.send(keyframe())
    agent.get_until("navigate")
    thief = relay.visitor(ticket=ticket, cookie="another browser")
    assert thief.get()["code"] == "ticket"
    assert relay.visitor(ticket=started["ticket"]).get()["code"] == "ticket"
    newest.send({"type": "stop"})
    assert newest.close_code() == Close.ENDED


def test_session_messages_go_both_ways_as_they_are(relay: Relay) -> None:
    visitor = relay.visitor()
    key = visitor.get()["key"]
    payload = {"text": "ü", "n": 10**30, "deep": [[]]}
    visitor.send(said(1, payload, end="nobody"))
    lost = visitor.get()
    assert (lost["type"], lost["seq"], lost["end"]) == ("undelivered", 1, "nobody")
    agent = relay.agent(key)
    agent.get_until("state")
    [shown] = visitor.get_until("agents")["agents"]
    visitor.get_until("keyframe")
    visitor.send(said(1, payload, end=shown["end"]))
    assert agent.get() == said(1, payload, end=shown["end"])
    agent.send({"type": "ack", "stream": STREAM, "seq": 1})
    assert visitor.get() == {"type": "ack", "stream": STREAM, "seq": 1, "end": shown["end"]}
    # Whatever an agent says of its end, the relay knows better.
    agent.send(said(1, payload, end="someone else"))
    assert visitor.get() == said(1, payload, end=shown["end"])
    agent.send(said(2, "x" * 65_534, end=shown["end"]))
    assert visitor.get()["payload"] == "x" * 65_534
    agent.send(said(3, "x" * 65_535))
    assert agent.close_code() == Close.MALFORMED


def test_a_key_in_use_belongs_to_its_visitor(relay: Relay) -> None:
    visitor = relay.visitor(key="mine")
    assert visitor.get()["key"] == "mine"
    assert relay.visitor(key="mine", cookie="another browser").get()["code"] == "dupkey"
    assert relay.visitor(key="mine").get()["type"] == "continued"
    assert visitor.close_code() == Close.TAKEN_OVER


def test_a_key_that_is_used_again_is_not_lost_with_its_first_session(relay: Relay) -> None:
    visitor = relay.visitor(key="again", cookie="again")
    visitor.get()
    old_agent = relay.agent("again")
    old_agent.get_until("state")
    visitor.send({"type": "stop"})
    assert visitor.close_code() == Close.ENDED
    second = relay.visitor(key="again", cookie="again")
    assert second.get()["type"] == "started"
    assert old_agent.close_code() == Close.ENDED
    assert relay.agent("again").get()["type"] == "joined"


def test_one_browser_cannot_fill_the_relay(relay: Relay) -> None:
    answers = [relay.visitor(cookie="greedy").get() for _ in range(4)]
    assert [answer["type"] for answer in answers] == ["started"] * 3 + ["refused"]
    assert answers[3]["code"] == "limit"


def test_random_keys_are_numbers(relay: Relay) -> None:
    keys = {relay.visitor(cookie=str(n)).get()["key"] for n in range(20)}
    assert len(keys) == 20
    assert all(len(key) == 7 and key.isdecimal() and key[0] != "0" for key in keys)


def test_tokens_are_good_once_and_for_their_site(relay: Relay) -> None:
    token = visitor_token()
    first = relay.open("/visitor/socket")
    first.send({"type": "start", "token": token})
    assert first.get()["type"] == "started"
    second = relay.open("/visitor/socket")
    second.send({"type": "start", "token": token})
    assert second.get()["code"] == "token"
    assert second.close_code() == Close.REFUSED
    elsewhere = relay.open("/visitor/socket", origin="http://evil.test")
    elsewhere.send({"type": "start", "token": visitor_token()})
    assert elsewhere.get()["code"] == "token"
    agents = relay.open("/visitor/socket")
    agents.send({"type": "start", "token": agent_token()})
    assert agents.get()["code"] == "token"


def test_an_agent_of_another_group_learns_nothing(relay: Relay) -> None:
    relay.visitor(key="theirs").get()
    stranger = relay.agent("theirs", group=OTHER_GROUP)
    nothing = relay.agent("no-such-key", group=OTHER_GROUP)
    answers = [stranger.get(), nothing.get()]
    assert answers[0]["code"] == answers[1]["code"] == "nosession"
    assert answers[0]["message"].replace("theirs", "") == answers[1]["message"].replace(
        "no-such-key", ""
    )
    console = relay.open("/agent/socket")
    console.send({"type": "watch", "token": agent_token(OTHER_GROUP)})
    assert console.get() == {"type": "sessions", "sessions": [], "more": 0}
    for group in ("no such group", CLOSED_GROUP):
        assert relay.agent("theirs", group=group).get()["code"] == "login"


@pytest.mark.parametrize("path", ["/visitor/socket", "/agent/socket"])
@pytest.mark.parametrize(
    "hello",
    [
        b"binary first",
        "",
        "{",
        "[]",
        "null",
        '{"type": "nonsense"}',
        '{"type": "stop"}',
        '{"type": "start"}',
        '{"type": "join", "token": 5, "key": "x"}',
        '{"type": "start", "token": "x", "key": "no spaces"}',
        '{"type": "join", "token": "x", "key": "a/b"}',
        '"' + "x" * 70_000 + '"',
        "[" * 60_000,
        '{"type": "start", "token": "\\ud800"}',
    ],
)
def test_a_malformed_hello_costs_nobody_else_anything(
    relay: Relay, path: str, hello: str | bytes
) -> None:
    bystander = relay.visitor(cookie=f"by {path}")
    key = bystander.get()["key"]
    peer = relay.open(path)
    peer.send(hello)
    assert peer.close_code() in (Close.MALFORMED, Close.REFUSED)
    agent = relay.agent(key)
    assert agent.get()["type"] == "joined"
    bystander.send({"type": "stop"})
    assert bystander.close_code() == Close.ENDED


@pytest.mark.parametrize(
    "message",
    [b"", b"\x01", b"\x09" * 20, '{"type": "start"}', "x", '{"type": "confirm"}'],
)
def test_a_malformed_message_ends_the_socket_but_not_the_session(
    relay: Relay, message: str | bytes
) -> None:
    visitor = relay.visitor(cookie="clumsy")
    started = visitor.get()
    visitor.send(message)
    assert visitor.close_code() == Close.MALFORMED
    again = relay.visitor(cookie="clumsy", ticket=started["ticket"])
    assert again.get()["type"] == "continued"
    again.send({"type": "stop"})
    assert again.close_code() == Close.ENDED


def test_the_subprotocol_is_asked_for(relay: Relay) -> None:
    with pytest.raises(Exception, match="403|rejected"):
        relay.open("/visitor/socket", protocol="cobrowse.0")


def test_visitor_digests_are_what_the_session_is_bound_to() -> None:
    claims = auth.read_visitor_token(visitor_token(cookie="c"), SECRET, time.time())
    assert claims.visitor == hashlib.sha256(b"c").hexdigest()


@pytest.mark.parametrize(("scheme", "secure"), [("https", True), ("http", False)])
def test_the_login_cookie_is_secure_behind_https(relay: Relay, scheme: str, secure: bool) -> None:
    login_key = auth.make_login_key(GROUP, "anna", API_KEY, int(time.time()) + 60)
    query = f"PartnerID={GROUP}&partneruserid=anna&LOGINKEY={quote(login_key)}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{relay.port}/agentjoin/AgentView.aspx?VisitorId=x&{query}",
        headers={"X-Forwarded-Proto": scheme, "X-Forwarded-For": "203.0.113.5"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        cookie, policy = response.headers["Set-Cookie"], response.headers["Content-Security-Policy"]
    assert cookie.startswith("cobrowse_agent=") and "HttpOnly" in cookie
    assert ("Secure" in cookie) is secure
    assert policy.startswith("default-src 'none'; script-src 'self';")


@pytest.mark.parametrize(
    "path", ["/visitor/viewer.js", "/visitor/..%2fconsole", "/static/../templates", "/static/x"]
)
def test_only_what_is_meant_is_served(relay: Relay, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{relay.port}{path}", timeout=10)


def test_the_client_of_the_docs_works(relay: Relay, tmp_path: Path) -> None:
    visitor = relay.visitor(cookie="docs")
    key = visitor.get()["key"]
    url = f"ws://127.0.0.1:{relay.port}/agent/socket"
    command = [*client(tmp_path), url, agent_token(), key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        [shown] = visitor.get_until("agents")["agents"]
        visitor.send({"type": "page", "page": PAGE})
        visitor.send(keyframe())
        visitor.send(said(1, "hello", end=shown["end"]))
        visitor.send(said(3, "early", end=shown["end"]))
        visitor.send(said(1, "hello", end=shown["end"]))
        assert [visitor.get_until("ack")["seq"] for _ in range(2)] == [1, 1]
        visitor.send({"type": "stop"})
        printed = process.stdout.read().splitlines()
    assert printed[0].startswith("joined {'name': 'Niels Bohr'")
    assert "keyframe 408" in printed and printed.count("note hello") == 1
    assert any(line.startswith("navigate {'url': 'http://shop.test/'") for line in printed)
    assert not any("early" in line for line in printed)
