"""The services beyond one call: single-use keys, several relays, ended sessions, the JSON twin."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from relay.errors import Close
from tests.relays import OTHER_GROUP, PAGE, Peer, Process, Relay, running_relay
from tests.services import Service
from tests.stack import API_KEY, GROUP
from tests.wire.calls import (
    OTHER_API_KEY,
    STYLES,
    Answer,
    ask,
    call,
    login_key,
    parameters,
    reason,
    told,
)
from tests.wire.test_relays_together import both

__all__ = ["both"]
API = "/api/v1/sessions"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    other = f'[groups.{OTHER_GROUP}]\napi_key = "{OTHER_API_KEY}"\nagents = ["bert"]\n'
    group = "loginkey_single_use = true"
    limits = "[relay.limits]\nwrong_keys = 4\n"
    folder = tmp_path_factory.mktemp("sessions")
    url = 'public_url = "https://relay.test/"'
    with running_relay(folder, relay=url, group=group, more=other + limits) as made:
        yield made


@pytest.fixture
def relay(process: Process, peers: contextlib.ExitStack) -> Relay:
    return Relay(process.port, peers)


@pytest.fixture
def visitor(relay: Relay) -> Iterator[Peer]:
    made = relay.visitor(key="found-1", cookie="of the sessions")
    assert made.get()["type"] == "started"
    made.send({"type": "page", "page": PAGE})
    yield made
    made.send({"type": "stop"})
    assert made.close_code() == Close.ENDED


def rest(
    relay: Relay,
    path: str = API,
    *,
    key: str | None = "found-1",
    bearer: str | None = "",
    address: str = "203.0.113.9",
    **changes: str | None,
) -> Answer:
    """bearer: "" for a good login key, None for none."""
    query: dict[str, Any] = {"partnerid": GROUP, "partneruserid": "anna", "key": key, **changes}
    query = {name: value for name, value in query.items() if value is not None}
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer or login_key()}"}
    return ask(relay, "GET", f"{path}?{urlencode(query)}", None, address, **headers)


def problem(answer: Answer) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    details: dict[str, Any] = json.loads(answer.body)
    assert set(details) == {"type", "title", "status", "detail", "code"}
    assert details["status"] == answer.status
    return details


def opened(relay: Relay, joinurl: str) -> int:
    assert joinurl.startswith("https://relay.test/cobrowse/AgentView.aspx?")
    return ask(relay, "GET", joinurl.removeprefix("https://relay.test")).status


# -- keys that count once ------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_a_lookup_spends_no_key(relay: Relay, visitor: Peer, style: str) -> None:
    user = f"anna-{style}"
    key = login_key(user=user, ttl=200)
    given = parameters(partneruserid=user, loginkey=key)
    joins = [told(call(relay, style, given), style, "joinurl") or "" for _ in range(3)]
    assert len(set(joins)) == 3
    assert [opened(relay, join) for join in joins] == [200, 200, 200]
    assert [opened(relay, join) for join in joins] == [403, 403, 403]
    page = f"/console?partnerid={GROUP}&{urlencode({'partneruserid': user, 'loginkey': key})}"
    assert ask(relay, "GET", page).status == 200
    # One that is used up is no way to a fresh one.
    refused = call(relay, style, given)
    assert refused.status == 500 and "used before" in reason(refused, style)


def test_a_key_to_join_with_does_not_outlive_the_one_that_asked(
    relay: Relay, visitor: Peer
) -> None:
    given = parameters(loginkey=login_key(ttl=30))
    joinurl = told(call(relay, "get", given), "get", "joinurl") or ""
    ends = int(joinurl.rpartition("%24" if "%24" in joinurl else "$")[0].rpartition("$")[2])
    assert ends < int(given["loginkey"].split("$")[2])


# -- several relays ------------------------------------------------------------------------------


def test_a_session_is_found_at_whichever_relay_it_is(
    both: tuple[Process, Process, Relay, Relay], redis: Service
) -> None:
    a, _, at_a, at_b = both
    visitor = at_a.visitor(key="far-1", cookie="far away")
    visitor.get()
    visitor.send({"type": "page", "page": PAGE})
    agent = at_b.agent("far-1", user="bert")
    agent.get_until("state")
    given = parameters(ssnkey="far-1")
    near, far = (json.loads(call(r, "json", given).body)["d"] for r in (at_a, at_b))
    assert far["state"] == "active" and far["pageurl"] == PAGE["url"]
    assert [agent["partneruserid"] for agent in far["agents"]] == ["bert"]
    assert {**near, "joinurl": ""} == {**far, "joinurl": ""}
    assert f":{at_b.port}/" in far["joinurl"]
    by_id = rest(at_b, f"{API}/{far['sessionid']}", key=None)
    assert json.loads(by_id.body)["state"] == "active"
    assert told(call(at_b, "json", parameters(ssnkey="far-2")), "json", "found") == "false"
    # Its relay is killed: another takes it up, and says that the visitor is away.
    a.kill()
    deadline = time.monotonic() + 30
    while told(answer := call(at_b, "get", given), "get", "state") != "away":
        assert time.monotonic() < deadline, answer.body
    redis.stop()
    try:
        away = call(at_b, "soap 1.1", parameters(ssnkey="far-3"))
        assert away.status == 500 and "soap:Server" in away.body
        assert "cannot answer now" in reason(away, "soap 1.1") and away.headers["Retry-After"]
        assert call(at_b, "get", parameters(ssnkey="far-3")).status == 503
        assert problem(rest(at_b, key="far-3"))["code"] == "unavailable"
    finally:
        redis.start()


# -- the JSON twin -------------------------------------------------------------------------------


def test_the_twin_tells_what_soap_tells(relay: Relay, visitor: Peer) -> None:
    answer = rest(relay)
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    [found] = json.loads(answer.body)["sessions"]
    soap = json.loads(call(relay, "json", parameters()).body)["d"]
    told_both = {name: value for name, value in found.items() if name in soap}
    del soap["__type"], soap["found"]
    assert {**told_both, "joinurl": ""} == {**soap, "joinurl": ""}
    assert (found["ended"], found["reason"]) == (None, "")
    assert opened(relay, found["joinurl"]) == 200
    same = json.loads(rest(relay, f"{API}/{found['sessionid']}", key=None).body)
    assert {**same, "joinurl": ""} == {**found, "joinurl": ""}
    assert opened(relay, same["joinurl"]) == 200
    assert json.loads(rest(relay, key="nobody-has-it").body) == {"sessions": []}


def test_an_ended_session_is_known_by_its_id(relay: Relay) -> None:
    visitor = relay.visitor(key="ends-1", cookie="that ends")
    visitor.get()
    [live] = json.loads(rest(relay, key="ends-1").body)["sessions"]
    visitor.send({"type": "stop"})
    assert visitor.close_code() == Close.ENDED
    assert json.loads(rest(relay, key="ends-1").body) == {"sessions": []}
    deadline = time.monotonic() + 10
    while True:  # it is written down a moment later
        ended = json.loads(rest(relay, f"{API}/{live['sessionid']}", key=None).body)
        if ended.get("state") == "ended":
            break
        assert time.monotonic() < deadline
    assert (ended["reason"], ended["joinurl"], ended["agents"]) == ("visitor", "", [])
    assert ended["started"] <= ended["ended"]


def test_an_id_of_another_group_is_none(relay: Relay, visitor: Peer) -> None:
    [found] = json.loads(rest(relay).body)["sessions"]
    bearer = login_key(group=OTHER_GROUP, user="bert", api_key=OTHER_API_KEY)
    other: dict[str, Any] = {"partnerid": OTHER_GROUP, "partneruserid": "bert", "bearer": bearer}
    answers = [
        rest(relay, f"{API}/{session_id}", key=None, **other)
        for session_id in (found["sessionid"], "0" * 32, "not-an-id", "x%00", "%C3%A9" * 32)
    ]
    assert {answer.body for answer in answers} == {answers[0].body}
    assert problem(answers[0])["code"] == "nosession" and answers[0].status == 404
    assert json.loads(rest(relay, **other).body) == {"sessions": []}


def test_what_the_twin_refuses(relay: Relay) -> None:
    refusals: list[tuple[dict[str, Any], int, str]] = [
        ({"bearer": None}, 401, "login"),
        ({"bearer": login_key(ttl=-60)}, 401, "expired"),
        ({"bearer": login_key(ttl=90_000)}, 401, "expiry"),
        ({"partnerid": None}, 400, "request"),
        ({"partneruserid": ""}, 400, "request"),
        ({"key": None}, 400, "request"),
        ({"key": "a b"}, 400, "request"),
        ({"key": "a\0"}, 400, "request"),
        ({"key": "x" * 51}, 400, "request"),
    ]
    for changes, status, code in refusals:
        answer = rest(relay, **changes)
        assert (answer.status, problem(answer)["code"]) == (status, code), changes
        assert (status == 401) == ("WWW-Authenticate" in answer.headers)
    twice = ask(
        relay,
        "GET",
        f"{API}?partnerid=1&partnerid=2&partneruserid=a&key=k",
        Authorization="Bearer x",
    )
    assert (
        problem(twice)["detail"] == "The parameter partnerid must be given once, and not be empty."
    )
    basic = ask(relay, "GET", f"{API}?key=k", Authorization="Basic eA==")
    assert basic.status == 401 and "Bearer" in problem(basic)["detail"]
    out = login_key(group=OTHER_GROUP, user="dora", api_key=OTHER_API_KEY)
    shut = rest(relay, partnerid=OTHER_GROUP, partneruserid="dora", bearer=out)
    assert (shut.status, problem(shut)["code"]) == (403, "shutout")
    assert ask(relay, "POST", API).status == 405


def test_wrong_keys_count_here_too(relay: Relay) -> None:
    address = "198.51.100.90"
    for _ in range(4):
        assert problem(rest(relay, bearer="$1$99$wrong", address=address))["code"] == "login"
    limited = rest(relay, address=address)
    assert (limited.status, problem(limited)["code"]) == (429, "limit")
    assert limited.headers["Retry-After"] == "3600"
    assert call(relay, "get", parameters(), address).status == 429


@pytest.mark.parametrize("which", ["keys that are made up", "the key of a session"])
def test_the_description_is_true(relay: Relay, visitor: Peer, tmp_path: Path, which: str) -> None:
    """schemathesis makes up calls from the description, and holds the answers against it."""
    parameters = {"query.partnerid": GROUP, "query.partneruserid": "anna"}
    if which == "the key of a session":
        [found] = json.loads(rest(relay).body)["sessions"]
        parameters |= {"query.key": "found-1", "path.id": found["sessionid"]}
    lines = ["[parameters]", *(f'"{name}" = "{value}"' for name, value in parameters.items())]
    (tmp_path / "schemathesis.toml").write_text("\n".join(lines) + "\n")
    url = f"http://127.0.0.1:{relay.port}/api/v1"
    ended = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(tmp_path / "schemathesis.toml")),
            *("run", f"{url}/openapi.json", "--url", url),
            *("--header", f"Authorization: Bearer {login_key()}"),
            *("--max-examples", "25", "--seed", "1", "--phases", "examples,coverage,fuzzing"),
            *("--checks", "all", "--exclude-checks", "ignored_auth"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    described = json.loads(ask(relay, "GET", "/api/v1/openapi.json").body)
    assert described["openapi"] == "3.1.0" and set(described["paths"]) == {
        "/sessions",
        "/sessions/{id}",
    }
    assert API_KEY not in json.dumps(described)
