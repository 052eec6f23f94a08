"""The pages of an agent: viewer, console, and before them a login, or what is wrong."""

import re
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay import auth
from relay.accounts.live import Accounts
from relay.auth import AgentToken
from relay.embedding import frame_ancestors, is_trusted
from relay.errors import Refused, TooMuch
from relay.fields import BadForm, fields_of
from relay.logins import Logins
from relay.metrics import REFUSED

AGENT_COOKIE: Final = "cobrowse_agent"
# The same in a frame of another site, where browsers take it only so; each site that has the frame
# has a cookie of its own.
FRAME_COOKIE: Final = "cobrowse_agent_frame"
STATIC_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
SESSION_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,50}")
MAX_NAME: Final = 63
RETRY_AFTER_S: Final = 3600
# What the login form hands on to the page that was asked for.
_FORMS: Final = ("login.html", "refused.html")
_KEPT: Final = ("sessionkey", "visitorid", "wait", "name", "email", "phone", "embedder")
# The viewer shows a page that a stranger wrote. Its copy inherits this policy: no script of it runs
# and nothing in it is fetched from anywhere; what it shows came through the socket.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src {assets} data: blob:; font-src {assets} data:; media-src data: blob:; "
    "connect-src 'self' {socket}; "
    "base-uri 'none'; form-action {forms}; frame-ancestors {ancestors}"
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

    def __init__(self, accounts: Accounts, secret: bytes, logins: Logins) -> None:
        self._accounts, self._secret, self._logins = accounts, secret, logins
        self._templates = Environment(loader=PackageLoader("relay"), autoescape=select_autoescape())

    async def viewer(self, request: Request) -> Response:
        """AgentView.aspx: the live copy of one session."""
        return await self._answer(request, "viewer.html")

    async def console(self, request: Request) -> Response:
        """The sessions of the agent's group."""
        return await self._answer(request, "console.html")

    async def _answer(self, request: Request, template: str) -> Response:
        try:
            asked = await fields_of(request)
        except BadForm as error:
            message = str(error)
            return self._page(request, {}, "refused.html", error.status, message=message)
        key = asked.get("sessionkey") or asked.get("visitorid") or ""
        asks = template == "viewer.html" and not SESSION_KEY.fullmatch(key)
        if asks and (key or "loginkey" not in asked):
            return self._ask(request, asked, key)
        now = time.time()
        try:
            agent = await self._agent(request, asked, now)
        except TooMuch:
            message = "Too many wrong login keys came from your address. Try again in an hour."
            return self._login(request, asked, 429, message)
        except Refused as refusal:
            REFUSED.labels(refusal.code).inc()
            return self._login(request, asked, 403, refusal.message)
        token = auth.make_agent_token(agent, self._secret)
        if asks:
            response = self._ask(request, asked, key)
            _keep_login(request, response, token)
            return response
        boot = {
            "token": token,
            "key": key,
            "wait": asked.get("wait", "") in ("1", "true"),
            "group": agent.group,
            "embedders": self._accounts.of(agent.group).embedders(),
        }
        response = self._page(
            request, asked, template, 200, group=agent.group, boot=boot, agent=agent, key=key
        )
        _keep_login(request, response, token)
        return response

    def _ask(self, request: Request, asked: Mapping[str, str], key: str) -> Response:
        """The form that asks for a session's key. key: what was given and is none, or ""."""
        status, message = 200, "Which session? Type the key that the visitor reads to you."
        if key:
            status = 400
            message = "A session key has 1 to 50 letters, digits, - and _. This one has not."
        return self._page(
            request, asked, "refused.html", status, message=message, asks=_kept(asked)
        )

    async def _agent(self, request: Request, asked: Mapping[str, str], now: float) -> AgentToken:
        """Who asks. A login key counts; without one, the cookie that an earlier one left.

        Raises: Refused, TooMuch.
        """
        if "loginkey" in asked:
            group, user = asked.get("partnerid", ""), asked.get("partneruserid", "")
            address = request.client.host if request.client else ""
            await self._logins.log_in(address, group, user, asked["loginkey"], now)
            expiry = int(now) + auth.AGENT_TOKEN_LIFETIME_S
            name = "".join(c for c in asked.get("name", "") if c.isprintable()).strip()[:MAX_NAME]
            return AgentToken(group, user, name, expiry)
        cookies = request.cookies
        cookie = cookies.get(AGENT_COOKIE) or cookies.get(FRAME_COOKIE)
        if cookie is None:
            raise Refused("login", "You are not logged in.")
        agent = auth.read_agent_token(cookie, self._secret, now)
        # A page that the cookie opens makes the login last no longer than it was made for.
        if asked.get("partnerid", agent.group) != agent.group:
            raise Refused("login", "You are logged in to another group. Use its login key.")
        self._logins.admit(agent.group, agent.user)
        return agent

    def _login(
        self, request: Request, asked: Mapping[str, str], status: int, message: str
    ) -> Response:
        """The form that asks for a login key, and then for the same page again."""
        kept = _kept(asked)
        if self._is_embedder(embedder := kept.get("embedder") or _referrer(request)):
            kept["embedder"] = embedder
        response = self._page(
            request,
            asked,
            "login.html",
            status,
            message=message,
            is_wrong="loginkey" in asked,
            kept=kept,
            partnerid=asked.get("partnerid", ""),
            partneruserid=asked.get("partneruserid", ""),
        )
        if status == 429:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response

    def _ancestors(self, request: Request, asked: Mapping[str, str], group: str) -> str:
        """Who may show a page in a frame: the sites of its group.

        Before it is known which group that is, the one that shows it, if it is any group's.
        """
        if group in self._accounts:
            return frame_ancestors(self._accounts.of(group).embedders())
        embedder = asked.get("embedder") or _referrer(request)
        return f"'self' {embedder}" if self._is_embedder(embedder) else "'self'"

    def _is_embedder(self, origin: str) -> bool:
        return bool(re.fullmatch(r"https?://[A-Za-z0-9._-]+(?::\d{1,5})?", origin)) and any(
            is_trusted(origin, self._accounts.of(group).embedders())
            for group in self._accounts.groups()
        )

    def _page(
        self,
        request: Request,
        asked: Mapping[str, str],
        template: str,
        status: int,
        *,
        group: str = "",
        **values: object,
    ) -> Response:
        text = self._templates.get_template(template).render(path=request.url.path, **values)
        socket_scheme = "wss" if request.url.scheme == "https" else "ws"
        host = request.url.netloc
        policy = _POLICY.format(
            socket=f"{socket_scheme}://{host}",
            assets=f"{request.url.scheme}://{host}/assets/",
            forms="'self'" if template in _FORMS else "'none'",
            ancestors=self._ancestors(request, asked, group or asked.get("partnerid", "")),
        )
        return HTMLResponse(
            text,
            status,
            {
                "Content-Security-Policy": policy,
                "Cache-Control": "no-store",
            },
        )


def _kept(asked: Mapping[str, str]) -> dict[str, str]:
    return {name: asked[name] for name in _KEPT if asked.get(name)}


def _referrer(request: Request) -> str:
    """The origin of the page that shows us in a frame; "" where it does not say."""
    if request.headers.get("sec-fetch-dest") != "iframe":
        return ""
    try:
        url = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return ""
    return f"{url.scheme}://{url.netloc}" if url.netloc else ""


def _keep_login(request: Request, response: Response, token: str) -> None:
    """By https a frame of another site may have a cookie too, if it is apart from all others."""
    secure = request.url.scheme == "https"
    response.set_cookie(AGENT_COOKIE, token, path="/", httponly=True, samesite="lax", secure=secure)
    if secure and request.headers.get("sec-fetch-dest") == "iframe":
        cookie = f"{FRAME_COOKIE}={token}; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"
        response.headers.append("Set-Cookie", cookie)


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


def load_static() -> dict[str, tuple[bytes, str]]:
    """name to (content, media type) of everything that the web build left for the relay."""
    found = {}
    for path in files("relay").joinpath("static").iterdir():
        suffix = path.name[path.name.rfind(".") :]
        if suffix in STATIC_TYPES:
            found[path.name] = (path.read_bytes(), STATIC_TYPES[suffix])
    return found
