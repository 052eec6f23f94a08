"""Start the parts as processes of their own, wait until they answer, and end them all together."""

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

READY_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 8.0
_POLL_S: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1


class StartError(Exception):
    """Something cannot be started; says what the user can do."""


def check_free(host: str, port: int, option: str) -> None:
    """Raises: StartError when another program listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"cannot listen on {host}:{port}: {error.strerror}. "
                f"Choose another address with {option} host:port."
            ) from error


def free_port() -> int:
    """A port of this machine alone that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """Child processes that live and die together.

    When one ends by itself, or this process is told to stop, all are ended; on Linux they also end
    when this process is killed outright.
    """

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, command: Sequence[str], log: Path | None = None, told: str = ""
    ) -> None:
        """
        Args:
            log: file for what it prints, in place of our own output.
            told: what it finds on its standard input.
        """
        with contextlib.ExitStack() as files:
            output = files.enter_context(log.open("wb")) if log else None
            child = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.PIPE if told else None,
                stdout=output,
                preexec_fn=die_with_parent,
            )
            self._children[name] = child
            if told and child.stdin:
                child.stdin.write(told.encode())
                child.stdin.close()

    def wait_ready(self, host: str, port: int, name: str) -> None:
        """Until a part accepts connections. Raises: StartError when it ends or takes too long."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            self.raise_if_one_ended()
            with contextlib.suppress(OSError), socket.create_connection((host, port), 1.0):
                return
            time.sleep(_POLL_S)
        raise StartError(f"{name} did not answer on {host}:{port} in {READY_TIMEOUT_S:.0f} s")

    def wait(self) -> NoReturn:
        """Until interrupted (KeyboardInterrupt) or a part ends. Raises: StartError for the last."""
        while True:
            self.raise_if_one_ended()
            time.sleep(_POLL_S * 4)

    def wait_for(self, other: subprocess.Popen[bytes]) -> None:
        """Until another program ends by itself. Raises: as wait()."""
        while other.poll() is None:
            self.raise_if_one_ended()
            time.sleep(_POLL_S * 4)

    def pid(self, name: str) -> int:
        return self._children[name].pid

    def kill(self, name: str) -> None:
        """End one at once, with no chance to put anything in order."""
        child = self._children.pop(name)
        child.kill()
        child.wait()

    def stop(self) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for child in self._children.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def raise_if_one_ended(self) -> None:
        """Raises: StartError."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise StartError(f"{name} has ended (exit status {child.returncode})")


@contextlib.contextmanager
def running() -> Iterator[Processes]:
    """Processes that are stopped at the end of the block, whatever ends it.

    SIGTERM and SIGINT end the block as KeyboardInterrupt; while it ends, more of them change
    nothing, so that no child is left.
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    processes = Processes()
    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield processes
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        processes.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def die_with_parent() -> None:
    """In the child, before it runs: Linux ends it when the parent is gone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
