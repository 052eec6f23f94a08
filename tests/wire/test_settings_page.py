"""The settings page by HTTP: what it changes, for whom, and what it refuses."""

import itertools
import json
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from relay.account import AccountSettings
from relay.accounts import forms
from tests.relays import Process, running_relay
from tests.wire.settings_client import FORM, PASSWORD, Answer, Client, command

FIXED = '\n[groups.88]\napi_key = "k"\n[groups.88.settings]\nmask = "text"\nterms.title = "Fixed"\n'
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    groups = "".join(f'[groups.{number}]\napi_key = "k"\n' for number in range(1000, 1050))
    with running_relay(tmp_path_factory.mktemp("page"), settings=None, more=FIXED + groups) as made:
        command(made.config, "password", text=PASSWORD + "\n")
        yield made


GROUPS = itertools.count(1000)


@pytest.fixture
def client(process: Process) -> Client:
    """Somebody who is logged in, and a group that no other test changes."""
    made = Client(f"http://127.0.0.1:{process.port}", group=str(next(GROUPS)))
    assert made.by_password().status == 303
    return made


def filled(**changed: str) -> dict[str, str]:
    """The form as it is by default, but for some fields; "__" stands for a dot."""
    values = forms.values_of(AccountSettings())
    sent = {key: str(value) for key, value in values.items() if isinstance(value, str)}
    sent |= {key: "1" for key, value in values.items() if value is True}
    return sent | {name.replace("__", "."): text for name, text in changed.items()}


def shown(client: Client, site: str = "production", group: str = "") -> Any:
    """What visitors' pages get."""
    return json.loads(
        client.ask(f"/visitor/settings?group={group or client.group}&site={site}").body
    )


def button(client: Client, site: str = "production") -> str:
    return str(shown(client, site)["button"]["text"])


def test_from_a_form_to_visitors_and_back_again(client: Client) -> None:
    saved = client.change(**filled(button__text="One"))
    assert saved.headers["Location"] == f"/settings/{client.group}?done=saved"
    assert (button(client), button(client, "staging")) == ("", "One")
    assert "<td><pre>&#34;One&#34;</pre></td>" in client.page().body  # what is not published yet
    published = client.change("publish", note=f" first {SCRIPT} ")
    assert published.headers["Location"] == f"/settings/{client.group}?done=published"
    assert button(client) == "One"
    client.change(**filled(button__text="Two"))
    client.change("publish")
    assert button(client) == "Two"
    assert client.change("bring-back", number="1").status == 303
    assert (button(client), button(client, "staging")) == ("Two", "One")
    client.change("publish")
    assert button(client) == "One"
    page = client.page().body
    for text in ("password published version 3", "password brought back version 1", "button.text"):
        assert text in page
    assert SCRIPT not in page and unescape(page).count(f"first {SCRIPT}") == 1
    assert client.change("bring-back", number="99").status == 404


def test_problems_stand_at_their_fields_and_nothing_is_lost(client: Client) -> None:
    hostile = {
        "button__color": "red;}*{background:url(//evil.test)",
        "terms__link": "javascript:alert(1)",
        "trusted_domains": "a.test; script-src *",
        "waiting_s": "1e999",
        "mask": "all",
        "language": SCRIPT,
        "terms__text": "</textarea>" + SCRIPT,
        "button__text": '"><img src=x onerror=alert(1)>',
    }
    answer = client.change(**filled(**hostile))
    assert answer.status == 400
    for key in ("button-color", "terms-link", "trusted_domains", "waiting_s", "mask", "language"):
        assert f'id="wrong-{key}"' in answer.body
        assert f'aria-describedby="wrong-{key} about-{key}" aria-invalid="true"' in answer.body
    assert SCRIPT not in answer.body and "<img" not in answer.body
    text = unescape(answer.body)
    for key, value in hostile.items():
        assert value in text or key in ("mask", "language")
    assert button(client, "staging") == ""


def test_text_is_text_for_visitors_too(client: Client) -> None:
    assert client.change(**filled(terms__text=SCRIPT, button__text="\x00\u202e🙂")).status == 303
    assert shown(client, "staging")["terms"]["text"] == SCRIPT
    assert button(client, "staging") == "\x00\u202e🙂"


def test_two_who_edit_at_once(client: Client) -> None:
    other = Client(client.url, group=client.group)
    other.by_password()
    before = client.page()
    old = {name: before.hidden(name) for name in ("form_token", "revision")}
    other.change(**filled(button__text="Theirs", language="de"))
    answer = client.post(
        f"/settings/{client.group}", {**old, **filled(button__text="Mine", terms__title="Kept")}
    )
    assert answer.status == 409 and "Somebody else has changed" in answer.body
    assert 'value="Mine"' in answer.body and 'value="Kept"' in answer.body
    assert "Theirs" in answer.body and button(client, "staging") == "Theirs"
    # What stands in other forms that are old by now.
    for action, more in (
        ("publish", {}),
        ("bring-back", {"number": "1"}),
        ("import", {"toml": ""}),
    ):
        refused = client.post(f"/settings/{client.group}/{action}", {**old, **more})
        assert refused.status in (404, 409), action
    assert button(client) == "" and button(client, "staging") == "Theirs"
    # The answer's own form knows of theirs, and saves over it.
    again = {name: answer.hidden(name) for name in ("form_token", "revision")}
    assert (
        client.post(f"/settings/{client.group}", {**again, **filled(button__text="Mine")}).status
        == 303
    )
    assert button(client, "staging") == "Mine"


# -- other sites ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},  # another port
    ],
)
def test_forms_of_other_pages_change_nothing(client: Client, headers: dict[str, str]) -> None:
    page = client.page()
    whole = {name: page.hidden(name) for name in ("form_token", "revision")}
    fields = {**whole, **filled(button__text="Evil"), "toml": "", "number": "1", "url": "x"}
    for action in ("", "/publish", "/bring-back", "/import", "/preview", "/trial"):
        assert client.post(f"/settings/{client.group}{action}", fields, **headers).status == 403
    login = {"way": "password", "password": PASSWORD}
    for path in ("/settings/login", "/settings/logout"):
        answer = client.post(path, login, **headers)
        assert answer.status == 403 and answer.headers["Set-Cookie"] is None
    assert client.page().status == 200 and button(client, "staging") == ""


def test_forms_need_the_token_of_their_own_login(client: Client) -> None:
    other = Client(client.url, group=client.group)
    other.by_password()
    whole = {"revision": "0", **filled(button__text="Evil"), "toml": "", "number": "1"}
    for token in ("", "x", "é", other.page().hidden("form_token")):
        for action in ("", "/publish", "/bring-back", "/import"):
            fields = {**whole, "form_token": token}
            assert client.post(f"/settings/{client.group}{action}", fields).status == 403
    assert button(client, "staging") == ""


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"form_token=x", "text/plain"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"a=" + b"x" * 1_100_000, FORM),
        (b"&".join([b"a=1"] * 5_000), FORM),
        (b"a=%ff", FORM),
        (b"\xff", FORM),
        (b"", FORM),
    ],
)
def test_what_is_no_form_changes_nothing(client: Client, body: bytes, kind: str) -> None:
    for action in ("", "/publish", "/import"):
        answer = client.ask(f"/settings/{client.group}{action}", body, Content_Type=kind)
        assert answer.status == 403
    assert button(client, "staging") == ""


# -- files ---------------------------------------------------------------------------------------


def test_toml_goes_out_and_comes_in_as_the_same(client: Client) -> None:
    text = 'mask = "text"\n\n[terms]\ntitle = "Über"\n'
    assert client.change("import", toml=text).status == 303
    answer = client.ask(f"/settings/{client.group}/settings.toml")
    assert answer.body == text
    assert (
        answer.headers["Content-Disposition"]
        == f'attachment; filename="settings-{client.group}.toml"'
    )
    assert client.change("import", toml=answer.body).status == 303
    assert client.ask(f"/settings/{client.group}/settings.toml").body == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mask = 'all'", "mask: Invalid enum value"),
        ("maks = 1", "maks: unknown key"),
        ("=" + SCRIPT, "this is no TOML"),
        ("[button]\ncolor = 'red;x'", "button.color"),
        ("x = " + "[" * 9_000, "this is no TOML"),
        ("x" * 400_001, "longer than 400,000 characters"),
    ],
)
def test_toml_that_cannot_be_used_is_told_and_kept(client: Client, text: str, problem: str) -> None:
    answer = client.change("import", toml=text)
    assert answer.status == 400 and f"Nothing was imported. {problem}" in unescape(answer.body)
    assert text in unescape(answer.body) and SCRIPT not in answer.body


def test_more_than_can_be_kept_is_told(client: Client) -> None:
    answer = client.change(**filled(masked_pages="\n".join("/" + "x" * 2_000 for _ in range(300))))
    assert answer.status == 400 and "longer than 400,000 characters in all" in answer.body
    assert "x" * 2_000 in answer.body


# -- settings in the config file -----------------------------------------------------------------


def test_settings_of_the_config_file_can_be_looked_at_only(client: Client) -> None:
    page = client.page("88")
    assert page.status == 200 and "stand in the config file" in page.body
    assert 'value="Fixed"' in page.body and '<fieldset class="card" disabled>' in page.body
    assert "Save for staging" not in page.body and "Publish</button>" not in page.body
    assert client.ask("/settings/88/settings.toml").body.startswith('mask = "text"')
    for action, more in (
        ("", filled(terms__title="Evil")),
        ("publish", {}),
        ("import", {"toml": ""}),
    ):
        assert client.change(action, group="88", **more).status == 403, action
    assert shown(client, group="88")["terms"]["title"] == "Fixed"


# -- the preview ---------------------------------------------------------------------------------


def frame_token(page: Answer) -> str:
    return page.body.partition("/preview/")[2].partition("/")[0]


def test_the_preview_is_whose_it_is(client: Client) -> None:
    client.page()
    preview = f"/settings/{client.group}/preview/"
    assert (
        client.post(preview[:-1], filled(button__text="Draft", button__color="nope;")).status == 400
    )
    assert client.post(preview[:-1], filled(button__text="Draft")).status == 200
    page = client.ask(preview)
    assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
    stranger = Client(client.url)
    kept = stranger.ask(f"{preview}{frame_token(page)}/settings")
    assert json.loads(kept.body)["button"]["text"] == "Draft"
    assert kept.headers["Access-Control-Allow-Origin"] == "*"
    assert button(client, "staging") == ""
    for path in ("x/settings", "x/tag.js", "../settings", f"{frame_token(page)}x/settings"):
        assert "Draft" not in stranger.ask(preview + path).body
    other = Client(client.url, group=client.group)
    other.by_password()
    assert frame_token(other.ask(preview)) != frame_token(page)
