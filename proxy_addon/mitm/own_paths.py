"""Our own paths on a site: the token, the way to another site, and what the relay answers."""

import asyncio
import logging
import secrets
import time
from collections.abc import Container, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from mitmproxy.http import Headers, HTTPFlow

from proxy_addon import cookies, identity, naming, page, take, token
from proxy_addon.fields import Values, by_name, tokens, without
from proxy_addon.keeper import Keeper
from proxy_addon.mitm.flows import assets_of, has_body, plain, visitor_origin
from proxy_addon.origins import address_of, host_and_port
from proxy_addon.paths import Ours
from proxy_addon.settings import CookieSource, Settings

logger = logging.getLogger(__name__)

PROBE_TIMEOUT_S: Final = 1.0
PROBE_GOOD_FOR_S: Final = 1.0
# What the relay must never see of the site, and what would let the socket compress twice.
_NOT_FOR_THE_RELAY: Final = frozenset(
    {b"cookie", b"authorization", b"proxy-authorization", b"referer", b"sec-websocket-extensions"}
    | {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
)
# In a flow's metadata: whose files it names.
NAMED: Final = "cobrowse_named"
# The visitor's requests to the relay that have a body.
_POSTED: Final = frozenset({Ours.ASSETS, Ours.ASSET})


class OwnPaths:
    """Answers them, by one reading of the config file."""

    def __init__(
        self,
        loaded: Settings,
        sources: Mapping[str, Mapping[str, CookieSource]],
        keeper: Keeper,
        sites: Container[str],
    ) -> None:
        """Args: sources: of identities, by group. sites: that a session may go on at."""
        self._settings, self._sources, self._keeper, self._sites = loaded, sources, keeper, sites
        self._relay_was_up_at = float("-inf")

    async def answer(self, flow: HTTPFlow, ours: Ours) -> None:
        values = by_name(flow.request.headers.fields)
        if ours in _POSTED and self._may_post(flow, values, ours):
            await self._send_to_relay(flow, values, ours)
        elif has_body(flow.request, values):
            # No other of ours has one, and mitmproxy would keep it all before it answered.
            flow.kill()  # type: ignore[no-untyped-call, unused-ignore]
        elif ours is Ours.TOKEN:
            self._answer_token(flow, values)
        elif ours is Ours.TAKE:
            self._take(flow, values)
        elif ours is Ours.UNKNOWN or not await self._send_to_relay(flow, values, ours):
            flow.response = plain(404, "Not found.\n")

    def _may_post(self, flow: HTTPFlow, values: Values, ours: Ours) -> bool:
        """Whether a page of this site names files, or gives one, of a size that can be taken."""
        limit = self._settings.proxy.assets.file_mb * 1024 * 1024
        if ours is Ours.ASSETS:
            limit = naming.MAX_NAMED_BYTES
        length = page.length_of(values)
        origin, _ = self._visitor_origin(flow, values)
        return (
            flow.request.method == "POST"
            and "transfer-encoding" not in values
            and length is not None
            and length <= limit
            and values.get("origin") == origin
        )

    async def fill_in(self, flow: HTTPFlow) -> None:
        """Put files in the place of their names."""
        visitor = flow.metadata.pop(NAMED)
        try:
            named = naming.read_named(flow.request.raw_content or b"")
            query = dict(parse_qsl(urlsplit(flow.request.path).query))
            # Some have to be decoded: that must not hold up other visitors' pages.
            found = await asyncio.to_thread(
                self._keeper.found,
                visitor,
                query.get("key", ""),
                named,
                time.monotonic(),
                again="again" in query,
            )
            flow.request.raw_content = naming.packed(found)
            flow.request.headers["Content-Length"] = str(len(flow.request.raw_content))
            flow.request.headers["Content-Type"] = "application/msgpack"
        except ValueError:
            flow.response = plain(400, "A list of addresses is expected.\n")
        except Exception:
            logger.exception("cobrowse: files are not given to the relay after an error of ours")
            flow.response = plain(503, "Try again.\n")

    async def _send_to_relay(self, flow: HTTPFlow, values: Values, ours: Ours) -> bool:
        """Point a request at the relay. False where the path is not asked for in the right way."""
        request = flow.request
        is_upgrade = "websocket" in tokens(values.get("upgrade", ""))
        method = "POST" if ours in _POSTED else "GET"
        if request.method != method or is_upgrade != (ours is Ours.SOCKET):
            return False
        if ours is not Ours.SOCKET and not await self._relay_is_up():
            if ours in _POSTED:
                flow.response = plain(503, "The relay does not answer.\n")
                return True
            if ours is Ours.SETTINGS:
                flow.response = plain(200, "null", "application/json")
                return True
            # An error status would stand in the console of a page that is not ours. The stub sees
            # that nothing was loaded, and tells whoever starts a session.
            flow.response = plain(200, "", "text/javascript")
            return True
        if ours is Ours.ASSETS:
            flow.metadata[NAMED] = assets_of(cookies.read(request.headers.fields))
        request.stream = ours is Ours.ASSET
        origin, _ = self._visitor_origin(flow, values)
        peer = flow.client_conn.peername[0]
        if peer in self._settings.proxy.trusted_peers:
            peer = values.get("x-forwarded-for") or peer
        query = request.path.partition("?")[2]
        request.scheme, request.host, request.port = address_of(self._settings.proxy.relay)
        request.path = f"/visitor/{ours.value}" + (f"?{query}" if query else "")
        kept = Headers(without(request.headers.fields, _NOT_FOR_THE_RELAY))
        kept["X-Forwarded-For"] = peer
        kept["X-Forwarded-Proto"] = urlsplit(origin).scheme
        kept["X-Forwarded-Host"] = urlsplit(origin).netloc
        request.headers = kept
        request.host_header = host_and_port(request.scheme, request.host, request.port)
        return True

    async def _relay_is_up(self) -> bool:
        if time.monotonic() - self._relay_was_up_at < PROBE_GOOD_FOR_S:
            return True
        _, host, port = address_of(self._settings.proxy.relay)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except (OSError, TimeoutError):
            logger.warning("cobrowse: the relay at %s does not answer", self._settings.proxy.relay)
            return False
        self._relay_was_up_at = time.monotonic()
        return True

    def _answer_token(self, flow: HTTPFlow, values: Values) -> None:
        origin, host = self._visitor_origin(flow, values)
        group = self._settings.group_for(host)
        try:
            secret = self._settings.secret_path().read_bytes().strip()
        except OSError as error:
            logger.warning("cobrowse: no visitor token, the secret cannot be read: %s", error)
            secret = b""
        sent = cookies.read(flow.request.headers.fields)
        query = dict(parse_qsl(urlsplit(flow.request.path).query))
        sources = self._sources[group[0]] if group else {}
        values_found = identity.from_cookies(sent, sources)
        answer = token.answer(
            method=flow.request.method,
            values=values,
            sent=sent,
            origin=origin,
            group=group[0] if group else "",
            identity=values_found,
            levels=identity.levels(values_found, sources),
            secret=secret,
            path=self._settings.proxy.prefix,
            domain=query.get("domain", ""),
            now=time.time(),
            make_random=secrets.token_urlsafe,
        )
        flow.response = plain(answer.status, answer.text)
        if answer.set_cookie:
            flow.response.headers["Set-Cookie"] = answer.set_cookie

    def _take(self, flow: HTTPFlow, values: Values) -> None:
        """Leave a session's ticket here, and lead on."""
        origin, _ = self._visitor_origin(flow, values)
        way = take.take(
            flow.request.path,
            values.get("referer", ""),
            self._sites,
            secure=origin.startswith("https:"),
        )
        if way is None:
            flow.response = plain(404, "Not found.\n")
            return
        flow.response = plain(302, "")
        flow.response.headers["Location"] = way.location
        if way.set_cookie:
            flow.response.headers["Set-Cookie"] = way.set_cookie

    def _visitor_origin(self, flow: HTTPFlow, values: Values) -> tuple[str, str]:
        return visitor_origin(flow, values, self._settings.proxy.trusted_peers)
