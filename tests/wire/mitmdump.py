"""Plain mitmdump with the addon, between the test's own servers."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cobrowse.processes import Processes
from tests.stack import free_port

MITMDUMP = str(Path(sys.executable).with_name("mitmdump"))


@contextlib.contextmanager
def mitmdump(
    folder: Path, config: Path, origin: str, *more: str, log: Path | None = None
) -> Iterator[int]:
    """Plain mitmdump with the addon, as the README starts it; yields its port.

    Args: origin: URL of the site. more: mitmproxy options, as name=value. log: gets what it prints.
    """
    command = [sys.executable, "-m", "cobrowse", "addon"]
    addon = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    port = free_port()
    settings = ["block_global=false", f"cobrowse_config={config}", f"confdir={folder}", *more]
    processes = Processes()
    quiet = [] if log else ["-q"]
    processes.start(
        "mitmdump",
        [
            *(MITMDUMP, *quiet, "-s", addon),
            *("--mode", f"reverse:{origin}"),
            *("--listen-host", "127.0.0.1", "--listen-port", str(port)),
            *(part for setting in settings for part in ("--set", setting)),
        ],
        log,
    )
    try:
        processes.wait_ready("127.0.0.1", port, "mitmdump")
        yield port
    finally:
        processes.stop()
