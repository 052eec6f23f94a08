"""Login keys by the five published vectors; tokens by what must be refused."""

import time
from typing import Any

import jwt
import pytest

from proxy_addon import token as proxy_token
from relay import auth
from relay.auth import check_login_key, make_login_key
from relay.errors import Refused

VECTORS = [
    ("12345", "uniqueUserIdentifier", 1593908430, "mySecretApiKey",
     "$1$1593908430$Wf7vDWWv1Ci5VrcUvtWuJh_jLgZIfectGUPkg6DbZws"),
    ("12345", "uniqueUserIdentifier", 1593908590, "mySecretApiKey",
     "$1$1593908590$XCD2ygOUWB892h1xVRy7X0DkUf0w-J8DwnZOWXWCAoY"),
    ("12345", "uniqueUserIdentifier", 1593908675, "mySecretApiKey",
     "$1$1593908675$cwgx4A5akR6jkKMODEvNOzucjenBMQdP2aD-1wz0msc"),
    ("12345", "uniqueUserIdentifier", 1597595372, "mySecretApiKey",
     "$1$1597595372$GR4bRX693m72g5Vttn5g2TyQsfy4Si6IvbESFs2PFLI"),
    ("54321", "newUniqueUserIdentifier", 1593906477, "newSecretApiKey",
     "$1$1593906477$wncY1-sgNS11n_T9oqrGBRAQOUXeoLpvs7z0DzHdI7k"),
]  # fmt: skip
SECRET = b"an obviously fake secret of enough length"
NOW = 1_800_000_000.0


@pytest.mark.parametrize(("partner", "user", "expiry", "api_key", "login_key"), VECTORS)
def test_published_vectors(
    partner: str, user: str, expiry: int, api_key: str, login_key: str
) -> None:
    assert make_login_key(partner, user, api_key, expiry) == login_key
    check_login_key(partner, user, login_key, {partner: ("", "another", api_key)}, expiry - 1.0)


def check(login_key: str, *, partner: str = "12", user: str = "3x", now: float = NOW) -> None:
    check_login_key(partner, user, login_key, {"12": ("k",), "123": ("k",), "9": ("",)}, now)


GOOD = make_login_key("12", "3x", "k", int(NOW) + 60)


@pytest.mark.parametrize(
    ("login_key", "code"),
    [
        ("", "login"),
        ("$1", "login"),
        (GOOD[:-1], "login"),
        (GOOD + "=", "login"),
        (GOOD.replace("$1$", "$2$", 1), "login"),
        (GOOD.replace("$1$", "$1$0", 1), "login"),
        ("$1$" + "9" * 5000 + "$x", "login"),
        ("$1$１７$x", "login"),
        ("$1$-5$x", "login"),
        ("é" * 57, "login"),
        (make_login_key("12", "3x", "wrong", int(NOW) + 60), "login"),
        (make_login_key("12", "3x", "k", int(NOW)), "expired"),
        (make_login_key("12", "3x", "k", int(NOW) + 86_401), "expiry"),
    ],
)
def test_a_bad_key_is_refused(login_key: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        check(login_key)
    assert refused.value.code == code


def test_the_good_key_is_good_for_one_identity_of_its_own_group() -> None:
    check(GOOD)
    check(make_login_key("12", "3x", "k", int(NOW) + 86_400))
    for partner, user in (("12", "4x"), ("", "3x"), ("12", ""), ("9", "3x"), ("none", "3x")):
        with pytest.raises(Refused):
            check(GOOD, partner=partner, user=user)


def test_a_group_without_an_api_key_lets_nobody_in() -> None:
    with pytest.raises(Refused):
        check(make_login_key("9", "3x", "", int(NOW) + 60), partner="9")


def mint(**changes: Any) -> str:
    values: dict[str, Any] = {
        "secret": SECRET,
        "group": "12",
        "origin": "http://shop.test",
        "visitor": "cookie",
        "identity": {"name": "Niels Bohr"},
        "now": NOW,
        "token_id": "0123456789abcdef",
    }
    return proxy_token.mint(**{**values, **changes})


def test_the_relay_reads_what_the_proxy_minted() -> None:
    token = auth.read_visitor_token(mint(), SECRET, NOW + 59)
    assert (token.group, token.origin, token.identity.name) == (
        "12",
        "http://shop.test",
        "Niels Bohr",
    )
    assert token.visitor != "cookie" and len(token.visitor) == 64
    assert token.visitor == auth.read_visitor_token(mint(), SECRET, NOW).visitor


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x.y.z",
        mint(secret=b"another fake secret of the right length"),
        mint(now=NOW - 60),
        mint(token_id="short"),
        jwt.encode({"aud": auth.VISITOR_AUDIENCE, "exp": NOW + 9}, SECRET, algorithm="HS256"),
        jwt.encode({"aud": auth.VISITOR_AUDIENCE, "exp": "soon"}, SECRET, algorithm="HS256"),
        jwt.encode({"exp": int(NOW) + 9}, SECRET, algorithm="HS256"),
        jwt.encode({"aud": auth.VISITOR_AUDIENCE, "exp": int(NOW) + 9}, "", algorithm="none"),
        auth.make_agent_token(auth.AgentToken("12", "a", "", int(NOW) + 60), SECRET),
    ],
)
def test_a_bad_visitor_token_is_refused(token: str) -> None:
    with pytest.raises(Refused):
        auth.read_visitor_token(token, SECRET, NOW)


def test_an_agent_token_is_no_visitor_token_and_ends() -> None:
    agent = auth.AgentToken("12", "anna", "Anna", int(NOW) + 60)
    token = auth.make_agent_token(agent, SECRET)
    assert auth.read_agent_token(token, SECRET, NOW) == agent
    for bad, now in ((mint(), NOW), (token, NOW + 60)):
        with pytest.raises(Refused):
            auth.read_agent_token(bad, SECRET, now)


def test_the_clock_of_the_machine_is_not_asked() -> None:
    assert NOW > time.time() - 3600 * 24 * 365 * 50
    auth.read_visitor_token(mint(now=1_000.0), SECRET, 1_030.0)
