"""The command as a newcomer meets it: what it prints, how it ends, what it says when it cannot."""

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
from tests.stack import free_port, serving_origin

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


def test_the_demo_prints_two_addresses_that_work_and_ends_whole(home: Path) -> None:
    demo = Running("demo")
    try:
        visitor, agent = re.findall(r"http://\S+", demo.printed)
        assert visitor == f"http://127.0.0.1:{demo.port}/"
        assert agent.startswith(f"http://127.0.0.1:{demo.relay_port}/console?partnerid=")
        for url in (visitor, agent):
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
    check_login_key(group, "anna", login_key, {group: groups[group].api_key}, time.time())
    assert config.own_file() == path
    assert config.load(path)[1].groups == groups


def test_the_addons_path_is_a_file() -> None:
    assert Path(run("addon").stdout.strip()).is_file()


def test_help_fits_a_screen() -> None:
    shown = run("--help").stdout.splitlines()
    assert len(shown) <= 24 and max(map(len, shown)) <= 100
