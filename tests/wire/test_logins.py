"""Who may log in: keys of two API keys, agents who are shut out, and roles."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from relay import auth
from relay.errors import Close, Refused
from relay.logins import Logins
from relay.settings import Settings, parse
from relay.store.memory import MemoryStore
from tests.relays import Process, Relay, running_relay
from tests.stack import API_KEY, GROUP
from tests.wire.test_relay_access import get, page

OLD_KEY = "the-fake-api-key-before"
LISTS = 'agents = ["anna", "bert"]\nadmins = ["chief"]'


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    group = f'previous_api_key = "{OLD_KEY}"\n{LISTS}'
    with running_relay(tmp_path_factory.mktemp("logins"), group=group) as made:
        yield made


@pytest.fixture
def relay(process: Process, peers: contextlib.ExitStack) -> Relay:
    return Relay(process.port, peers)


def signed(api_key: str, user: str = "anna") -> str:
    return page(user, key=auth.make_login_key(GROUP, user, api_key, int(time.time()) + 60))


def test_keys_of_the_new_and_of_the_previous_api_key_count(relay: Relay) -> None:
    assert get(relay, signed(API_KEY))[0] == 200
    assert get(relay, signed(OLD_KEY))[0] == 200
    assert get(relay, signed("of nobody"))[0] == 403


def test_without_an_api_key_the_previous_one_opens_nothing() -> None:
    settings = parse({"groups": {"7": {"previous_api_key": "k"}}})
    assert settings.groups["7"].api_keys() == ()
    with pytest.raises(Refused):
        Logins(settings, MemoryStore()).admit("7", "anna")


def test_an_agent_who_is_not_listed_is_refused_at_login(relay: Relay) -> None:
    for user, status in (("anna", 200), ("chief", 200), ("dora", 403)):
        answer, _, body = get(relay, page(user))
        assert answer == status
        assert ("not among the agents" in body) == (status == 403)


def test_an_agent_who_is_shut_out_is_refused_at_the_socket_after_the_restart(
    relay: Relay, process: Process
) -> None:
    visitor = relay.visitor(cookie="of bert")
    key = visitor.get()["key"]
    assert relay.agent(key, user="dora").get()["code"] == "shutout"
    bert = relay.agent(key, user="bert")
    bert.get_until("state")
    text = process.config.read_text()
    process.config.write_text(text.replace(', "bert"', ""))
    process.stop()
    assert bert.close_code() == Close.RESTARTING
    process.start()
    back = relay.agent(key, user="bert")  # as the viewer that is open does, with its old token
    assert back.get()["code"] == "shutout"
    assert back.close_code() == Close.REFUSED and not Close.REFUSED.retry
    assert relay.agent(key, user="anna").get()["type"] == "joined"


def test_roles() -> None:
    logins = Logins(parse({"groups": {"7": {"api_key": "k", "admins": ["chief"]}}}), MemoryStore())
    assert (logins.role("7", "chief"), logins.role("7", "anna")) == ("admin", "agent")
    logins.admit("7", "anna")  # no list of agents: all


async def test_keys_to_join_with_differ_and_do_not_outlive_the_one_that_asked() -> None:
    settings: Settings = parse({"groups": {"7": {"api_key": "k", "loginkey_single_use": True}}})
    logins, now = Logins(settings, MemoryStore()), 1000.0
    keys = [await logins.fresh_key("7", "anna", 300, 1100, now) for _ in range(5)]
    assert [int(key.split("$")[2]) for key in keys] == [1099, 1098, 1097, 1096, 1095]
    assert (await logins.fresh_key("7", "anna", 300, 9000, now)).startswith("$1$1300$")
    with pytest.raises(Refused) as refused:
        await logins.fresh_key("7", "anna", 300, 970, now)
    assert refused.value.code == "expired"
