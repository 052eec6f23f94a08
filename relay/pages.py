"""The pages of an agent: viewer, console, and the plain page that says why neither is shown."""

import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay import auth
from relay.auth import AgentToken
from relay.errors import Refused, TooMuch
from relay.logins import Logins
from relay.metrics import REFUSED

AGENT_COOKIE: Final = "cobrowse_agent"
STATIC_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
# The viewer shows a page that a stranger wrote. Its copy inherits this policy: no script of it runs
# and nothing in it is fetched from anywhere; what it shows came through the socket.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src {assets} data: blob:; font-src {assets} data:; media-src data: blob:; "
    "connect-src 'self' {socket}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # An address may hold the login key: it goes to nobody.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Pages:
    """Answers an agent's requests for pages."""

    def __init__(self, secret: bytes, logins: Logins) -> None:
        self._secret, self._logins = secret, logins
        self._templates = Environment(loader=PackageLoader("relay"), autoescape=select_autoescape())

    async def viewer(self, request: Request) -> Response:
        """AgentView.aspx: the live copy of one session."""
        asked = parameters(request)
        key = asked.get("sessionkey") or asked.get("visitorid") or ""
        return await self._agent_page(request, asked, "viewer.html", key=key)

    async def console(self, request: Request) -> Response:
        """The sessions of the agent's group."""
        return await self._agent_page(request, parameters(request), "console.html")

    async def _agent_page(
        self, request: Request, asked: Mapping[str, str], template: str, key: str = ""
    ) -> Response:
        now = time.time()
        try:
            agent = await self._agent(request, asked, now)
        except TooMuch:
            message = "Too many wrong login keys came from your address. Try again in an hour."
            return self._page(request, "refused.html", 429, message=message)
        except Refused as refusal:
            REFUSED.labels(refusal.code).inc()
            return self._page(request, "refused.html", 403, message=refusal.message)
        token = auth.make_agent_token(agent, self._secret)
        boot = {"token": token, "key": key}
        response = self._page(request, template, 200, boot=boot, agent=agent, key=key)
        response.set_cookie(
            AGENT_COOKIE,
            token,
            path="/",
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    async def _agent(self, request: Request, asked: Mapping[str, str], now: float) -> AgentToken:
        """Who asks. A login key counts; without one, the cookie that an earlier one left.

        Raises: Refused, TooMuch.
        """
        if "loginkey" in asked:
            group, user = asked.get("partnerid", ""), asked.get("partneruserid", "")
            address = request.client.host if request.client else ""
            await self._logins.log_in(address, group, user, asked["loginkey"], now)
            expiry = int(now) + auth.AGENT_TOKEN_LIFETIME_S
            name = "".join(c for c in asked.get("name", "")[:63] if c.isprintable())
            return AgentToken(group, user, name, expiry)
        cookie = request.cookies.get(AGENT_COOKIE)
        if cookie is None:
            raise Refused("login", "You are not logged in. Open this page with your login key.")
        agent = auth.read_agent_token(cookie, self._secret, now)
        # A page that the cookie opens makes the login last no longer than it was made for.
        if asked.get("partnerid", agent.group) != agent.group:
            raise Refused("login", "You are logged in to another group. Use its login key.")
        self._logins.admit(agent.group, agent.user)
        return agent

    def _page(self, request: Request, template: str, status: int, **values: object) -> Response:
        text = self._templates.get_template(template).render(**values)
        socket_scheme = "wss" if request.url.scheme == "https" else "ws"
        host = request.url.netloc
        policy = _POLICY.format(
            socket=f"{socket_scheme}://{host}", assets=f"{request.url.scheme}://{host}/assets/"
        )
        return HTMLResponse(
            text,
            status,
            {
                "Content-Security-Policy": policy,
                "Cache-Control": "no-store",
            },
        )


class SecurityHeaders:
    """On every answer: not to be framed, sniffed or told of to other sites, unless it says so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def parameters(request: Request) -> dict[str, str]:
    """The query by lower-case name: integrations write the names in any case."""
    return {name.lower(): value for name, value in request.query_params.items()}


def load_static() -> dict[str, tuple[bytes, str]]:
    """name to (content, media type) of everything that the web build left for the relay."""
    found = {}
    for path in files("relay").joinpath("static").iterdir():
        suffix = path.name[path.name.rfind(".") :]
        if suffix in STATIC_TYPES:
            found[path.name] = (path.read_bytes(), STATIC_TYPES[suffix])
    return found
