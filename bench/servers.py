"""The servers that bench.relay measures, each a process (or more) on a core of its own."""

import contextlib
import os
import runpy
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from bench import load
from bench.dialects import ORIGIN, Dialect
from proxy_addon import token as proxy_token
from relay import auth
from tests.services import running_redis
from tests.stack import GROUP, config_text, free_port

T = TypeVar("T")

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
NODE: Final = HERE / "node"
READY_S: Final = 30.0
PRIORITY: Final = -10  # where we may: what else runs on this machine shall wait
# Tokens are minted before the clock runs, and the longest row lasts some minutes.
TOKEN_AHEAD_S: Final = 3600
# What our relay needs in its config file so that it is measured, and not its limits.
MORE_CONFIG: Final = ""


@dataclass(frozen=True)
class Server:
    """A server that answers: its processes, and where its two sides connect."""

    dialect: Dialect
    pids: tuple[int, ...]
    visitor_port: int
    agent_port: int
    secret: bytes = b""

    def plan(self, sessions: int, uses: int = 1) -> load.Plan:
        """What a load generator must know. uses: of each visitor's tokens, one per connection."""
        tokens: list[list[str]] = []
        agent_token = ""
        if self.secret:
            tokens = [_visitor_tokens(self.secret, uses) for _ in range(sessions)]
            agent = auth.AgentToken(GROUP, "anna", "Anna", int(time.time()) + TOKEN_AHEAD_S)
            agent_token = auth.make_agent_token(agent, self.secret)
        return load.Plan(
            dialect=self.dialect,
            visitor_port=self.visitor_port,
            agent_port=self.agent_port,
            pids=self.pids,
            visitor_tokens=tokens,
            agent_token=agent_token,
        )

    def rss_kb(self) -> int:
        return sum(_rss_kb(pid) for pid in self.pids)


class Target(Protocol):
    """One way to set a relay up."""

    @property
    def name(self) -> str: ...

    def running(self) -> contextlib.AbstractContextManager[Server]:
        """Start it, and stop it at the end of the block."""
        ...


class Ours:
    """The relay of this checkout, alone, as `cobrowse relay` starts it."""

    name = "ours"

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        secret = secrets.token_hex(32).encode()
        with _relay(secret) as (pid, port):
            yield Server("cobrowse", (pid,), port, port, secret)


class Two:
    """Two of them over one Redis: visitors at the first, agents at the second."""

    name = "two relays"

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        secret = secrets.token_hex(32).encode()
        with running_redis() as redis:
            lines = f'broker = "{redis.url}"\nstore = "memory:"'
            with _relay(secret, lines) as (a, visitors), _relay(secret, lines) as (b, agents):
                yield Server("cobrowse", (a, b), visitors, agents, secret)


class Peer:
    """A server of bench/node."""

    def __init__(self, name: Dialect, script: str) -> None:
        self.name: Dialect = name
        self._script = NODE / script

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        node = _node()
        port = free_port()
        with _process([node, str(self._script), str(port)], port) as pid:
            yield Server(self.name, (pid,), port, port)


@contextlib.contextmanager
def _relay(secret: bytes, lines: str = "") -> Iterator[tuple[int, int]]:
    """One relay. lines: of its section. Yields its process id and its port."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "token_secret").write_bytes(secret)
        config = Path(folder) / "cobrowse.toml"
        text = config_text(Path(folder)).replace("[relay]\n", f"[relay]\n{lines}\n")
        config.write_text(text + MORE_CONFIG)
        port = free_port()
        command = [sys.executable, "-m", "cobrowse", "relay", "--config", str(config)]
        with _process([*command, "--relay-listen", f"127.0.0.1:{port}"], port) as pid:
            yield pid, port


TARGETS: Final[tuple[Target, ...]] = (
    Ours(),
    Peer("socket.io", "socketio.js"),
    Peer("ws", "ws.js"),
)


class Load:
    """A running load generator with a server's plan."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def open(self, sessions: int) -> load.Opened:
        return self._ask(load.Open(sessions), load.Opened)

    def join(self) -> load.Opened:
        return self._ask(load.Join(), load.Opened)

    def idle(self, seconds: float) -> load.Idled:
        return self._ask(load.Idle(seconds), load.Idled)

    def stream(self, asked: load.Stream) -> load.Streamed:
        return self._ask(asked, load.Streamed)

    def reconnect(self, within_s: float) -> load.Reconnected:
        return self._ask(load.Reconnect(within_s), load.Reconnected)

    def tell(self, line: load.Plan | load.Command) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(line) + b"\n")
        self._process.stdin.flush()

    def _ask(self, command: load.Command, kind: type[T]) -> T:
        assert self._process.stdout is not None
        self.tell(command)
        line = self._process.stdout.readline()
        if not line:
            sys.exit("The load generator has ended; what it printed says why.")
        return msgspec.json.decode(line, type=kind)


@contextlib.contextmanager
def loading(plan: load.Plan) -> Iterator[Load]:
    """A load generator, on the core that the servers do not use."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=_on_core(-1),
    )
    try:
        generator = Load(process)
        generator.tell(plan)
        yield generator
    finally:
        process.kill()
        process.communicate()


def install_peers() -> None:
    """Install what bench/node asks for, once."""
    if not (NODE / "node_modules").is_dir():
        print("Installing the servers to compare with ...", flush=True)
        command = [*_npm(), "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
        subprocess.run(command, cwd=NODE, env={**os.environ, "PATH": path}, check=True)


@contextlib.contextmanager
def _process(command: Sequence[str], port: int) -> Iterator[int]:
    """A server on the first core, from when it answers. Yields its process id."""
    process = subprocess.Popen(command, cwd=ROOT, preexec_fn=_on_core(0))
    try:
        deadline = time.monotonic() + READY_S
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"did not start: {' '.join(command)}")
            time.sleep(0.05)
        yield process.pid
    finally:
        # Thousands of closing handshakes with clients that are gone are nothing to wait for.
        process.send_signal(signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def _on_core(index: int) -> Callable[[], None]:
    """What a child does before it runs: one core of its own where there are two, many sockets."""
    cores = sorted(os.sched_getaffinity(0))

    def prepare() -> None:
        load.raise_open_files()
        os.sched_setaffinity(0, {cores[index]})
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)

    return prepare


def _visitor_tokens(secret: bytes, count: int) -> list[str]:
    visitor = secrets.token_urlsafe(32)
    return [
        proxy_token.mint(
            secret=secret,
            group=GROUP,
            origin=ORIGIN,
            visitor=visitor,
            identity={"name": "Niels Bohr"},
            now=time.time() + TOKEN_AHEAD_S,
            token_id=secrets.token_urlsafe(16),
        )
        for _ in range(count)
    ]


def _rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _npm() -> list[str]:
    command: list[str] = runpy.run_path(str(ROOT / "web" / "build.py"))["npm_command"]()
    return command


def _node() -> str:
    return str(Path(_npm()[0]).with_name("node"))
