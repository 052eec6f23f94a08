"""Forward mode's gate: where a connection leads, and that nobody gets behind this machine."""

import asyncio
import socket
from typing import Any, Final

from proxy_addon.forward import is_public

RESOLVE_TIMEOUT_S: Final = 10.0


class Refused(Exception):
    """Nobody is led there; says why."""


async def lead(host: str, port: int, *, may_be_private: bool, is_own_port: bool) -> str:
    """The address to connect to in place of a name, which may lead elsewhere the next time.

    Args: is_own_port: the proxy listens on this port of some address of this machine.
    Raises: Refused.
    """
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except (OSError, TimeoutError, UnicodeError) as error:
        raise Refused(f"{host} cannot be found") from error
    if is_own_port and any(_is_here(family, address) for family, *_, address in found):
        raise Refused(f"{host}:{port} is this proxy itself")
    addresses = [str(address[0]) for *_, address in found]
    if not may_be_private and not all(map(is_public, addresses)):
        raise Refused("private addresses are refused, unless include names them")
    return addresses[0]


def _is_here(family: int, address: tuple[Any, ...]) -> bool:
    """Whether an address is one of this machine: nobody can bind another's."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address[0], 0, *address[2:]))
        except OSError:
            return False
    return True
