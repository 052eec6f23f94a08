"""The agent's pages by HTTP: what they are asked with, who may log in, and who may embed them."""

import base64
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from relay.auth import make_login_key
from tests.relays import running_relay
from tests.stack import API_KEY, GROUP

VIEW = "/cobrowse/AgentView.aspx"
FORM = "application/x-www-form-urlencoded"
SETTINGS = """
mask = "none"
trusted_domains = ["chat.test"]
embed_origins = ["desk.test", "*.crm.test"]
"""
OTHER = '\n[groups.88]\napi_key = "other"\n[groups.88.settings]\ntrusted_domains = ["far.test"]\n'


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("relay")
    with running_relay(folder, settings=SETTINGS, more=OTHER) as process:
        yield f"http://127.0.0.1:{process.port}"


def login_key(user: str = "anna", seconds: int = 600) -> str:
    return make_login_key(GROUP, user, API_KEY, int(time.time()) + seconds)


class Answer:
    def __init__(self, response: Any) -> None:
        self.status: int = response.status
        self.headers = response.headers
        self.body: str = response.read().decode()

    @property
    def boot(self) -> Any:
        found = re.search(r'id="boot">(.*?)</script>', self.body)
        return None if found is None else json.loads(found[1])

    @property
    def ancestors(self) -> str:
        return str(self.headers["Content-Security-Policy"]).partition("frame-ancestors ")[2]


def ask(url: str, body: bytes | None = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named)
    try:
        with urllib.request.urlopen(request) as response:
            return Answer(response)
    except urllib.error.HTTPError as error:
        return Answer(error)


def post(url: str, **fields: str) -> Answer:
    return ask(url, urlencode(fields).encode(), Content_Type=FORM)


# -- parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [VIEW, "/agentjoin/AgentView.aspx", JOIN := "/agentjoin/AgentJoin.aspx"]
)
@pytest.mark.parametrize("name", ["SessionKey", "sessionkey", "VISITORID", "visitorId"])
def test_names_may_be_written_in_any_case(relay: str, path: str, name: str) -> None:
    query = f"{name}=A_b-1&PartnerID={GROUP}&PARTNERUSERID=anna&LoginKey={quote(login_key())}"
    found = ask(f"{relay}{path}?{query}&WAIT=1")
    assert found.status == 200
    assert (found.boot["key"], found.boot["wait"], found.boot["group"]) == ("A_b-1", True, GROUP)


def test_a_login_key_may_stand_behind_the_user(relay: str) -> None:
    both = quote(f"anna~{login_key()}")
    found = ask(f"{relay}{VIEW}?SessionKey=K&partnerid={GROUP}&partneruserid={both}")
    assert found.status == 200 and found.boot["wait"] is False
    wrong = quote(f"bert~{login_key()}")
    found = ask(f"{relay}{VIEW}?SessionKey=K&partnerid={GROUP}&partneruserid={wrong}")
    assert found.status == 403


def test_credentials_may_be_posted(relay: str) -> None:
    found = post(
        relay + VIEW,
        SessionKey="K",
        partnerid=GROUP,
        partneruserid="anna",
        loginkey=login_key(),
        name="  Anna <b>\x07" + "x" * 99,
    )
    assert found.status == 200 and found.boot["key"] == "K"
    # What is posted opens this answer and is nobody else's login.
    assert ask(f"{relay}{VIEW}?SessionKey=K").status == 403
    assert "loginkey" not in found.body
    payload = found.boot["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["name"] == "Anna <b>" + "x" * 55


@pytest.mark.parametrize("key", ["a b", "x" * 51, "é", "<script>alert(1)</script>", "a/../b"])
def test_a_key_that_is_none_is_told(relay: str, key: str) -> None:
    found = ask(f"{relay}{VIEW}?SessionKey={quote(key)}&loginkey=secret")
    assert found.status == 400 and "1 to 50 letters" in found.body
    assert "<script>alert" not in found.body and "secret" not in found.body


@pytest.mark.parametrize("path", [VIEW, JOIN])
def test_who_knows_no_key_yet_is_asked_for_it(relay: str, path: str) -> None:
    found = ask(f"{relay}{path}?SessionKey=&name=Anna&viewersamewindow=1")
    assert found.status == 200 and "Which session?" in found.body
    assert f'action="{path}"' in found.body and 'name="SessionKey"' in found.body
    assert 'name="name" value="Anna"' in found.body
    assert "form-action 'self'" in found.headers["Content-Security-Policy"]
    # Who logs in on the way is logged in when the key is there.
    who = f"partnerid={GROUP}&partneruserid=anna&loginkey="
    assert ask(f"{relay}{path}?{who}wrong").status == 403
    found = ask(f"{relay}{path}?{who}{quote(login_key())}")
    assert found.status == 200 and "Which session?" in found.body and "$1$" not in found.body
    cookie = found.headers["Set-Cookie"].partition(";")[0]
    assert ask(f"{relay}{path}?SessionKey=K", Cookie=cookie).boot["key"] == "K"


def test_forms_that_are_none_are_told(relay: str) -> None:
    url = relay + VIEW
    assert ask(url, b"{}", Content_Type="application/json").status == 415
    assert ask(url, b"--x", Content_Type="multipart/form-data; boundary=x").status == 415
    assert ask(url, b"SessionKey=" + b"k" * 20_000, Content_Type=FORM).status == 413
    assert ask(url, b"&".join([b"a=1"] * 60), Content_Type=FORM).status == 400
    assert ask(url, b"SessionKey=%ff", Content_Type=FORM).status == 400
    assert ask(url, b"SessionKey=\xff", Content_Type=FORM).status == 400
    assert ask(url, b"", Content_Type=FORM).status == 200  # no key: asks for one


# -- the login form ------------------------------------------------------------------------------


def test_the_login_form_leads_back_to_what_was_asked(relay: str) -> None:
    found = ask(f"{relay}{VIEW}?VisitorId=K&wait=1&name={quote('<i>Anna')}&partnerid={GROUP}")
    assert found.status == 403 and "You are not logged in." in found.body
    action = re.search(r'<form method="post" action="([^"]+)"', found.body)
    assert action is not None
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found.body))
    hidden = {name: unescape(value) for name, value in hidden.items()}
    assert hidden == {"visitorid": "K", "wait": "1", "name": "<i>Anna"}
    fields = {**hidden, "partnerid": GROUP, "partneruserid": "anna"}
    wrong = post(relay + action[1], **fields, loginkey="$1$1$x")
    assert wrong.status == 403 and "The login key is not valid" in wrong.body
    assert 'name="visitorid" value="K"' in wrong.body and 'value="anna"' in wrong.body
    assert "$1$1$x" not in wrong.body
    good = post(relay + action[1], **fields, loginkey=login_key())
    assert good.status == 200 and good.boot["key"] == "K" and good.boot["wait"] is True


def test_the_login_form_serves_the_console_too(relay: str) -> None:
    assert ask(f"{relay}/console").status == 403
    login = {"partnerid": GROUP, "partneruserid": "anna", "loginkey": login_key()}
    assert post(f"{relay}/console", **login).status == 200


def test_too_many_wrong_keys_are_told(tmp_path: Path) -> None:
    with running_relay(tmp_path, more="[relay.limits]\nwrong_keys = 1\n") as process:
        url = f"http://127.0.0.1:{process.port}{VIEW}"
        fields = {"SessionKey": "K", "partnerid": GROUP, "partneruserid": "anna"}
        assert post(url, **fields, loginkey="x").status == 403
        refused = post(url, **fields, loginkey="x")
        assert refused.status == 429 and refused.headers["Retry-After"]
        assert "Too many wrong login keys" in refused.body


# -- cookies -------------------------------------------------------------------------------------


def test_a_frame_gets_a_cookie_of_its_own_by_https_only(relay: str) -> None:
    url = f"{relay}{VIEW}?SessionKey=K&partnerid={GROUP}&partneruserid=anna&loginkey="
    plain = ask(url + quote(login_key()), Sec_Fetch_Dest="iframe")
    assert [c.split("=")[0] for c in plain.headers.get_all("Set-Cookie")] == ["cobrowse_agent"]
    alone = ask(url + quote(login_key()), Sec_Fetch_Dest="document", X_Forwarded_Proto="https")
    assert len(alone.headers.get_all("Set-Cookie")) == 1
    framed = ask(url + quote(login_key()), Sec_Fetch_Dest="iframe", X_Forwarded_Proto="https")
    [_, cookie] = framed.headers.get_all("Set-Cookie")
    for part in ("cobrowse_agent_frame=", "SameSite=None", "Secure", "Partitioned", "HttpOnly"):
        assert part in cookie
    again = ask(f"{relay}{VIEW}?SessionKey=K", Cookie=cookie.partition(";")[0])
    assert again.status == 200


# -- who may embed -------------------------------------------------------------------------------


def test_the_groups_sites_may_embed(relay: str) -> None:
    query = f"SessionKey=K&partnerid={GROUP}&partneruserid=anna&loginkey={quote(login_key())}"
    found = ask(f"{relay}{VIEW}?{query}")
    assert found.ancestors == "'self' https://desk.test:* https://*.crm.test:*"
    assert found.boot["embedders"] == ["desk.test", "*.crm.test"]
    # Without a list of its own a group's trusted domains count, for its login form as well.
    assert ask(f"{relay}{VIEW}?SessionKey=K&partnerid=88").ancestors == "'self' https://far.test:*"


@pytest.mark.parametrize(
    ("referrer", "ancestors"),
    [
        ("https://far.test/desk?x=1", "'self' https://far.test"),
        ("https://a.crm.test:8443/", "'self' https://a.crm.test:8443"),
        ("https://evil.test/", "'self'"),
        ("http://far.test/", "'self'"),
        ("https://far.test;script-src/", "'self'"),
        ("https://x'; script-src *.crm.test/", "'self'"),
        ("", "'self'"),
    ],
)
def test_before_the_group_is_known_the_one_who_embeds_must_be_some_groups(
    relay: str, referrer: str, ancestors: str
) -> None:
    found = ask(f"{relay}{VIEW}?SessionKey=K", Referer=referrer, Sec_Fetch_Dest="iframe")
    assert found.status == 403 and found.ancestors == ancestors
    assert ask(f"{relay}{VIEW}?SessionKey=K", Referer=referrer).ancestors == "'self'"
    # The form says it again: a wrong partner id must not blank the frame.
    origin = ancestors.removeprefix("'self'").strip()
    wrong = post(f"{relay}{VIEW}", SessionKey="K", partnerid="1", embedder=origin)
    assert wrong.ancestors == ancestors


def test_a_form_cannot_name_just_any_embedder(relay: str) -> None:
    for origin in ("https://evil.test", "*", "https://far.test *", "https://far.test/x"):
        found = post(f"{relay}{VIEW}", SessionKey="K", embedder=origin)
        assert found.ancestors == "'self'"


# -- the script ----------------------------------------------------------------------------------


def test_the_scripts_name_is_case_sensitive(relay: str) -> None:
    url = f"{relay}/cobrowse/CobrowseJS.ashx?group={GROUP}&site=production"
    found = ask(f"{url}&script=Agent")
    assert found.status == 200 and f'"viewer": "{relay}"' in found.body
    assert found.headers["Content-Type"].startswith("text/javascript")
    for other in ("agent", "AGENT", "Agent2", "XDOM", "__proto__"):
        assert ask(f"{url}&script={other}").status == 404
    assert ask(f"{relay}/cobrowse/CobrowseJS.ashx?group=no&script=Agent").status == 404
    assert "Visitor" in ask(f"{url}&script=").body
