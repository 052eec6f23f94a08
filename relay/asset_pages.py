"""The files of a session by HTTP: its visitor's page gives them, its agents' viewers ask for them.

Whoever knows a session's upload key is its visitor's page, or the proxy on its behalf; whoever
knows its address for agents is one of its agents. Every relay can check both.
"""

import asyncio
import hashlib
import re
import time
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from relay import auth
from relay.assets import FILE_CAP_BYTES, Asset, AssetError, AssetStore
from relay.visitor_pages import body_of

BATCH_CAP_BYTES: Final = 40 * 1024 * 1024
NAMES_CAP_BYTES: Final = 256 * 1024
BODY_TIMEOUT_S: Final = 60.0
# Named, and on its way: so long an agent's browser waits for it.
PATIENCE_S: Final = 8.0
_LOOK_S: Final = 0.05
_ID: Final = re.compile(r"[0-9a-f]{16}")
# What an image, a font or a style sheet may be called; all else is bytes that no browser shows.
_TYPES: Final = re.compile(
    r"(?:image/[a-z0-9.+-]{1,40}|font/[a-z0-9.+-]{1,40}|text/css"
    r"|application/(?:x-)?font-[a-z0-9-]{1,20}|application/vnd\.ms-fontobject)"
)
_HEADERS: Final = {
    # A drawing may hold scripts and links; a browser that is led to one runs and fetches nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}

AssetId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]


class File(msgspec.Struct, array_like=True, frozen=True):
    """One file from the proxy."""

    id: AssetId
    media_type: Annotated[str, Meta(max_length=100)]
    body: bytes


class Found(msgspec.Struct, array_like=True, frozen=True):
    """What the proxy has found of what a page named."""

    asked: Annotated[list[AssetId], Meta(max_length=200)]
    files: Annotated[list[File], Meta(max_length=1000)]


_found = msgspec.msgpack.Decoder(Found)
_named: msgspec.json.Decoder[dict[AssetId, str]] = msgspec.json.Decoder(
    Annotated[
        dict[AssetId, Annotated[str, Meta(max_length=8192)]],
        Meta(max_length=200),
    ]
)


class AssetPages:
    """Args: secret: the one that the upload keys are made with."""

    def __init__(self, store: AssetStore, secret: bytes) -> None:
        self._store, self._secret = store, secret

    async def name(self, request: Request) -> Response:
        """A page names files. Answers with the ids of those that it must give itself."""
        session = self._uploader(request)
        if session is None:
            return _refused()
        is_found = request.headers.get("content-type") == "application/msgpack"
        body = await body_of(
            request, BATCH_CAP_BYTES if is_found else NAMES_CAP_BYTES, BODY_TIMEOUT_S
        )
        try:
            # Without a proxy in front there are only names.
            found = _found.decode(body) if is_found else Found([*_named.decode(body)], [])
            for file in found.files:
                await self._store.put(session, file.id, _asset(file.media_type, file.body))
            missing = await self._store.missing(session, found.asked)
        except msgspec.DecodeError:
            return PlainTextResponse("A list of addresses is expected.\n", 400)
        except AssetError:
            return PlainTextResponse("Try again.\n", 503)
        return JSONResponse(missing, headers=_allowed(request))

    async def give(self, request: Request) -> Response:
        """A page gives one file, or says by an empty body that it cannot."""
        session = self._uploader(request)
        asset_id = request.query_params.get("id", "")
        if session is None or not _ID.fullmatch(asset_id):
            return _refused()
        body = await body_of(request, FILE_CAP_BYTES, BODY_TIMEOUT_S)
        if len(body) > FILE_CAP_BYTES:
            return PlainTextResponse("The file is too large.\n", 413)
        media_type = request.query_params.get("type", "")
        try:
            kept = await self._store.put(session, asset_id, _asset(media_type, body))
        except AssetError:
            return PlainTextResponse("Try again.\n", 503)
        if not kept:
            return PlainTextResponse("The session has no more room.\n", 413)
        return Response(None, 204, headers=_allowed(request))

    async def show(self, request: Request) -> Response:
        """A viewer asks for one file. It waits for what is on its way."""
        session = auth.read_asset_key(request.path_params["key"], "view", self._secret)
        asset_id = request.path_params["asset"]
        if session is None or not _ID.fullmatch(asset_id):
            return PlainTextResponse("Not found.\n", 404)
        until = time.monotonic() + PATIENCE_S
        try:
            while (asset := await self._store.get(session, asset_id)) is None:
                if time.monotonic() > until or await request.is_disconnected():
                    break
                await asyncio.sleep(_LOOK_S)
        except AssetError:
            return PlainTextResponse("Try again.\n", 503)
        if asset is None or asset.body is None:
            return PlainTextResponse("Not found.\n", 404)
        etag = f'"{hashlib.sha256(asset.body).hexdigest()[:32]}"'
        headers = {**_HEADERS, "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(None, 304, headers)
        return Response(asset.body, 200, headers, asset.media_type)

    def _uploader(self, request: Request) -> str | None:
        return auth.read_asset_key(request.query_params.get("key", ""), "upload", self._secret)


def _asset(media_type: str, body: bytes) -> Asset:
    kind = media_type.partition(";")[0].strip().lower()
    if not _TYPES.fullmatch(kind):
        kind = "application/octet-stream"
    return Asset(kind, body or None)


def _allowed(request: Request) -> dict[str, str]:
    """For pages of sites that carry the tag themselves."""
    origin = request.headers.get("origin", "")
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}


def _refused() -> Response:
    return PlainTextResponse("The key is not that of a session.\n", 403)
