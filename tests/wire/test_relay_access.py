"""Who may do what: login keys, addresses, limits, and what the relay says of itself."""

import contextlib
import json
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed

from relay import auth
from relay.errors import Close
from tests.relays import Process, Relay, frame, keyframe, running_relay, visitor_token
from tests.stack import API_KEY, GROUP


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("access")
    with running_relay(
        folder,
        relay='trusted_peers = ["127.0.0.1"]\nlog = "json"',
        group='loginkey_single_use = true\nkey_conflict = "replace"\nmax_sessions = 8',
        more="[relay.limits]\nconnections_per_address = 12\nwrong_keys = 4\nmessages_per_s = 40\n",
        log=folder / "relay.log",
    ) as made:
        yield made


@pytest.fixture
def relay(process: Process, peers: contextlib.ExitStack) -> Relay:
    return Relay(process.port, peers)


def get(relay: Relay, path: str, address: str = "203.0.113.9") -> tuple[int, Message, str]:
    """status, headers and body, as a visitor or agent behind a trusted proxy gets them."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{relay.port}{path}", headers={"X-Forwarded-For": address}
    )
    try:
        with urllib.request.urlopen(request, timeout=15) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def page(user: str = "anna", ttl: int = 60, key: str = "") -> str:
    key = key or auth.make_login_key(GROUP, user, API_KEY, int(time.time()) + ttl)
    return f"/console?partnerid={GROUP}&partneruserid={user}&loginkey={quote(key)}"


def test_a_single_use_key_opens_one_page_and_not_after_a_restart(
    relay: Relay, process: Process
) -> None:
    asked = page()
    assert get(relay, asked)[0] == 200
    status, _, body = get(relay, asked)
    assert status == 403 and "used before" in body
    process.kill()
    process.start()
    assert get(relay, asked)[0] == 403
    assert get(relay, page(ttl=61))[0] == 200


def test_a_clock_that_is_a_little_off_is_forgiven(relay: Relay) -> None:
    assert get(relay, page("skew", ttl=-20))[0] == 200
    assert get(relay, page("skew", ttl=-40))[0] == 403
    assert get(relay, page("skew", ttl=86_400 + 20))[0] == 200
    assert get(relay, page("skew", ttl=86_400 + 90))[0] == 403


def test_wrong_keys_are_answered_later_and_later_and_then_not_at_all(relay: Relay) -> None:
    address = "198.51.100.7"
    took = []
    for _ in range(4):
        began = time.monotonic()
        assert get(relay, page(key="$1$99$wrong"), address)[0] == 403
        took.append(time.monotonic() - began)
    assert took[3] > 0.9 > took[0]
    status, _, body = get(relay, page(), address)
    assert status == 429 and "hour" in body
    assert get(relay, page("elsewhere"), "198.51.100.8")[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/console", "/healthz", "/readyz", "/static/viewer.js", "/nothing", "/visitor/loader.js"],
)
def test_every_answer_has_the_security_headers(relay: Relay, path: str) -> None:
    _, headers, _ = get(relay, path)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers


def test_health_and_metrics(relay: Relay) -> None:
    visitor = relay.visitor(cookie="metrics")
    key = visitor.get()["key"]
    agent = relay.agent(key)
    agent.get_until("state")
    visitor.send(keyframe())
    for _ in range(200):
        visitor.send(frame(b"x" * 100))
    for _ in range(201):
        while not isinstance(agent.get(), bytes):
            pass
    assert json.loads(get(relay, "/healthz")[2]) == {"status": "ok", "store": "ok", "broker": "ok"}
    assert get(relay, "/readyz")[0] == 200
    assert get(relay, "/metrics", "203.0.113.9")[0] == 404
    deadline = time.monotonic() + 10
    while True:
        _, _, text = get(relay, "/metrics", "127.0.0.1")
        if 'cobrowse_sessions{state="active"} 1.0' in text and "frames_total 201.0" in text:
            break
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    for line in (
        'cobrowse_peers{kind="visitor"} 1.0',
        'cobrowse_peers{kind="agent"} 1.0',
        "cobrowse_relay_seconds_count 3.0",
        'cobrowse_healthy{part="store"} 1.0',
    ):
        assert line in text, line
    visitor.send({"type": "stop"})
    assert visitor.close_code() == Close.ENDED
    # Refusals are counted by their reason.
    assert relay.agent("no-such-session").get()["code"] == "nosession"
    assert 'cobrowse_refused_total{code="nosession"}' in get(relay, "/metrics", "127.0.0.1")[2]


def test_agents_come_from_the_relays_own_pages(relay: Relay) -> None:
    stranger = relay.open("/agent/socket", origin="http://evil.test")
    assert stranger.get()["code"] == "origin"


def test_one_address_has_so_many_sockets_and_others_have_theirs(relay: Relay) -> None:
    open_ones = [relay.open("/visitor/socket", address="203.0.113.1") for _ in range(12)]
    assert relay.open("/visitor/socket", address="203.0.113.1").close_code() == Close.TOO_MUCH
    other = relay.open("/visitor/socket", address="203.0.113.2")
    other.send({"type": "start", "token": visitor_token(cookie="other address")})
    assert other.get()["type"] == "started"
    other.send({"type": "stop"})
    for peer in open_ones:
        peer.close()
    deadline = time.monotonic() + 10
    while (again := relay.open("/visitor/socket", address="203.0.113.1")).is_refused():
        assert time.monotonic() < deadline
    again.close()


def test_a_group_has_so_many_sessions(relay: Relay) -> None:
    visitors = [relay.visitor(cookie=f"full-{n}") for n in range(9)]
    answers = [visitor.get() for visitor in visitors]
    assert [a["type"] for a in answers] == ["started"] * 8 + ["refused"]
    assert answers[8]["code"] == "limit"
    for visitor in visitors[:8]:
        visitor.send({"type": "stop"})
        assert visitor.close_code() == Close.ENDED


def test_where_it_is_so_set_a_key_goes_to_the_last_who_asks(relay: Relay) -> None:
    first = relay.visitor(key="mine", cookie="first")
    first.get()
    agent = relay.agent("mine")
    agent.get_until("state")
    second = relay.visitor(key="mine", cookie="second")
    assert second.get()["type"] == "started"
    assert agent.get_until("ended")["reason"] == "replaced"
    assert first.close_code() == Close.ENDED
    second.send({"type": "stop"})
    assert second.close_code() == Close.ENDED


def test_a_visitor_who_sends_too_much_is_read_later_and_disturbs_nobody(relay: Relay) -> None:
    visitor = relay.visitor(cookie="busy")
    key = visitor.get()["key"]
    agent = relay.agent(key)
    agent.get_until("state")
    began = time.monotonic()
    visitor.send(keyframe())
    for n in range(120):
        visitor.send(frame(bytes([n]) * 10))
    other = relay.visitor(cookie="calm")
    assert other.get()["type"] == "started"
    assert time.monotonic() - began < 1.0
    other.send({"type": "stop"})
    got: list[Any] = []
    while len(got) < 121:
        if isinstance(message := agent.get(), bytes):
            got.append(message)
    # It has used up more than the 80 that it may send at once; what comes now waits for its turn.
    visitor.send(frame(b"late"))
    while agent.get() != frame(b"late"):
        pass
    assert 0.5 < time.monotonic() - began < 5.0
    assert got[-1] == frame(bytes([119]) * 10)
    visitor.send({"type": "stop"})


def test_an_agent_who_says_too_much_is_closed(relay: Relay) -> None:
    visitor = relay.visitor(cookie="shouted at")
    agent = relay.agent(visitor.get()["key"])
    agent.get_until("state")
    with contextlib.suppress(ConnectionClosed):
        for seq in range(300):
            agent.send({"type": "ack", "stream": "stream-of-acks", "seq": seq})
    assert agent.close_code() == Close.TOO_MUCH
    visitor.send({"type": "stop"})


def test_records_tell_what_was_and_the_log_tells_nothing_of_it(
    relay: Relay, process: Process
) -> None:
    visitor = relay.visitor(
        key="recorded", cookie="told", terms="v7", person={"phone": "314-159-2653"}
    )
    visitor.get()
    agent = relay.agent("recorded", user="secretive-agent")
    agent.get_until("state")
    visitor.send({"type": "page", "page": {"url": "http://shop.test/private", "title": "T"}})
    agent.get_until("navigate")
    visitor.send({"type": "stop"})
    assert visitor.close_code() == Close.ENDED
    deadline = time.monotonic() + 10
    while True:
        with contextlib.closing(sqlite3.connect(process.config.with_name("sessions.db"))) as rows:
            rows.row_factory = sqlite3.Row
            wanted = "SELECT * FROM sessions WHERE session_key = 'recorded'"
            [row] = rows.execute(wanted).fetchall()
            if row["ended"]:
                [present] = rows.execute(
                    "SELECT * FROM agents WHERE session_id = ?", (row["id"],)
                ).fetchall()
                break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (row["name"], row["phone"], row["terms"]) == ("Niels Bohr", "314-159-2653", "v7")
    assert json.loads(row["levels"]) == {"name": "cookie", "email": "cookie", "phone": "claimed"}
    assert (row["reason"], row["pages"], row["state"]) == ("visitor", 1, "")
    assert present["user_id"] == "secretive-agent"
    assert row["started"] <= present["joined"] <= present["left_at"] <= row["ended"]
    assert process.log is not None
    log = process.log.read_text()
    for secret in ("Niels", "314-159", "shop.test", "secretive-agent", "recorded", API_KEY, "eyJ"):
        assert secret not in log
    for line in log.splitlines():
        assert {"time", "level", "logger", "message"} <= json.loads(line).keys()


def test_many_wrong_keys_at_once_are_no_better(relay: Relay) -> None:
    address = "198.51.100.99"
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(get, relay, page(key="$1$99$wrong"), address) for _ in range(20)]
        answers = [answer.result()[0] for answer in asked]
    assert sorted(answers) == [403] * 4 + [429] * 16


@pytest.mark.parametrize("field", ["name", "email", "phone", "visitorid", "terms"])
def test_what_no_database_takes_is_not_taken(relay: Relay, field: str) -> None:
    hostile = "a\u0000b"
    hello = {"terms": hostile} if field == "terms" else {"person": {field: hostile}}
    assert relay.visitor(cookie=f"nul {field}", **hello).close_code() == Close.MALFORMED
    visitor = relay.visitor(cookie=f"nul {field}")
    started = visitor.get()
    visitor.send({"type": "page", "page": {"url": "http://x/", "title": hostile}})
    assert visitor.close_code() == Close.MALFORMED
    back = relay.visitor(cookie=f"nul {field}", ticket=started["ticket"])
    assert back.get()["type"] == "continued"
    back.send({"type": "stop"})
    assert back.close_code() == Close.ENDED
