"""The relay's process: its parts, routes, life and listener."""

import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from relay import logs, wire
from relay.accounts.admins import Admins, has_password, make_token
from relay.accounts.live import Accounts
from relay.accounts.pages import PATH as SETTINGS_PATH
from relay.accounts.pages import SettingsPages
from relay.accounts.texts import BadSettings
from relay.accounts.trial import Trial
from relay.asset_pages import AssetPages
from relay.assets import AssetStore
from relay.assets.memory import MemoryAssets
from relay.assets.redis import RedisAssets
from relay.broker import Broker, BrokerError
from relay.broker.memory import MemoryBroker
from relay.broker.redis import RedisBroker
from relay.errors import Close, SetupError
from relay.forwarded import Forwarded
from relay.groups import GroupsNow
from relay.health import Health
from relay.hub import Hub
from relay.limits import Connections
from relay.logins import Logins
from relay.pages import Pages, SecurityHeaders, load_static
from relay.protocol import FrameProtocol, HttpProtocol
from relay.records import Records
from relay.registry import Caps
from relay.service.asmx import SessionService
from relay.service.finder import Finder
from relay.service.rest import RestService
from relay.settings import Settings, split_listen
from relay.sockets import AgentSocket, VisitorSocket
from relay.store import Store, StoreError
from relay.store.memory import MemoryStore
from relay.store.sql import SqlStore
from relay.visitor_pages import AGENT_API, TAG_STUB, VISITOR_SCRIPTS, VisitorPages, file_response

logger = logging.getLogger(__name__)

PING_S: Final = 5.0
STORE_FILE: Final = "sessions.db"
# AgentJoin asks for the key; with one it is the same page.
VIEWER_PATHS: Final = (
    "/cobrowse/AgentView.aspx",
    "/agentjoin/AgentView.aspx",
    "/agentjoin/AgentJoin.aspx",
)
OWN_SCRIPTS: Final = ("viewer.js", "console.js", "plain.js", "settings.js", "preview.js")


class Relay:
    """All parts of one relay. Raises: SetupError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        static = load_static()
        needed = (*VISITOR_SCRIPTS, TAG_STUB, AGENT_API, *OWN_SCRIPTS)
        missing = [name for name in needed if name not in static]
        if missing:
            raise SetupError(f"the web build has not been run: {', '.join(missing)} missing")
        secret = settings.secret()
        limits = settings.relay.limits
        self.store = make_store(settings)
        self.broker = _make_broker(settings.relay.broker)
        self.assets = _make_assets(settings.relay.broker)
        self.accounts = Accounts(
            {group: values.settings for group, values in settings.groups.items()},
            self.store.accounts,
        )
        self.records = Records(self.store, settings.relay.keep_days * 86_400)
        self.hub = Hub(
            self.store,
            self.broker,
            self.records,
            self.assets,
            GroupsNow(settings.groups, self.accounts, secret),
            Caps(limits.sessions, limits.sessions_per_address),
        )
        self.health = Health(settings, self.hub, self.broker, self.records)
        logins = Logins(settings, self.store)
        pages = Pages(self.accounts, secret, logins)
        visitors = VisitorPages(settings, self.accounts, secret, static)
        finder = Finder(self.hub, logins, settings.relay.public_url)
        soap, rest = SessionService(finder), RestService(finder)
        assets = AssetPages(self.assets, secret)
        connections = Connections(limits.connections, limits.connections_per_address)

        async def script(request: Request) -> Response:
            found = static.get(request.path_params["name"])
            return (
                file_response(request, *found) if found else PlainTextResponse("Not found.\n", 404)
            )

        async def home(_: Request) -> Response:
            return RedirectResponse("/console")

        async def to_settings(_: Request) -> Response:
            return RedirectResponse(SETTINGS_PATH)

        visitor_socket = VisitorSocket(self.hub, secret, limits, connections, self.broker)
        agent_socket = AgentSocket(
            self.hub, secret, limits, connections, logins, settings.relay.public_url
        )
        admins = Admins(self.store.accounts, logins, secret)
        trial = Trial(_sites(settings))
        changing = SettingsPages(self.accounts, self.store.accounts, admins, trial, visitors)
        # On a listener of its own there is nothing else, and here nothing of it.
        self.settings_pages = Starlette(
            routes=[
                Route("/", to_settings),
                Route("/static/{name}", script),
                *changing.routes(),
            ],
            middleware=[Middleware(SecurityHeaders)],
        )
        self._sockets = {"/visitor/socket": visitor_socket, "/agent/socket": agent_socket}
        self._pages = Starlette(
            routes=[
                Route("/", home),
                Route("/healthz", self.health.healthz),
                Route("/readyz", self.health.readyz),
                Route("/metrics", self.health.metrics),
                Route("/console", pages.console, methods=["GET", "POST"]),
                *(Route(path, pages.viewer, methods=["GET", "POST"]) for path in VIEWER_PATHS),
                Route("/static/{name}", script),
                Route("/assets/{key}/{asset}", assets.show),
                Route("/visitor/assets", assets.name, methods=["POST"]),
                Route("/visitor/asset", assets.give, methods=["POST"]),
                Route("/visitor/settings", visitors.settings),
                Route("/visitor/token", visitors.token, methods=["POST"]),
                Route("/visitor/{name}", visitors.script),
                Route("/cobrowse/CobrowseJS.ashx", visitors.tag),
                Route("/services/{service}", soap.service, methods=["GET", "POST"]),
                Route("/services/{service}/{method}", soap.method, methods=["GET", "POST"]),
                Route("/api/v1/openapi.json", rest.openapi),
                Route("/api/v1/sessions", rest.sessions),
                Route("/api/v1/sessions/{id}", rest.session),
                *([] if settings.relay.settings_listen else changing.routes()),
            ],
            middleware=[Middleware(SecurityHeaders)],
            lifespan=self._life,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app. Sockets live long and are many: nothing stands before them."""
        if scope["type"] != "websocket":
            await self._pages(scope, receive, send)
        elif (socket := self._sockets.get(scope["path"])) is not None:
            await socket(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": int(Close.MALFORMED)})

    async def open(self) -> None:
        """Raises: SetupError."""
        try:
            await self.store.open()
        except StoreError as error:
            raise SetupError(f"the store cannot be opened: {error}") from error
        try:
            await self.accounts.look()
            await self.hub.open()
        except BadSettings as error:
            raise SetupError(f"account settings in the store: {error}") from error
        except (BrokerError, StoreError, TimeoutError) as error:
            raise SetupError(f"the broker or the store gives no answer: {error}") from error

    async def tell_of_settings(self) -> None:
        """In a terminal: how to log in to the settings page, where nobody could yet."""
        relay = self._settings.relay
        is_needed = any(not self.accounts.is_fixed(group) for group in self.accounts.groups())
        if relay.settings_listen == "off" or not is_needed or not sys.stdout.isatty():
            return
        if not await has_password(self.store.accounts):
            url = f"http://{relay.settings_listen}" if relay.settings_listen else relay.url()
            token = await make_token(self.store.accounts)
            print(f"  Settings {url}{SETTINGS_PATH}  token, once: {token}", flush=True)

    async def close(self) -> None:
        """After all sockets are closed."""
        await self.records.write_once()
        await self.assets.close()
        await self.broker.close()
        await self.store.close()

    @contextlib.asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        hub = self.hub
        async with anyio.create_task_group() as tasks:
            for work in (
                hub.sweep,
                hub.announce,
                hub.beat,
                hub.keep_company,
                self.records.write,
                self.records.expire,
                self.health.watch,
                self.accounts.keep_current,
            ):
                tasks.start_soon(_keep_doing, work, name=work.__name__)
            yield
            tasks.cancel_scope.cancel()
        await self.close()


class Server(uvicorn.Server):
    """uvicorn, letting go of all sessions first when it stops.

    Args: aside: another server of the same process, which goes when this one goes.
    """

    def __init__(self, config: uvicorn.Config, relay: Relay, aside: "Aside | None") -> None:
        super().__init__(config)
        self._relay, self._aside = relay, aside

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await self._relay.open()
        await self._relay.tell_of_settings()
        async with anyio.create_task_group() as tasks:
            if self._aside:
                tasks.start_soon(self._aside.serve, name="settings page")
            await super().serve(sockets)  # type: ignore[arg-type]
            if self._aside:
                self._aside.should_exit = True

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            logger.info("the relay listens on %s:%d", self.config.host, self.config.port)

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await self._relay.hub.drain()
        await super().shutdown(sockets)  # type: ignore[arg-type]


class Aside(uvicorn.Server):
    """A second server in one process, which leaves the signals to the first.

    Args: at: host:port. Raises: SetupError where another program listens there.
    """

    def __init__(self, config: uvicorn.Config, at: str) -> None:
        super().__init__(config)
        host, port = split_listen(at)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            reason = error.strerror or error
            raise SetupError(f"the settings page cannot listen on {at}: {reason}") from error

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super().serve([self._socket])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _keep_doing(work: Callable[[], Awaitable[None]]) -> None:
    """A fault in one task must not end it: sockets would be served by half a relay."""
    while True:
        try:
            await work()
            return
        except Exception:
            logger.exception("the task %s has failed and begins anew", work.__name__)
            await anyio.sleep(1.0)


def make_store(settings: Settings) -> Store:
    """The store of the config. Raises: SetupError."""
    url = settings.relay.store
    if url == "memory:":
        return MemoryStore()
    if not url or url.startswith("sqlite:"):
        path = url.removeprefix("sqlite:///") or str(settings.data_dir() / STORE_FILE)
        try:
            # It holds names and mail addresses: for nobody else on this machine.
            os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise SetupError(f"cannot make the store {path}: {error}") from error
        url = f"sqlite:///{path}"
    return SqlStore(url)


def _make_broker(url: str) -> Broker:
    return MemoryBroker() if url == "memory:" else RedisBroker(url)


def _make_assets(broker_url: str) -> AssetStore:
    """Where the relays find each other's sessions, they find their files too."""
    return MemoryAssets() if broker_url == "memory:" else RedisAssets(broker_url)


def _sites(settings: Settings) -> dict[str, str]:
    """URL of each site behind the proxy, by the host that visitors know; "" for any."""
    single = {"": settings.proxy.origin} if settings.proxy.origin else {}
    return {**single, **settings.proxy.origins}


def run(settings: Settings, *, quiet: bool = False) -> None:
    """Serve until interrupted. quiet: log warnings alone. Raises: SetupError."""
    logs.set_up(settings.relay.log, quiet=quiet)
    if settings.relay.cert and not os.path.isfile(settings.relay.cert):
        raise SetupError(f"relay.cert: there is no file {settings.relay.cert}")
    relay = Relay(settings)

    def listening(app: ASGIApp, at: str, **more: Any) -> uvicorn.Config:
        host, port = split_listen(at)
        return uvicorn.Config(
            Forwarded(app, settings.relay.trusted_peers),
            host=host,
            port=port,
            loop="uvloop",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=3,
            ssl_certfile=settings.relay.cert or None,
            **more,
        )

    main = listening(
        relay,
        settings.relay.listen,
        http=HttpProtocol,
        ws=FrameProtocol,
        ws_max_size=wire.MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=2 * PING_S,
    )
    apart = settings.relay.settings_listen
    aside = (
        Aside(listening(relay.settings_pages, apart, lifespan="off", ws="none"), apart)
        if apart not in ("", "off")
        else None
    )
    Server(main, relay, aside).run()
