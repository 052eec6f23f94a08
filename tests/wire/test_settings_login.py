"""Who may use the settings page, and how long."""

import contextlib
import itertools
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.pages import RETRY_AFTER_S
from tests.relays import Process, running_relay
from tests.stack import GROUP, free_port
from tests.wire.settings_client import PASSWORD, Client, command

NUMBERS = itertools.count(1)
OTHER = '\n[groups.88]\napi_key = "other"\nadmins = ["chief"]\n'


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("settings")
    with running_relay(
        folder,
        settings=None,
        group='admins = ["chief"]',
        more=OTHER + "[relay.limits]\nwrong_keys = 2\n",
    ) as made:
        command(made.config, "password", text=PASSWORD + "\n")
        yield made


@pytest.fixture
def client(process: Process) -> Client:
    """Of an address of its own: wrong passwords count by address."""
    return Client(f"http://127.0.0.1:{process.port}", f"203.0.113.{next(NUMBERS)}")


def test_nobody_sees_anything_without_a_login(client: Client) -> None:
    for path in ("", f"/{GROUP}", f"/{GROUP}/settings.toml", f"/{GROUP}/preview/", "/88", "/none"):
        answer = client.ask("/settings" + path)
        assert answer.status == 200 and "One-time token" in answer.body
        assert GROUP not in answer.body.replace(f"/settings/{GROUP}", "")
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
            assert part in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert "unsafe-eval" not in policy and "script-src 'self' 'unsafe" not in policy
    for path in (f"/{GROUP}", f"/{GROUP}/publish", f"/{GROUP}/import", f"/{GROUP}/trial"):
        assert client.post("/settings" + path, {"toml": "mask = 'none'"}).status == 403
    client.cookie = "cobrowse_admin=made-up"
    assert client.page().status == 403


def test_by_password(client: Client) -> None:
    answer = client.by_password()
    assert answer.status == 303 and answer.headers["Location"] == "/settings"
    cookie = answer.headers["Set-Cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/settings", "max-age=28800"):
        assert part in cookie
    assert "secure" not in cookie
    groups = client.ask("/settings")
    assert f'href="/settings/{GROUP}"' in groups.body and 'href="/settings/88"' in groups.body
    assert "password logged in" in client.page().body


def test_by_https_the_cookie_goes_by_https_only(client: Client) -> None:
    answer = client.post(
        "/settings/login", {"way": "password", "password": PASSWORD}, X_Forwarded_Proto="https"
    )
    assert "secure" in answer.headers["Set-Cookie"].lower()


def test_wrong_passwords_are_limited_as_wrong_login_keys_are(client: Client) -> None:
    for password in ("", "wrong" * 9_000):
        assert client.by_password(password).status == 403
    refused = client.by_password()  # even the right one
    assert refused.status == 429 and refused.headers["Retry-After"] == str(RETRY_AFTER_S)
    assert "Too many" in refused.body and refused.headers["Set-Cookie"] is None
    # Keys and tokens count together with them.
    assert client.by_key("chief").status == 429
    assert client.log_in(way="token", token="x").status == 429


def test_a_token_counts_once(client: Client, process: Process) -> None:
    token = command(process.config, "token").strip()
    assert len(token) > 20
    assert client.log_in(way="token", token=f" {token} ").status == 303
    again = Client(client.url, client.address)
    assert again.log_in(way="token", token=token).status == 403
    assert client.page().status == 200


def test_by_the_login_key_of_an_admin_to_their_own_group(client: Client) -> None:
    assert client.by_key("anna").status == 403
    assert client.by_key("chief", api_key="wrong").status == 403
    client.address = f"203.0.113.{next(NUMBERS)}"
    assert client.by_key("chief", group="77").status == 403
    assert client.by_key("chief").status == 303
    assert client.ask("/settings").headers["Location"] == f"/settings/{GROUP}"
    assert "chief logged in" in client.page().body
    assert client.page("88").status == 404 and client.page("none").status == 404
    for action in ("", "publish", "import", "bring-back", "preview", "trial"):
        path = "/settings/88" + (f"/{action}" if action else "")
        fields = {"form_token": client.page().hidden("form_token"), "revision": "0"}
        assert client.post(path, fields).status == 404
    other = Client(client.url, client.address)
    assert other.by_key("chief", group="88", api_key="other").status == 303
    assert other.page("88").status == 200 and other.page().status == 404


def test_who_has_logged_out_cannot_come_back_by_the_old_cookie(client: Client) -> None:
    client.by_password()
    other = Client(client.url, client.address)
    other.by_password()
    assert client.page().status == 200
    answer = client.post("/settings/logout", {})
    assert answer.status == 303 and 'cobrowse_admin=""' in answer.headers["Set-Cookie"]
    assert client.page().status == 403  # the client sends it all the same
    assert other.page().status == 200


def test_a_new_password_ends_the_logins_by_the_old_one(client: Client, process: Process) -> None:
    client.by_password()
    chief = Client(client.url, client.address)
    chief.by_key("chief")
    command(process.config, "password", text=PASSWORD + " 2\n")
    try:
        answer = client.page()
        assert answer.status == 403 and "The password was changed." in answer.body
        assert chief.page().status == 200
        assert client.by_password().status == 403
    finally:
        command(process.config, "password", text=PASSWORD + "\n")


def test_who_is_no_more_an_admin_is_out_at_once(tmp_path: Path) -> None:
    with running_relay(tmp_path, settings=None, group='admins = ["chief"]') as process:
        client = Client(f"http://127.0.0.1:{process.port}")
        client.by_key("chief")
        assert client.page().status == 200
        process.config.write_text(process.config.read_text().replace('"chief"', '"other"'))
        process.stop()
        process.start()
        answer = client.page()
        assert answer.status == 403 and "no more among" in answer.body


def test_a_listener_of_its_own_has_nothing_else(tmp_path: Path) -> None:
    at = free_port()
    lines = f'settings_listen = "127.0.0.1:{at}"'
    with running_relay(tmp_path, settings=None, relay=lines) as process:
        main, own = (Client(f"http://127.0.0.1:{port}") for port in (process.port, at))
        assert main.ask("/settings").status == 404 and main.ask("/console").status == 403
        assert own.ask("/settings").status == 200
        assert own.ask("/static/settings.js").status == 200
        for path in ("/console", "/visitor/loader.js", "/cobrowse/AgentView.aspx", "/metrics"):
            assert own.ask(path).status == 404


def test_off_is_nowhere(tmp_path: Path) -> None:
    with running_relay(tmp_path, settings=None, relay='settings_listen = "off"') as process:
        assert Client(f"http://127.0.0.1:{process.port}").ask("/settings").status == 404


def test_a_listener_that_is_taken_is_told_and_ends_the_start(tmp_path: Path) -> None:
    with running_relay(tmp_path, settings=None) as process:
        taken = f'[relay]\nsettings_listen = "127.0.0.1:{process.port}"\n'
        path = tmp_path / "other.toml"
        path.write_text(process.config.read_text().replace("[relay]\n", taken))
        listen = f"127.0.0.1:{free_port()}"
        command = ["-m", "cobrowse", "relay", "--config", str(path), "--relay-listen", listen]
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=60
        )
    assert done.returncode != 0
    [line] = done.stderr.splitlines()
    assert f"the settings page cannot listen on 127.0.0.1:{process.port}: Address" in line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_in_a_terminal_the_relay_prints_a_token_until_there_is_a_password(tmp_path: Path) -> None:
    with running_relay(tmp_path, settings=None) as process:
        process.stop()
        [token] = re.findall(r"token, once: (\S+)", _printed(process))
        process.start()
        client = Client(f"http://127.0.0.1:{process.port}")
        assert client.log_in(way="token", token=token).status == 303
        process.stop()
        command(process.config, "password", text=PASSWORD + "\n")
        assert "token" not in _printed(process)


def _printed(process: Process) -> str:
    """What the relay prints in a terminal before it serves."""
    ours, theirs = os.openpty()
    listen = f"127.0.0.1:{process.port}"
    relay = subprocess.Popen(
        [sys.executable, "-m", "cobrowse", "relay"]
        + ["--config", str(process.config), "--relay-listen", listen],
        stdout=theirs,
    )
    os.close(theirs)
    deadline = time.monotonic() + 30.0
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", process.port)):
            break
        assert time.monotonic() < deadline and relay.poll() is None
        time.sleep(0.02)
    relay.terminate()
    relay.wait(30)
    printed = b""
    try:
        while chunk := os.read(ours, 4096):
            printed += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return printed.decode()
