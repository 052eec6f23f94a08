"""What visitors ask for by HTTP: scripts, a group's settings, what a page's own tag needs."""

import asyncio
import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from relay import auth
from relay.account import AccountSettings, Site
from relay.accounts.live import Accounts
from relay.fields import parameters
from relay.settings import Settings

# Everything else under /static is for agents.
VISITOR_SCRIPTS: Final = ("loader.js", "capture.js", "ui.js")
TAG_STUB: Final = "tag.js"
AGENT_API: Final = "agent.js"
BODY_TIMEOUT_S: Final = 10.0
MAX_BODY_BYTES: Final = 64
_PLACEHOLDER: Final = "__COBROWSE__"
_OWN_SECRET: Final = re.compile(rb"[0-9a-f]{32}")


class VisitorPages:
    """Answers visitors' pages. Nothing here needs a login: it is public, or the page's own.

    Args: static: name to (content, media type) of the built scripts.
    """

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        secret: bytes,
        static: Mapping[str, tuple[bytes, str]],
    ) -> None:
        self._settings, self._accounts = settings, accounts
        self._secret, self._static = secret, static

    async def script(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in VISITOR_SCRIPTS:
            return PlainTextResponse("Not found.\n", 404)
        return file_response(request, *self._static[name])

    async def settings(self, request: Request) -> Response:
        """What of a group's account settings visitors' pages need."""
        asked = parameters(request)
        group = asked.get("group", "")
        if group not in self._accounts:
            return PlainTextResponse("There is no such group.\n", 404)
        shown = public(self._accounts.of(group, _site(asked)))
        return file_response(request, msgspec.json.encode(shown), "application/json")

    async def token(self, request: Request) -> Response:
        """A visitor token for a page that carries the tag itself, and holds a secret of its own.

        Where the proxy stands in front, the proxy answers this path.
        """
        origin = request.headers.get("origin", "")
        group = parameters(request).get("group", "")
        known = self._settings.groups.get(group)
        body = await body_of(request, MAX_BODY_BYTES, BODY_TIMEOUT_S)
        if known is None or not known.tags or not re.fullmatch(r"https?://[^\s/]+", origin):
            return PlainTextResponse("Tags of this group are not accepted.\n", 403)
        if not _OWN_SECRET.fullmatch(body):
            return PlainTextResponse("The body must be the visitor's own secret.\n", 400)
        token = auth.make_visitor_token(
            group,
            origin,
            hashlib.sha256(b"tag:" + body).hexdigest(),
            self._secret,
            time.time(),
            secrets.token_urlsafe(16),
        )
        allowed = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return PlainTextResponse(token, headers={"Cache-Control": "no-store", **allowed})

    async def tag(self, request: Request) -> Response:
        """CobrowseJS.ashx: the script of a tag that a site carries itself, or the Agent API."""
        asked = parameters(request)
        group = asked.get("group") or asked.get("groupid") or ""
        script = asked.get("script", "")
        if script not in ("", "Agent"):
            return PlainTextResponse("There is no such script.\n", 404)
        if group not in self._settings.groups:
            return PlainTextResponse("There is no such group.\n", 404)
        base = self._settings.relay.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        if script == "Agent":
            return self.placed(request, AGENT_API, {"viewer": base})
        config: dict[str, object] = {
            "base": f"{base}/visitor/",
            "group": group,
            "site": _site(asked),
            "socket": re.sub("^http", "ws", base) + "/visitor/socket",
            "identity": {},
            "tag": True,
        }
        return self.placed(request, TAG_STUB, config)

    def placed(self, request: Request, name: str, config: dict[str, object]) -> Response:
        """A script with its configuration in it."""
        script, media_type = self._static[name]
        text = script.decode().replace(_PLACEHOLDER, json.dumps(config))
        return file_response(request, text.encode(), media_type)


def _site(asked: Mapping[str, str]) -> Site:
    """Which copy of the settings a page has asked for."""
    return "staging" if asked.get("site") == "staging" else "production"


def file_response(request: Request, content: bytes, media_type: str) -> Response:
    """A file. With its own digest in the address it never changes; else browsers ask each time."""
    digest = hashlib.sha256(content).hexdigest()[:16]
    etag = f'"{digest}"'
    lasts = request.query_params.get("v") == digest
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if lasts else "no-cache",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(None, 304, headers)
    return Response(content, 200, headers, f"{media_type}; charset=utf-8")


async def body_of(request: Request, cap_bytes: int, timeout_s: float) -> bytes:
    """A body, or as much of it as is too much; b"" if it takes too long or its sender goes."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > cap_bytes:
                    break
    except (TimeoutError, ClientDisconnect):
        return b""
    return bytes(body)


def public(account: AccountSettings) -> dict[str, object]:
    """Without what is hidden, which visitors' pages get only for a session."""
    names = ("trusted_domains", "terms_first", "language", "share_interface", "button", "terms")
    version = hashlib.sha256(msgspec.json.encode(account.terms)).hexdigest()[:16]
    return {**{name: getattr(account, name) for name in names}, "terms_version": version}
