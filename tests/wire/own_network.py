"""A network of the test's own, in which addresses of the internet are this machine's."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_APART = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
SHOP, OTHER, BROWSER = "93.184.216.34", "93.184.216.35", "10.0.0.2"
INSIDE = "10.0.0.1"
_NAMES = f"""\
127.0.0.1 localhost here.test
{INSIDE} inside.test
{SHOP} shop.test
{OTHER} other.test
"""


def run(scenario: Callable[[Path], None], folder: Path) -> None:
    """Run a function of a test's module in another process, which has that network."""
    if subprocess.run([*_APART, "ip", "link"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a network of their own")
    code = (
        f"import pathlib, {scenario.__module__} as module, {__name__} as network;"
        f"folder = pathlib.Path({str(folder)!r});"
        f"network.set_up(folder); module.{scenario.__name__}(folder)"
    )
    command = [*_APART, sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def set_up(folder: Path) -> None:
    hosts = folder / "hosts"
    hosts.write_text(_NAMES)
    call("ip", "link", "set", "lo", "up")
    for address in (SHOP, OTHER, BROWSER, INSIDE):
        call("ip", "address", "add", f"{address}/32", "dev", "lo")
    call("mount", "--bind", str(hosts), "/etc/hosts")


def lead_to(port: int) -> None:
    """What comes from the browser's address gets to the proxy, as on a router."""
    rule = f"-t nat -A OUTPUT -p tcp -s {BROWSER} -j REDIRECT --to-ports {port}"
    call("iptables", *rule.split())


def call(*command: str) -> None:
    subprocess.run(command, check=True)
