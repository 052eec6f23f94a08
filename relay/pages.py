"""The pages of an agent: viewer, console, and the plain page that says why neither is shown."""

import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from relay import auth
from relay.auth import AgentToken
from relay.errors import Refused
from relay.settings import Settings

AGENT_COOKIE: Final = "cobrowse_agent"
STATIC_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
# The viewer shows a page that a stranger wrote. Its copy inherits this policy: no script of it runs
# and nothing in it is fetched from anywhere; what it shows came through the socket.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; media-src data: blob:; connect-src 'self' {socket}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Pages:
    """Answers an agent's requests for pages."""

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self._api_keys = {group: g.api_key for group, g in settings.groups.items()}
        self._secret = secret
        self._templates = Environment(loader=PackageLoader("relay"), autoescape=select_autoescape())

    async def viewer(self, request: Request) -> Response:
        """AgentView.aspx: the live copy of one session."""
        asked = parameters(request)
        key = asked.get("sessionkey") or asked.get("visitorid") or ""
        return self._agent_page(request, asked, "viewer.html", key=key)

    async def console(self, request: Request) -> Response:
        """The sessions of the agent's group."""
        return self._agent_page(request, parameters(request), "console.html")

    def _agent_page(
        self, request: Request, asked: Mapping[str, str], template: str, key: str = ""
    ) -> Response:
        now = time.time()
        try:
            agent = self._agent(request, asked, now)
        except Refused as refusal:
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

    def _agent(self, request: Request, asked: Mapping[str, str], now: float) -> AgentToken:
        """Who asks. A login key counts; without one, the cookie that an earlier one left."""
        if "loginkey" in asked:
            group, user = asked.get("partnerid", ""), asked.get("partneruserid", "")
            auth.check_login_key(group, user, asked["loginkey"], self._api_keys, now)
            expiry = int(now) + auth.AGENT_TOKEN_LIFETIME_S
            return AgentToken(group, user, asked.get("name", "")[:63], expiry)
        cookie = request.cookies.get(AGENT_COOKIE)
        if cookie is None:
            raise Refused("login", "You are not logged in. Open this page with your login key.")
        agent = auth.read_agent_token(cookie, self._secret, now)
        # A page that the cookie opens makes the login last no longer than it was made for.
        same_group = asked.get("partnerid", agent.group) == agent.group
        if not same_group or not self._api_keys.get(agent.group):
            raise Refused("login", "You are logged in to another group. Use its login key.")
        return agent

    def _page(self, request: Request, template: str, status: int, **values: object) -> Response:
        text = self._templates.get_template(template).render(**values)
        socket_scheme = "wss" if request.url.scheme == "https" else "ws"
        policy = _POLICY.format(socket=f"{socket_scheme}://{request.url.netloc}")
        return HTMLResponse(
            text,
            status,
            {
                "Content-Security-Policy": policy,
                "Cache-Control": "no-store",
                # The address may hold the login key: it goes to nobody.
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            },
        )


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
