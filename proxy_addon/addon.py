"""The mitmproxy addon: the only file here that knows mitmproxy.

mitmdump loads it as a script, so imports are absolute and the package must be installed.
It decides nothing about bytes itself: policy, splicing and header edits are pure modules beside it.
"""

import asyncio
import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

import msgspec
from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.http import Headers, HTTPFlow, Response
from mitmproxy.net.http import url as mitm_url
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from proxy_addon import cookies, csp, headers, identity, policy, settings, token
from proxy_addon.coding import Body, body_for
from proxy_addon.fields import get, tokens, without
from proxy_addon.paths import Ours, classify
from proxy_addon.snippet import SnippetMaker
from proxy_addon.splice import Splicer

logger = logging.getLogger(__name__)

BUFFERED_UPLOAD_BYTES: Final = 1024 * 1024
PROBE_TIMEOUT_S: Final = 1.0
PROBE_GOOD_FOR_S: Final = 1.0
# What the relay must never see of the site, and what would let the socket compress twice.
_NOT_FOR_THE_RELAY: Final = frozenset(
    {b"cookie", b"authorization", b"proxy-authorization", b"referer", b"sec-websocket-extensions"}
    | {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
)
_STANDARD_PORTS: Final = {"http": 80, "https": 443}
_TO_ORIGIN: Final = frozenset({b"origin", b"referer"})
_FROM_ORIGIN: Final = frozenset({b"location", b"content-location"})
_VISITOR_COOKIE_VALUE: Final = re.compile(rb"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Visit:
    """One request to the site: what the response hook needs to know of it."""

    origin: str  # scheme://host[:port] as the visitor's browser sees it
    upstream: str  # the same of the site behind
    group: str  # "" where no group is set for the host
    site: str
    identity: dict[str, str]
    reason: str  # policy.SPLICE, or why this response stays as it is


_VISIT: Final = "cobrowse_visit"


class Cobrowse:
    """Splices the snippet into pages and hands the visitor paths to the relay."""

    def __init__(self) -> None:
        self.settings = settings.Settings()
        self.counts: Counter[str] = Counter()
        self._snippets: SnippetMaker | None = None
        self._keep_host = False
        self._relay_was_up_at = float("-inf")

    # -- life ------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        loader.add_option("cobrowse_config", str, "", "Path of cobrowse.toml.")
        loader.add_option("cobrowse_relay", str, "", "URL of the relay, over the config file's.")

    def configure(self, updated: set[str]) -> None:
        if not {"cobrowse_config", "cobrowse_relay"} & updated:
            return
        try:
            loaded = settings.load(ctx.options.cobrowse_config)
            if ctx.options.cobrowse_relay:
                proxy = msgspec.structs.replace(loaded.proxy, relay=ctx.options.cobrowse_relay)
                loaded = msgspec.structs.replace(loaded, proxy=proxy)
        except (settings.SettingsError, ValueError) as error:
            raise exceptions.OptionsError(  # type: ignore[no-untyped-call, unused-ignore]
                f"cobrowse: {error}"
            ) from error
        self.settings = loaded
        self._relay_was_up_at = float("-inf")

    def running(self) -> None:
        try:
            stub = files("proxy_addon").joinpath("static", "stub.js").read_text("ascii")
            self._snippets = SnippetMaker(stub)
        except (OSError, ValueError) as error:
            logger.error("cobrowse: pages pass untouched, the visitor stub is missing: %s", error)
        if not self.settings.groups:
            logger.warning("cobrowse: pages pass untouched, the config file names no group")
        # The visitor-facing Host is needed to tell origins apart; the site still gets its own one,
        # from _send_to_site, unless the user asked mitmproxy to keep it.
        self._keep_host = ctx.options.keep_host_header
        ctx.options.keep_host_header = True

    def done(self) -> None:
        if self.counts:
            told = ", ".join(f"{reason} {n}" for reason, n in self.counts.most_common())
            logger.info("cobrowse: responses by outcome: %s", told)

    # -- requests --------------------------------------------------------------------------------

    def server_connect(self, data: ServerConnectionHookData) -> None:
        if isinstance(data.client.proxy_mode, ReverseMode) and data.server.address:
            # keep_host_header would send the visitor-facing name in the TLS handshake.
            data.server.sni = data.server.sni or data.server.address[0]

    async def requestheaders(self, flow: HTTPFlow) -> None:
        ours = classify(flow.request.path, self.settings.proxy.prefix)
        try:
            await self._route(flow, ours)
        except Exception:
            logger.exception("cobrowse: a request goes on untouched after an error of ours")
            flow.metadata.pop(_VISIT, None)
            flow.request.headers = Headers(cookies.strip(flow.request.headers.fields))
            if ours is not None:
                flow.response = _plain(400, "Bad request.\n")

    async def _route(self, flow: HTTPFlow, ours: Ours | None) -> None:
        if ours is None:
            self._send_to_site(flow)
        elif _has_body(flow.request.headers):
            # None of ours has one, and mitmproxy would keep it all before it answered.
            flow.kill()  # type: ignore[no-untyped-call, unused-ignore]
        elif ours is Ours.TOKEN:
            self._answer_token(flow)
        elif ours is Ours.UNKNOWN or not await self._send_to_relay(flow, ours):
            flow.response = _plain(404, "Not found.\n")

    def _send_to_site(self, flow: HTTPFlow) -> None:
        request = flow.request
        origin, host = self._visitor_origin(flow)
        upstream = self._retarget(flow, origin, host)
        fields = headers.moved(request.headers.fields, _TO_ORIGIN, origin, upstream)
        reason = policy.navigation(request.method, fields)
        group_id, group = self.settings.group_for(host) or ("", settings.GroupSettings())
        if reason == policy.SPLICE and not group_id:
            reason = "no group"
        found: dict[str, str] = {}
        if reason == policy.SPLICE:
            found = identity.from_cookies(cookies.read(fields), group.cookies.names())
            fields = headers.for_navigation(fields)
        request.headers = Headers(cookies.strip(fields))
        # A small upload is kept whole, so that an origin that answers before it has read it all
        # still gets its answer through.
        request.stream = _is_large(request.headers)
        flow.metadata[_VISIT] = Visit(origin, upstream, group_id, group.site, found, reason)

    def _retarget(self, flow: HTTPFlow, origin: str, host: str) -> str:
        """Point a request at the site behind it. Returns that site's own scheme://host[:port]."""
        request = flow.request
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return origin
        if upstream := self.settings.proxy.origins.get(host):
            request.scheme, request.host, request.port = _address(upstream)
        if self._keep_host:
            return origin
        request.host_header = mitm_url.hostport(request.scheme, request.host, request.port)
        return f"{request.scheme}://{request.host_header}"

    async def _send_to_relay(self, flow: HTTPFlow, ours: Ours) -> bool:
        """Point a request at the relay. False where the path is not asked for in the right way."""
        request = flow.request
        is_upgrade = "websocket" in tokens(request.headers.get("upgrade", ""))
        if request.method != "GET" or is_upgrade != (ours is Ours.SOCKET):
            return False
        if ours is not Ours.SOCKET and not await self._relay_is_up():
            # An error status would stand in the console of a page that is not ours. The stub sees
            # that nothing was loaded, and tells whoever starts a session.
            flow.response = _plain(200, "", "text/javascript")
            return True
        origin, host = self._visitor_origin(flow)
        peer = flow.client_conn.peername[0]
        if peer in self.settings.proxy.trusted_peers:
            peer = get(request.headers.fields, b"x-forwarded-for") or peer
        query = request.path.partition("?")[2]
        request.scheme, request.host, request.port = _address(self.settings.proxy.relay)
        request.path = f"/visitor/{ours.value}" + (f"?{query}" if query else "")
        kept = Headers(without(request.headers.fields, _NOT_FOR_THE_RELAY))
        kept["X-Forwarded-For"] = peer
        kept["X-Forwarded-Proto"] = urlsplit(origin).scheme
        kept["X-Forwarded-Host"] = urlsplit(origin).netloc
        request.headers = kept
        request.host_header = mitm_url.hostport(request.scheme, request.host, request.port)
        return True

    async def _relay_is_up(self) -> bool:
        if time.monotonic() - self._relay_was_up_at < PROBE_GOOD_FOR_S:
            return True
        _, host, port = _address(self.settings.proxy.relay)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except (OSError, TimeoutError):
            logger.warning("cobrowse: the relay at %s does not answer", self.settings.proxy.relay)
            return False
        self._relay_was_up_at = time.monotonic()
        return True

    def _answer_token(self, flow: HTTPFlow) -> None:
        """Mint a token for the page that asks. Fails closed: no doubt about who asks is allowed."""
        fields = flow.request.headers.fields
        origin, host = self._visitor_origin(flow)
        group = self.settings.group_for(host)
        same_site = get(fields, b"sec-fetch-site") in ("", "same-origin")
        if flow.request.method != "POST" or not same_site or get(fields, b"origin") != origin:
            flow.response = _plain(403, "A token is given to a page of this site, by POST.\n")
            return
        try:
            secret = self.settings.secret_path().read_bytes().strip()
        except OSError as error:
            logger.warning("cobrowse: no visitor token, the secret cannot be read: %s", error)
            secret = b""
        if group is None or len(secret) < 32:
            flow.response = _plain(503, "Co-browsing is not set up here.\n")
            return
        sent = cookies.read(fields)
        visitor = sent.get(cookies.VISITOR_COOKIE, b"")
        known = _VISITOR_COOKIE_VALUE.fullmatch(visitor) is not None
        value = visitor.decode("ascii") if known else secrets.token_urlsafe(32)
        minted = token.mint(
            secret=secret,
            group=group[0],
            origin=origin,
            visitor=value,
            identity=identity.from_cookies(sent, group[1].cookies.names()),
            now=time.time(),
            token_id=secrets.token_urlsafe(16),
        )
        flow.response = _plain(200, minted)
        if not known:
            secure = "; Secure" if origin.startswith("https:") else ""
            flow.response.headers["Set-Cookie"] = (
                f"{cookies.VISITOR_COOKIE}={value}; Path={self.settings.proxy.prefix}; "
                f"HttpOnly; SameSite=Lax{secure}"
            )

    def _visitor_origin(self, flow: HTTPFlow) -> tuple[str, str]:
        """scheme://host[:port] and host of the page, as the visitor's browser knows them."""
        request = flow.request
        scheme = "https" if flow.client_conn.tls else "http"
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            scheme = request.scheme
        netloc = (request.host_header or request.host).lower()
        if flow.client_conn.peername[0] in self.settings.proxy.trusted_peers:
            scheme = request.headers.get("x-forwarded-proto", scheme)
            netloc = request.headers.get("x-forwarded-host", netloc).lower()
        try:
            host, port = mitm_url.parse_authority(netloc, check=False)
        except ValueError:
            host, port = netloc, None
        standard = _STANDARD_PORTS.get(scheme)
        literal = f"[{host}]" if ":" in host else host
        return f"{scheme}://{literal}" + (f":{port}" if port not in (None, standard) else ""), host

    # -- responses -------------------------------------------------------------------------------

    def responseheaders(self, flow: HTTPFlow) -> None:
        visit: Visit | None = flow.metadata.get(_VISIT)
        assert flow.response is not None
        as_it_came = flow.response.headers.fields
        # A synthetic response (another addon's, or ours) is here already, with its body.
        is_live = flow.response.raw_content is None
        if is_live:
            flow.response.stream = True
        if visit is None:
            return
        try:
            visit = self._decide(flow, visit)
            if visit.reason == policy.SPLICE:
                self._splice(flow, visit, is_live)
        except Exception:
            logger.exception("cobrowse: a page passes untouched after an error of ours")
            visit = replace(visit, reason="error")
            flow.response.headers.fields = as_it_came
            if is_live:
                flow.response.stream = True
        if visit.reason != policy.SPLICE:
            self.counts[visit.reason] += 1
        if visit.origin != visit.upstream:
            flow.response.headers.fields = headers.moved(
                flow.response.headers.fields, _FROM_ORIGIN, visit.upstream, visit.origin
            )

    def _decide(self, flow: HTTPFlow, visit: Visit) -> Visit:
        assert flow.response is not None
        if visit.reason != policy.SPLICE:
            return visit
        reason = policy.page(flow.response.status_code, flow.response.headers.fields)
        if reason == policy.SPLICE and csp.forbids_scripts(flow.response.headers.fields):
            reason = "sandbox"
        if reason == policy.SPLICE and self._snippets is None:
            reason = "no stub"
        return replace(visit, reason=reason)

    def _splice(self, flow: HTTPFlow, visit: Visit, is_live: bool) -> None:
        response = flow.response
        assert response is not None and self._snippets is not None
        proxy = self.settings.proxy
        fields, nonce = csp.allow(
            response.headers.fields,
            _policy_needs(visit.origin, proxy.prefix, proxy.direct_url),
            fresh_nonce=secrets.token_urlsafe(16),
        )
        snippet = self._snippets.make(
            prefix=proxy.prefix,
            group=visit.group,
            site=visit.site,
            socket=proxy.direct_url,
            identity=visit.identity,
            nonce=nonce,
        )
        splicer = Splicer(snippet, charset_known=b"charset=" in _content_type(response).lower())
        body = body_for(get(fields, b"content-encoding"), splicer)
        is_http1 = flow.request.http_version == response.http_version == "HTTP/1.1"
        response.headers.fields = headers.for_spliced_page(
            fields,
            chunked=is_http1 and is_live,
            close_delimited=flow.request.http_version == "HTTP/1.0" and is_live,
        )
        way = self._way_of(body, splicer)
        if is_live:
            response.stream = way
        else:
            whole = response.raw_content or b""
            response.raw_content = b"".join([*way(whole), *(way(b"") if whole else [])])
            response.headers["Content-Length"] = str(len(response.raw_content))

    def _way_of(self, body: Body, splicer: Splicer) -> Callable[[bytes], list[bytes]]:
        """The stream callable of one page. It returns lists: a bare b"" would end the page."""

        def way(chunk: bytes) -> list[bytes]:
            try:
                out = body.feed(chunk) if chunk else body.close()
            except Exception:
                # The callable must not raise: the visitor would be left with half a page.
                logger.exception("cobrowse: a page passes unscanned after an error of ours")
                out = body.rescue()
            if not chunk:
                self.counts[splicer.outcome or "error"] += 1
            return [out] if out else []

        return way

    def websocket_message(self, flow: HTTPFlow) -> None:
        # mitmproxy keeps every message for its user interface; a session would fill the memory.
        if flow.websocket is not None:
            del flow.websocket.messages[:-1]


def _address(url: str) -> tuple[str, str, int]:
    """scheme, host and port of a URL that the settings have checked."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _STANDARD_PORTS[parts.scheme]


def _has_body(request_headers: Headers) -> bool:
    return "transfer-encoding" in request_headers or (
        request_headers.get("content-length", "0").strip() != "0"
    )


def _is_large(request_headers: Headers) -> bool:
    length = request_headers.get("content-length", "0")
    if "transfer-encoding" in request_headers or not length.isdecimal():
        return True
    return int(length) > BUFFERED_UPLOAD_BYTES


def _policy_needs(origin: str, prefix: str, direct_url: str) -> csp.Needs:
    own = f"{origin}{prefix}"
    socket = "ws" + own.removeprefix("http")
    if direct_url:
        return csp.Needs(scripts=[own], connect=[own, direct_url], own_origin=False)
    return csp.Needs(scripts=[own], connect=[own, socket], own_origin=True)


def _content_type(response: Response) -> bytes:
    return get(response.headers.fields, b"content-type").encode("latin-1")


def _plain(status: int, text: str, content_type: str = "text/plain") -> Response:
    return Response.make(
        status,
        text,
        {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


addons = [Cobrowse()]
