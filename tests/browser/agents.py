"""Agents without a browser, for tests of what visitors' pages are told."""

import contextlib
import json
import re
import secrets
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.stack import Stack

# Of a session's key.
Join = Callable[..., ClientConnection]


@contextlib.contextmanager
def joining(stack: Stack) -> Iterator[Join]:
    """Join sessions; all connections end with the block."""
    with contextlib.ExitStack() as open_ones:

        def join(key: str, user: str = "anna") -> ClientConnection:
            with urllib.request.urlopen(stack.agent_view(key, user)) as response:
                boot = re.search(r'id="boot"[^>]*>(.*?)</script>', response.read().decode())
            assert boot is not None
            connection = open_ones.enter_context(
                connect(
                    stack.relay_url.replace("http", "ws") + "/agent/socket",
                    subprotocols=[Subprotocol("cobrowse.1")],
                    compression=None,
                )
            )
            token = json.loads(boot[1].replace("&#34;", '"'))["token"]
            hello = {"type": "join", "token": token, "key": key, "end": secrets.token_hex(8)}
            connection.send(json.dumps(hello))
            return connection

        yield join


def hears(agent: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message = agent.recv(timeout=10)
        if isinstance(message, str):
            decoded: dict[str, Any] = json.loads(message)
            if decoded["type"] == kind:
                return decoded
