"""The command as a newcomer meets it: what it prints, how it ends, what it says when it cannot."""

import asyncio
import csv
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from cobrowse import config
from relay.auth import check_login_key
from relay.session import Attendance, Saved
from relay.store import Record
from relay.store.sql import SqlStore
from relay.wire import KnownPerson
from tests.stack import GROUP, config_text, free_port, serving_origin

COMMAND = [sys.executable, "-m", "cobrowse"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)


class Running:
    """`cobrowse demo` or `up` in a process group of its own, as a terminal would start it."""

    def __init__(self, *arguments: str) -> None:
        self.port, self.relay_port = free_port(), free_port()
        listen = ["--listen", f"127.0.0.1:{self.port}"]
        relay_listen = ["--relay-listen", f"127.0.0.1:{self.relay_port}"]
        self.process = subprocess.Popen(
            [*COMMAND, *arguments, *listen, *relay_listen],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if "Ctrl-C" in line:
                break

    def members(self) -> list[str]:
        """The processes of the group; one that has ended and waits for its parent is none."""
        found = subprocess.run(
            ["pgrep", "-g", str(self.process.pid), "-a"], capture_output=True, text=True
        )
        return [line for line in found.stdout.splitlines() if "<defunct>" not in line]

    def wait_until_gone(self) -> None:
        """Until every process has let go of the output, which all of them share."""
        self.process.communicate(timeout=15)
        assert self.members() == []

    def kill(self) -> None:
        for member in self.members():
            os.kill(int(member.split()[0]), signal.SIGKILL)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()


def test_the_demo_prints_addresses_that_work_and_ends_whole(home: Path) -> None:
    demo = Running("demo")
    try:
        visitor, agent, crm, bank = re.findall(r"http://\S+", demo.printed)
        assert visitor == f"http://127.0.0.1:{demo.port}/"
        assert agent.startswith(f"http://127.0.0.1:{demo.relay_port}/console?partnerid=")
        assert re.fullmatch(r"http://localhost:\d+/", crm)
        for url in (visitor, agent, crm, bank):
            with urllib.request.urlopen(url, timeout=10) as response:
                assert response.status == 200
        assert len(demo.members()) == 4  # the command, the site, the relay, the proxy
        os.killpg(demo.process.pid, signal.SIGINT)  # as Ctrl-C does: to all of them
        demo.wait_until_gone()
        assert demo.process.wait() == 0
    finally:
        demo.kill()


def test_up_without_a_config_makes_a_group_and_keeps_it(home: Path) -> None:
    with serving_origin() as origin:
        printed = []
        for _ in range(2):
            up = Running("up", "--origin", f"{origin.url}/ignored/path")
            try:
                visitor, agent = re.findall(r"http://\S+", up.printed)
                page = urllib.request.Request(visitor, headers={"Sec-Fetch-Mode": "navigate"})
                with urllib.request.urlopen(page, timeout=10) as response:
                    group = re.search(r'"group":"(\d+)"', response.read().decode())
                with urllib.request.urlopen(agent, timeout=10) as response:
                    assert response.status == 200
                assert group is not None and f"partnerid={group[1]}&" in agent
                printed.append(group[1])
                up.process.terminate()
                up.wait_until_gone()
            finally:
                up.kill()
    assert printed[0] == printed[1]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a killed parent")
def test_nothing_is_left_when_the_command_is_killed(home: Path) -> None:
    demo = Running("demo")
    try:
        demo.process.kill()
        demo.wait_until_gone()
    finally:
        demo.kill()


@pytest.mark.parametrize("option", ["--listen", "--relay-listen"])
def test_a_taken_port_is_named(home: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        other = "--relay-listen" if option == "--listen" else "--listen"
        ended = run("demo", option, address, other, f"127.0.0.1:{free_port()}")
    assert ended.returncode == 1
    expected = f"cobrowse: cannot listen on {address}: Address already in use. "
    assert ended.stderr.strip() == f"{expected}Choose another address with {option} host:port."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up"], "no site to stand in front of: give --origin http://host"),
        (["up", "--origin", "ftp://x"], "no site to stand in front of: give --origin http://host"),
        (["proxy"], "no site to stand in front of: give --origin http://host"),
        (["up", "--origin", "http://x", "--listen", "80"], "listen must be host:port, not '80'"),
        (["up", "--config", "/nowhere", "--origin", "http://x"], "cannot read /nowhere: "),
        (["loginkey", "--user", "a", "--ttl", "90000"], "--ttl must be 1 to 86400 seconds"),
        (["loginkey", "--user", "a", "--group", "1"], "has no group '1' with an api_key"),
    ],
)
def test_wrong_input_gets_one_line(home: Path, arguments: list[str], message: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert ended.stderr.startswith("cobrowse: ") and ended.stderr.count("\n") == 1


def test_a_login_key_of_the_first_config_is_good(home: Path) -> None:
    login_key = run("loginkey", "--user", "anna").stdout.strip()
    path = config.own_file()
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    groups = config.load(path)[1].groups
    (group,) = groups
    check_login_key(group, "anna", login_key, {group: (groups[group].api_key,)}, time.time())
    assert config.own_file() == path
    assert config.load(path)[1].groups == groups


def test_the_addons_path_is_a_file() -> None:
    assert Path(run("addon").stdout.strip()).is_file()


def test_help_fits_a_screen() -> None:
    shown = run("--help").stdout.splitlines()
    assert len(shown) <= 24 and max(map(len, shown)) <= 100
    commands = [line.split()[0] for line in shown if re.match(r"    [a-z]+ ", line)]
    assert len(commands) >= 10
    for command in commands:
        assert f"examples:\n  cobrowse {command}" in run(command, "--help").stdout.replace(
            'mitmdump -s "$(cobrowse addon', "cobrowse addon"
        )


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_can_complete_the_commands(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(run("complete", shell).stdout)
    assert "--relay-listen" in script.read_text()
    if shell == "bash":
        asked = f"source {script}; COMP_WORDS=(cobrowse brow); COMP_CWORD=1; _shtab_cobrowse; "
        said = subprocess.run(
            ["bash", "-c", asked + 'echo "${COMPREPLY[@]}"'], capture_output=True, text=True
        )
        assert said.stdout.strip() == "browse", said.stderr


def records(folder: Path) -> Path:
    """A config file, and a store with two sessions of one visitor and one of another."""
    path = folder / "cobrowse.toml"
    path.write_text(config_text(folder))

    async def fill() -> None:
        store = SqlStore(f"sqlite:///{folder}/sessions.db")
        await store.open()
        for number, (visitor, ended) in enumerate((("v-1", 50.0), ("v-1", 60.0), ("=v", None))):
            saved = Saved(
                id=f"id-{number}",
                group=GROUP,
                key=f"key-{number}",
                visitor="digest",
                person=KnownPerson(visitor, "=1+1", levels={"name": "claimed"}),
                started=float(number),
                attendances=[Attendance("end", "anna", "Anna", 2.0, ended)],
            )
            await store.put([Record(saved=saved, seen=9.0, ended=ended, reason="visitor")])
        await store.close()

    asyncio.run(fill())
    return path


def test_records_are_listed_exported_and_erased(tmp_path: Path) -> None:
    config = ["--config", str(records(tmp_path))]
    listed = run("sessions", "list", *config)
    lines = listed.stdout.splitlines()
    assert lines[0].split() == ["started", "group", "key", "visitor", "state", "pages", "agents"]
    assert [line.split()[3] for line in lines[1:]] == ["key-2", "key-1", "key-0"]
    assert "running" in lines[1] and "Anna" in lines[2]
    exported = json.loads(run("sessions", "export", *config, "--visitor", "v-1").stdout)
    assert [row["key"] for row in exported] == ["key-1", "key-0"]
    assert exported[0]["ended"] == "1970-01-01T00:01:00Z"
    assert exported[0]["agents"][0]["user"] == "anna"
    table = list(
        csv.DictReader(run("sessions", "export", *config, "--format", "csv").stdout.splitlines())
    )
    # No cell is a formula.
    assert (table[0]["visitorid"], table[0]["name"]) == ("'=v", "'=1+1")
    assert run("sessions", "erase", *config, "--visitor", "v-1").stdout == "Erased 2 sessions.\n"
    assert len(run("sessions", "list", *config).stdout.splitlines()) == 2
    still = run("sessions", "erase", *config, "--visitor", "=v")
    assert still.returncode == 1 and "still run" in still.stderr
    assert json.loads(run("sessions", "export", *config, "--visitor", "nobody").stdout) == []


def test_without_records_there_is_a_word_about_it(tmp_path: Path) -> None:
    path = tmp_path / "cobrowse.toml"
    path.write_text('[relay]\nstore = "memory:"\n')
    told = run("sessions", "list", "--config", str(path))
    assert told.returncode == 1 and "keeps no records" in told.stderr
    path.write_text(f'[relay]\nstore = "sqlite:///{tmp_path}"\n')
    told = run("sessions", "list", "--config", str(path))
    assert told.returncode == 1 and len(told.stderr.splitlines()) == 1


def settings(config_file: Path, *arguments: str, text: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of `cobrowse settings`."""
    command = [*COMMAND, "settings", *arguments, "--config", str(config_file)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_settings_go_out_and_come_in_as_the_same(home: Path) -> None:
    path = home / "cobrowse.toml"
    path.write_text(config_text(home, None))
    text = 'masked_pages = [\n    "/a*",\n]\n\n[terms]\ntext = "a\\r\\nb"\n'
    assert settings(path, "import", "-", "--publish", text=text)[:2] == (
        0,
        "Published as version 1.\n",
    )
    assert settings(path, "export") == (0, text, "")
    settings(path, "import", "-", text="")
    assert settings(path, "export", "--site", "staging") == (0, "", "")
    assert settings(path, "export")[1] == text
    assert settings(path, "publish", "--note", "all by default")[1] == "Published as version 2.\n"
    assert settings(path, "restore", "1")[1] == "Published as version 3.\n"
    assert settings(path, "export")[1] == text
    listed = settings(path, "list")[1].splitlines()
    assert [line.split()[0] for line in listed] == ["3", "2", "1"]
    assert "all by default" in listed[1] and "command (" in listed[2]


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (("import", "-"), "mask = 'all'", "-: mask: Invalid enum value"),
        (("restore", "7"), "", "has no version 7"),
        (("export", "--group", "8"), "", "there is no group 8 in the config file, but 12345"),
        (("password",), "short\n", "a password has 10 to 1,000 characters"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(
    home: Path, arguments: tuple[str, ...], text: str, message: str
) -> None:
    path = home / "cobrowse.toml"
    path.write_text(config_text(home, None))
    code, _, errors = settings(path, *arguments, text=text)
    assert code != 0 and message in errors and len(errors.splitlines()) == 1


def test_settings_of_the_config_file_are_changed_there(home: Path) -> None:
    path = home / "cobrowse.toml"
    path.write_text(config_text(home, 'mask = "text"'))
    assert settings(path, "export")[1] == 'mask = "text"\n'
    for arguments in (("import", "-"), ("publish",)):
        assert "stand in the config file" in settings(path, *arguments)[2]
