"""The relay's process: its parts, routes, life and listener."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from relay import logs, wire
from relay.account import AccountSettings
from relay.asset_pages import AssetPages
from relay.assets import AssetStore
from relay.assets.memory import MemoryAssets
from relay.assets.redis import RedisAssets
from relay.broker import Broker, BrokerError
from relay.broker.memory import MemoryBroker
from relay.broker.redis import RedisBroker
from relay.errors import Close, SetupError
from relay.forwarded import Forwarded
from relay.health import Health
from relay.hub import Hub
from relay.limits import Connections
from relay.logins import Logins
from relay.pages import Pages, SecurityHeaders, load_static
from relay.protocol import FrameProtocol, HttpProtocol
from relay.records import Records
from relay.registry import Caps, GroupRules
from relay.service.asmx import SessionService
from relay.service.finder import Finder
from relay.service.rest import RestService
from relay.session import Limits
from relay.settings import GroupSettings, Settings, split_listen
from relay.sockets import AgentSocket, VisitorSocket
from relay.store import Store, StoreError
from relay.store.memory import MemoryStore
from relay.store.sql import SqlStore
from relay.visitor_pages import AGENT_API, TAG_STUB, VISITOR_SCRIPTS, VisitorPages, file_response

logger = logging.getLogger(__name__)

PING_S: Final = 5.0
STORE_FILE: Final = "sessions.db"


class Relay:
    """All parts of one relay. Raises: SetupError."""

    def __init__(self, settings: Settings) -> None:
        static = load_static()
        needed = (*VISITOR_SCRIPTS, TAG_STUB, AGENT_API, "viewer.js", "console.js", "plain.js")
        missing = [name for name in needed if name not in static]
        if missing:
            raise SetupError(f"the web build has not been run: {', '.join(missing)} missing")
        secret = settings.secret()
        limits = settings.relay.limits
        self.store = make_store(settings)
        self.broker = _make_broker(settings.relay.broker)
        self.assets = _make_assets(settings.relay.broker)
        self.records = Records(self.store, settings.relay.keep_days * 86_400)
        self.hub = Hub(
            self.store,
            self.broker,
            self.records,
            self.assets,
            {group: _rules(values, secret) for group, values in settings.groups.items()},
            Caps(limits.sessions, limits.sessions_per_address),
        )
        self.health = Health(settings, self.hub, self.broker, self.records)
        logins = Logins(settings, self.store)
        pages = Pages(settings, secret, logins)
        visitors = VisitorPages(settings, secret, static)
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

        visitor_socket = VisitorSocket(self.hub, secret, limits, connections, self.broker)
        agent_socket = AgentSocket(
            self.hub, secret, limits, connections, logins, settings.relay.public_url
        )
        self._sockets = {"/visitor/socket": visitor_socket, "/agent/socket": agent_socket}
        self._pages = Starlette(
            routes=[
                Route("/", home),
                Route("/healthz", self.health.healthz),
                Route("/readyz", self.health.readyz),
                Route("/metrics", self.health.metrics),
                Route("/console", pages.console, methods=["GET", "POST"]),
                Route("/cobrowse/AgentView.aspx", pages.viewer, methods=["GET", "POST"]),
                Route("/agentjoin/AgentView.aspx", pages.viewer, methods=["GET", "POST"]),
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
            await self.hub.open()
        except (BrokerError, StoreError, TimeoutError) as error:
            raise SetupError(f"the broker or the store gives no answer: {error}") from error

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
            ):
                tasks.start_soon(_keep_doing, work, name=work.__name__)
            yield
            tasks.cancel_scope.cancel()
        await self.close()


class Server(uvicorn.Server):
    """uvicorn, letting go of all sessions first when it stops."""

    def __init__(self, config: uvicorn.Config, relay: Relay) -> None:
        super().__init__(config)
        self._relay = relay

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await self._relay.open()
        await super().serve(sockets)  # type: ignore[arg-type]

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await self._relay.hub.drain()
        await super().shutdown(sockets)  # type: ignore[arg-type]


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


def _rules(group: GroupSettings, secret: bytes) -> GroupRules:
    account: AccountSettings = group.settings
    return GroupRules(
        limits=Limits(account.waiting_s, account.away_s, account.idle_s, account.longest_s),
        rules=wire.Rules(
            mask=account.mask,
            selectors=[element.selector for element in account.masked_elements],
            pages=account.masked_pages,
            title=account.mask_title,
            query=account.mask_query,
            canvas_fps=account.canvas_fps,
        ),
        replaces=group.key_conflict == "replace",
        max_sessions=group.max_sessions,
        asset_secret=secret if account.assets else b"",
        pointer=account.agent_pointer,
    )


def run(settings: Settings) -> None:
    """Serve until interrupted. Raises: SetupError."""
    logs.set_up(settings.relay.log)
    relay = Relay(settings)
    host, port = split_listen(settings.relay.listen)
    config = uvicorn.Config(
        Forwarded(relay, settings.relay.trusted_peers),
        host=host,
        port=port,
        http=HttpProtocol,
        loop="uvloop",
        ws=FrameProtocol,
        ws_max_size=wire.MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=2 * PING_S,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=3,
    )
    Server(config, relay).run()
