"""A visitor's page in a stack of its own, and agents without a browser who join its sessions."""

import contextlib
import json
import re
import secrets
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.browser.visiting import visiting
from tests.stack import Origin, Stack, running_stack

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


_SETTINGS = """
mask = "none"
trusted_domains = ["localhost"]
language = "en"
"""


@pytest.fixture(scope="module")
def api_stack(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("api"), origin.url, settings=_SETTINGS) as stack:
        yield stack


@pytest.fixture
def page(browser: Browser, api_stack: Stack) -> Iterator[Page]:
    with visiting(browser, api_stack) as page:
        yield page


@pytest.fixture
def join(api_stack: Stack) -> Iterator[Join]:
    with joining(api_stack) as join:
        yield join
