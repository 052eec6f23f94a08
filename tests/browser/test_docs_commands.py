"""Every command that the docs show, as they show it, from the wheel in its own environment."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cobrowse import cli
from tests.browser.conftest import chromium_path
from tests.browser.pages import respond
from tests.services import Service, running_postgres
from tests.stack import GROUP, config_text, free_port
from tests.wheel import ROOT, Environment, build, make_environment
from tests.wire.raw import raw_server

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "certs" / "README.md"]
DOCS += sorted((ROOT / "docs").glob("*.md"))
TIMEOUT_S = 60.0
# By how they begin: what no test can run, and where else it is looked at.
LEFT_OUT = {
    "make test": "it runs this",
    "systemctl": "needs systemd as the first process; tests/wire/test_deploy.py verifies the units",
    "docker": "needs Docker; tests/wire/test_deploy.py lints, tests/wire/test_topology.py runs it",
    "cp deploy/": "changes the machine; tests/wire/test_deploy.py names the units",
}
# What goes on until it is stopped, and what it says once it serves.
STAYS = {
    "make run": "Ctrl-C",
    "cobrowse up": "Ctrl-C",
    "cobrowse browse": "Agent",
    "cobrowse relay": "the relay listens on",
    "mitmdump": "listening at",
}
# Status codes other than 0 that are right.
ENDS_WITH = {
    "cobrowse check": (0, 1),  # a grade
    "cobrowse loginkey --config": (1,),  # of a key that is refused
}


PAGE = respond(
    '<!doctype html><meta charset="utf-8"><title>Shop</title><a href="/account">Account</a>'
)


@dataclass(frozen=True)
class Shown:
    """A command in the docs."""

    where: str
    text: str

    def starts(self, table: Mapping[str, object]) -> str | None:
        return next((name for name in table if self.text.startswith(name)), None)


def all_shown() -> Iterator[Shown]:
    """All commands: of blocks that are sh, and behind the prompt of those that are console."""
    for path in DOCS:
        name = str(path.relative_to(ROOT))
        for block in re.finditer(r"^```(sh|console)\n(.*?)^```", path.read_text(), re.S | re.M):
            lines = block[2].replace("\\\n", " ").splitlines()
            if block[1] == "console":
                lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
            for line in lines:
                yield Shown(name, re.sub(r"\s+", " ", re.sub(r"\s+# .*", "", line)))


COMMANDS = list(all_shown())


@dataclass(frozen=True)
class Machine:
    """A machine that has the wheel, a config file with a group, and a site to stand in front of."""

    environment: Environment
    wheel: Path
    site: str
    postgres: Service

    def own(self, command: str) -> str:
        """A command with this machine's addresses and folders in place of the docs'."""
        folder = self.environment.folder
        for theirs, ours in {
            "make run": "cobrowse demo",
            "http://legacy.example": self.site,
            "https://shop.example": self.site,
            "browse shop.example": f"browse {self.site}",
            "https://relay.example": f"http://{self.relay}",
            "/opt/cobrowse": str(folder / "venv"),
            "cobrowse_proxy-0.1.0-py3-none-any.whl": str(self.wheel),
            "cobrowse-proxy[check]": f"{self.wheel}[check]",
            "/etc/cobrowse/": "",
            "/var/lib/cobrowse": str(folder),
            "postgresql://cobrowse@postgres/cobrowse": self.postgres.url,
        }.items():
            command = command.replace(theirs, ours)
        return command

    @property
    def relay(self) -> str:
        """Where it listens: host:port."""
        text = (self.environment.folder / "cobrowse.toml").read_text()
        return text.partition('[relay]\nlisten = "')[2].partition('"')[0]

    @contextlib.contextmanager
    def started(self, command: str, says: str) -> Iterator[None]:
        """Something that goes on; ended by what Ctrl-C sends, and then gone."""
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=self.environment.folder,
            env=self.environment.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        watchdog = threading.Timer(TIMEOUT_S, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        try:
            printed = []
            for line in process.stdout:
                printed.append(line)
                if says in line:
                    break
            else:
                pytest.fail("".join(printed))
            yield
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=30)
            assert process.returncode in (0, -signal.SIGINT), "".join(printed)
        finally:
            watchdog.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    wheel = build(folder)
    environment = make_environment(folder)
    installed = environment.run(f"pip install --quiet '{wheel}[check]'")
    assert installed.returncode == 0, installed.stderr
    environment.add_program("chromium", f'exec {chromium_path()} --headless "$@"')
    # What comes without --config, and what the docs call cobrowse.toml.
    at, relay_at = free_port(), free_port()
    text = f'[proxy]\nlisten = "127.0.0.1:{at}"\nrelay = "http://127.0.0.1:{relay_at}"\n'
    settings = config_text(folder, None).replace(
        "[relay]\n", f'{text}\n[relay]\nlisten = "127.0.0.1:{relay_at}"\n'
    )
    for path in (folder / "cobrowse.toml", folder / ".local/share/cobrowse/cobrowse.toml"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(settings)
    proxys = folder / ".mitmproxy" / "config.yaml"
    proxys.parent.mkdir()
    proxys.write_text(f"listen_port: {at}\n")
    (folder / "cookies.txt").write_text("sid=obviously-fake\n")
    for number in range(3):  # versions of the account settings
        done = environment.run(f"cobrowse settings publish --note {number}")
        assert done.returncode == 0, done.stderr
    with raw_server() as site, running_postgres() as postgres:
        site.answers_and_closes(PAGE)
        yield Machine(environment, wheel, site.url, postgres)


@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if not command.starts(LEFT_OUT)],
    ids=lambda command: f"{command.where}: {command.text}",
)
def test_a_command_of_the_docs_does_what_it_should(command: Shown, machine: Machine) -> None:
    own = machine.own(command.text)
    program = own.split()[0]
    if not shutil.which(program, path=machine.environment.variables["PATH"]):
        pytest.skip(f"this machine has no {program}")
    if says := command.starts(STAYS):
        with machine.started(own, STAYS[says]):
            pass
        return
    with contextlib.ExitStack() as running:
        if program == "curl":
            up = machine.own("cobrowse up --origin http://legacy.example")
            running.enter_context(machine.started(up, STAYS["cobrowse up"]))
        done = machine.environment.run(own)
    expected = ENDS_WITH.get(command.starts(ENDS_WITH) or "", (0,))
    assert done.returncode in expected, f"{own}\n{done.stdout}{done.stderr}"


def test_all_commands_are_found_and_none_hides() -> None:
    assert len(COMMANDS) > 25
    for name in (*LEFT_OUT, *STAYS, *ENDS_WITH):
        assert any(command.text.startswith(name) for command in COMMANDS), name
    # In blocks without a language, or set in by spaces, they would be missed.
    words = r"(?:\$ )?(?:cobrowse|make|pip|python3?|mitmdump|curl|docker|systemctl|pg_\w+|sqlite3) "
    for path in DOCS:
        text = re.sub(r"^```(?:sh|console)\n.*?^```", "", path.read_text(), flags=re.S | re.M)
        blocks = re.findall(r"^```\w*\n.*?^```", text, re.S | re.M)
        indented = re.findall(r"\n\n(?: {4}.*\n)+", text)
        for block in (*blocks, *indented):
            assert not re.search(rf"^\s*{words}", block, re.M), f"{path}: {block}"


def test_the_docs_group_is_the_machines() -> None:
    assert f"--group {GROUP}" in " ".join(command.text for command in COMMANDS)


def test_inline_commands_are_ones_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Their options too; what they do is shown in blocks."""
    inline = set()
    for path in DOCS:
        text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.S | re.M)
        inline |= set(re.findall(r"`cobrowse ((?:[a-z]+ ?)+(?:--[a-z-]+)?)[^`]*`", text))
    assert len(inline) > 10
    for line in sorted(inline):
        words = [word for word in line.split() if not word.startswith("--")]
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "--help"])
        printed = capsys.readouterr().out
        assert ended.value.code == 0, f"cobrowse {line}"
        for option in re.findall(r"--[a-z-]+", line):
            assert option in printed, f"cobrowse {line}"
