"""The whole on free ports: an origin that keeps what it hears, and proxy and relay as processes."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from cobrowse import up
from cobrowse.demo.site import Bank, create_server
from cobrowse.processes import Processes
from cobrowse.processes import free_port as free_port
from relay.auth import make_login_key

GROUP = "12345"
API_KEY = "obviously-fake-api-key"
CONFIG = """
token_secret_file = "{folder}/token_secret"

[relay]
data_dir = "{folder}"

[groups.{group}]
api_key = "{api_key}"

{settings}
[groups.{group}.cookies]
visitorid = "customer_no"
name = "customer_name"
email = "customer_mail"
"""


def config_text(folder: Path, settings: str | None = 'mask = "none"') -> str:
    """A config file.

    settings: lines of the group's account settings; None leaves them to the store.
    """
    section = "" if settings is None else f"[groups.{GROUP}.settings]\n{settings}\n"
    return CONFIG.format(folder=folder, group=GROUP, api_key=API_KEY, settings=section)


@dataclass(frozen=True)
class Head:
    """The head of one request, as the origin got it."""

    line: str
    headers: tuple[tuple[str, str], ...]


@dataclass
class Origin:
    """The demo bank in a thread, with the heads of all requests it got."""

    server: ThreadingHTTPServer
    heads: list[Head] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@contextlib.contextmanager
def serving_origin() -> Iterator[Origin]:
    heads: list[Head] = []

    class RecordingBank(Bank):
        def parse_request(self) -> bool:
            parsed = super().parse_request()
            if parsed:
                heads.append(Head(self.requestline, tuple(self.headers.items())))
            return parsed

    server = create_server(0, RecordingBank)
    thread = threading.Thread(target=server.serve_forever, name="origin")
    thread.start()
    try:
        yield Origin(server, heads)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Stack:
    """Where everything is."""

    visitor_url: str
    relay_url: str
    group: str = GROUP
    processes: Processes = field(default_factory=Processes, repr=False)
    start_relay: Callable[[], None] = field(default=lambda: None, repr=False)

    def kill_relay(self) -> None:
        """As kill -9 does."""
        self.processes.kill("the relay")

    def login(self, user: str = "anna") -> str:
        """Query parameters that log an agent in."""
        key = make_login_key(self.group, user, API_KEY, int(time.time()) + 600)
        return f"partnerid={self.group}&partneruserid={user}&loginkey={quote(key)}"

    def agent_view(self, key: str, user: str = "anna") -> str:
        return f"{self.relay_url}/cobrowse/AgentView.aspx?SessionKey={key}&{self.login(user)}"


@contextlib.contextmanager
def running_stack(
    folder: Path,
    origin_url: str,
    *,
    more_config: str = "",
    ports: tuple[int, int] | None = None,
    settings: str | None = 'mask = "none"',
) -> Iterator[Stack]:
    """Proxy and relay in front of an origin.

    Args:
        ports: of both, for who must know them before.
        settings: lines of the group's account settings; None leaves them to the store.
    """
    config = folder / "cobrowse.toml"
    config.write_text(config_text(folder, settings) + more_config)
    port, relay_port = ports or (free_port(), free_port())
    processes = Processes()
    try:
        at, relay_at = ("127.0.0.1", port), ("127.0.0.1", relay_port)
        up.start(processes, str(config), origin_url, at, relay_at)
        yield Stack(
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{relay_port}",
            processes=processes,
            start_relay=lambda: up.start_relay(processes, str(config), relay_at, origin_url),
        )
    finally:
        processes.stop()
