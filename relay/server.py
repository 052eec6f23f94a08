"""The relay's process: routes, life and listener."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from relay import wire
from relay.account import AccountSettings
from relay.errors import SetupError
from relay.hub import Hub
from relay.pages import Pages, load_static
from relay.session import Limits
from relay.settings import Settings, split_listen
from relay.sockets import AgentSocket, VisitorSocket
from relay.visitor_pages import TAG_STUB, VISITOR_SCRIPTS, VisitorPages, file_response

PING_S: Final = 5.0


def create_app(settings: Settings) -> Starlette:
    """The relay as an ASGI app. Raises: SetupError."""
    static = load_static()
    needed = (*VISITOR_SCRIPTS, TAG_STUB, "viewer.js", "console.js")
    missing = [name for name in needed if name not in static]
    if missing:
        raise SetupError(f"the web build has not been run: {', '.join(missing)} missing")
    secret = settings.secret()
    accounts = {group: values.settings for group, values in settings.groups.items()}
    hub = Hub(
        limits={group: Limits(a.waiting_s, a.away_s) for group, a in accounts.items()},
        rules={group: _rules(account) for group, account in accounts.items()},
    )
    pages = Pages(settings, secret)
    visitors = VisitorPages(settings, secret, static)
    agent_groups = {group for group, values in settings.groups.items() if values.api_key}

    async def script(request: Request) -> Response:
        found = static.get(request.path_params["name"])
        return file_response(request, *found) if found else PlainTextResponse("Not found.\n", 404)

    async def home(_: Request) -> Response:
        return RedirectResponse("/console")

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(hub.sweep(), name="sweep"),
                tasks.create_task(hub.announce(), name="announce"),
            ]
            yield
            for task in running:
                task.cancel()

    app = Starlette(
        routes=[
            Route("/", home),
            Route("/healthz", health),
            Route("/console", pages.console),
            Route("/cobrowse/AgentView.aspx", pages.viewer),
            Route("/agentjoin/AgentView.aspx", pages.viewer),
            Route("/static/{name}", script),
            Route("/visitor/settings", visitors.settings),
            Route("/visitor/token", visitors.token, methods=["POST"]),
            Route("/visitor/{name}", visitors.script),
            Route("/cobrowse/CobrowseJS.ashx", visitors.tag),
            WebSocketRoute("/visitor/socket", VisitorSocket(hub, secret)),
            WebSocketRoute("/agent/socket", AgentSocket(hub, secret, agent_groups)),
        ],
        lifespan=life,
    )
    app.state.hub = hub
    return app


def _rules(account: AccountSettings) -> wire.Rules:
    return wire.Rules(
        mask=account.mask,
        selectors=[element.selector for element in account.masked_elements],
        pages=account.masked_pages,
        title=account.mask_title,
        query=account.mask_query,
    )


class Server(uvicorn.Server):
    """uvicorn, telling the peers first when it stops."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        self._hub.close_all()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def run(settings: Settings) -> None:
    """Serve until interrupted. Raises: SetupError."""
    app = create_app(settings)
    host, port = split_listen(settings.relay.listen)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        loop="uvloop",
        ws="websockets-sansio",
        ws_max_size=wire.MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=2 * PING_S,
        proxy_headers=True,
        forwarded_allow_ips=settings.relay.trusted_peers,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=3,
    )
    Server(config, app.state.hub).run()
