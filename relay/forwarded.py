"""What a trusted proxy says of a request: the visitor's or agent's address, and the URL asked for.

Where both kinds of headers come, X-Forwarded-* counts: a proxy that knows only these hands on a
Forwarded header that anybody may have made up.
Source: RFC 7239, sections 4 and 7.4 (the element added last is the trusted proxy's own).
"""

import re
from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_PAIR: Final = re.compile(r'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^;,"]*))')


class Forwarded:
    """Puts the URL asked for into a request's scheme and Host, where a trusted peer tells it.

    The client's address, and the scheme by X-Forwarded-Proto, are uvicorn's own work behind this.
    """

    def __init__(self, app: ASGIApp, trusted_peers: Sequence[str]) -> None:
        self._app = ProxyHeadersMiddleware(app, list(trusted_peers))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else ""
            if peer in self._app.trusted_hosts:
                _apply(scope)
        await self._app(scope, receive, send)  # type: ignore[arg-type]


def _apply(scope: Scope) -> None:
    fields: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name.startswith((b"x-forwarded-", b"forwarded")):
            fields[name] = value.decode("latin-1")  # of several the last: nearest to us
    host = _last(fields.get(b"x-forwarded-host", ""))
    port = _last(fields.get(b"x-forwarded-port", ""))
    if not any(name.startswith(b"x-") for name in fields) and b"forwarded" in fields:
        said = read_forwarded(fields[b"forwarded"])
        host = said.get("host", "")
        if (scheme := said.get("proto", "").lower()) in ("http", "https"):
            scope["scheme"] = scheme
    if not _HOST.fullmatch(host):
        return
    if port.isascii() and port.isdecimal() and len(port) <= 5 and not re.search(r":\d+\Z", host):
        host = host if port in ("80", "443") else f"{host}:{port}"
    kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
    scope["headers"] = [(b"host", host.encode()), *kept]


def read_forwarded(value: str) -> dict[str, str]:
    """The parameters of the last element of a Forwarded header, by lower-case name."""
    said: dict[str, str] = {}
    at = 0
    for pair in _PAIR.finditer(value):
        if "," in value[at : pair.start()]:
            said = {}
        name, quoted, token = pair.groups()
        said[name.lower()] = token.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = pair.end()
    return said if "," not in value[at:] else {}


def _last(value: str) -> str:
    return value.rpartition(",")[2].strip()
