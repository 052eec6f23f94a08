"""Co-browsing on anybody's site: the proxy in forward mode, and a browser that goes through it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cobrowse.processes import STOP_TIMEOUT_S, StartError, die_with_parent

BROWSERS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "microsoft-edge",
)
# A process that is being killed may still write.
REMOVALS: Final = 30
_MAC: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


@dataclass(frozen=True)
class Forward:
    """The proxy in forward mode.

    include: further pages. folder: of the authority's files. asks: for the password, if one is set.
    recording: folder where the proxy keeps what becomes of pages; None, it keeps nothing.
    """

    include: list[str]
    folder: Path
    asks: bool = True
    recording: Path | None = None


def include_of(hosts: Sequence[str]) -> list[str]:
    """Hosts as `include` has them. Raises: StartError."""
    for host in hosts:
        if "/" in host or not host:
            raise StartError(f"--include takes a host, as shop.test or *.shop.test, not {host!r}")
    return [f"{_in_ascii(host)}/*" for host in hosts]


def _in_ascii(host: str) -> str:
    """A host as browsers ask for it. Raises: StartError."""
    try:
        return host.lower() if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise StartError(f"{host!r} is no name of a host") from error


def site_of(url: str) -> tuple[str, list[str]]:
    """An address to open, and the hosts that belong to it. Raises: StartError."""
    whole = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(whole)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+", host):
        # What may be a password stands before the last @.
        raise StartError(f"no address of a page: {url.rpartition('@')[2]!r}")
    host = _in_ascii(host)
    is_name = not host.replace(".", "").isdigit() and ":" not in host
    bare = host.removeprefix("www.")
    return whole, [host] if not is_name or "." not in bare else [bare, f"*.{bare}"]


def find_browser(given: str | None) -> str:
    """Chromium, Chrome or Edge of this machine. Raises: StartError."""
    if given:
        found = shutil.which(given)
        if not found:
            raise StartError(f"there is no browser at {given}")
        return found
    for name in (*BROWSERS, *_MAC):
        if found := shutil.which(name):
            return found
    for path in sorted(_playwrights(), reverse=True):
        return str(path)
    raise StartError("no Chromium was found: apt install chromium, or give --browser PATH")


def _playwrights() -> Iterator[Path]:
    base = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or "~/.cache/ms-playwright"
    yield from Path(base).expanduser().glob("chromium-*/chrome-linux*/chrome")


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that is gone at the end of the block."""
    folder = tempfile.mkdtemp(prefix="cobrowse-")
    try:
        yield Path(folder)
    finally:
        _remove(folder)


def flags(pin: str) -> list[str]:
    """Arguments of a browser that trusts one key, stays quiet, and works for root, too."""
    return [
        f"--ignore-certificate-errors-spki-list={pin}",
        "--disable-quic",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        # Chromium refuses to run as root with its sandbox.
        *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]


@contextlib.contextmanager
def browsing(
    browser: str, url: str, proxy: str, pin: str, profile: Path, extra: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A browser with a profile of its own, which trusts one key and nothing else that is new.

    At the end of the block it ends, with all its processes.

    Args: proxy: http://host:port. profile: folder, made where it is not there. extra: further
        arguments.
    Raises: StartError.
    """
    arguments = [
        f"--user-data-dir={profile}",
        f"--proxy-server={proxy}",
        # Sites of this machine go through the proxy, too.
        "--proxy-bypass-list=<-loopback>",
        *flags(pin),
        *extra,
        url,
    ]
    try:
        process = subprocess.Popen(
            [browser, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except OSError as error:
        raise StartError(f"{browser} cannot be started: {error.strerror}") from error
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        # What it has started may live a little longer, and write into the profile.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _remove(folder: str) -> None:
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.1)
