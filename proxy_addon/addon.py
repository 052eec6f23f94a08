"""The mitmproxy addon: the only file here that knows mitmproxy.

mitmdump loads it as a script, so imports are absolute and the package must be installed.
It decides nothing about bytes itself: policy, splicing and header edits are pure modules beside it.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
from cryptography import x509
from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Server
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.log import ALERT
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode, TransparentMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData, TlsData

from proxy_addon import (
    cookies,
    forward,
    gate,
    headers,
    identity,
    naming,
    page,
    pinning,
    policy,
    reverse,
    settings,
    take,
    token,
)
from proxy_addon.assets import Coming
from proxy_addon.coding import Body, body_for
from proxy_addon.fields import Fields, Values, by_name, edited, tokens, without
from proxy_addon.keeper import Keeper
from proxy_addon.origins import (
    STANDARD_PORTS,
    address_of,
    host_and_port,
    last_item,
    origin_of,
    others,
)
from proxy_addon.outcomes import MetricsServer, Outcomes
from proxy_addon.page import Page, Visit
from proxy_addon.paths import Ours, classify
from proxy_addon.snippet import SnippetMaker
from proxy_addon.splice import ERROR, SPLICED, Splicer

logger = logging.getLogger(__name__)

BUFFERED_UPLOAD_BYTES: Final = 1024 * 1024
PROBE_TIMEOUT_S: Final = 1.0
PROBE_GOOD_FOR_S: Final = 1.0
# What the relay must never see of the site, and what would let the socket compress twice.
_NOT_FOR_THE_RELAY: Final = frozenset(
    {b"cookie", b"authorization", b"proxy-authorization", b"referer", b"sec-websocket-extensions"}
    | {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
)
_DEBUG_HEADER: Final = b"X-Cobrowse"
_VISIT: Final = "cobrowse_visit"
_SYNTHETIC: Final = "cobrowse_synthetic"
_COMING: Final = "cobrowse_coming"
_NAMED: Final = "cobrowse_named"
# The visitor's requests to the relay that have a body.
_POSTED: Final = frozenset({Ours.ASSETS, Ours.ASSET})
_ASSETS_COOKIE_BYTES: Final = 16
_ASSETS_COOKIE_VALUE: Final = re.compile(rb"[A-Za-z0-9_-]{22}")


# mitmproxy's names for them.
_TLS_VERSIONS: Final = {"1.0": "TLS1", "1.1": "TLS1_1", "1.2": "TLS1_2", "1.3": "TLS1_3"}
_OLD_CIPHERS: Final = "ALL:@SECLEVEL=0"


def _own_snippets() -> SnippetMaker | None:
    static = files("proxy_addon").joinpath("static")
    try:
        stub, integrity = (
            static.joinpath(name).read_text("ascii") for name in ("stub.js", "loader.sri")
        )
        return SnippetMaker(stub, integrity)
    except (OSError, ValueError):
        return None


class Cobrowse:
    """Splices the snippet into pages and hands the visitor paths to the relay."""

    def __init__(self) -> None:
        self.settings = settings.Settings()
        self.outcomes = Outcomes()
        self._filter = policy.PageFilter([], [])
        # In forward mode: the hosts that are opened; whether others may lead behind this machine.
        self._hosts: forward.Hosts | None = None
        self.refuses_private = True
        # Sessions go on from one of them to another.
        self._sites: Container[str] = ()
        self._site_names: tuple[str, ...] = ()
        # Where the config file leads, and no visitor: these may be private.
        self._our_own: set[tuple[str, int]] = set()
        self._sources: dict[str, dict[str, settings.CookieSource]] = {}
        self._keeper = Keeper(settings.AssetSettings())
        self._snippets = _own_snippets()
        self._metrics: MetricsServer | None = None
        # As the user asked mitmproxy, before this asked it.
        self._keep_host: bool | None = None
        self._relay_was_up_at = float("-inf")

    # -- life ------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        loader.add_option("cobrowse_config", str, "", "Path of cobrowse.toml.")
        loader.add_option("cobrowse_relay", str, "", "URL of the relay, over the config file's.")
        loader.add_option("cobrowse_forward", bool, False, "As `forward` in the config file.")
        loader.add_option("cobrowse_auth", bool, True, "Ask for `auth` of the config file.")
        loader.add_option(
            "cobrowse_include", Sequence[str], [], "Further pages for `include` in forward mode."
        )

    def configure(self, updated: set[str]) -> None:
        if not any(name.startswith("cobrowse_") for name in updated):
            return
        try:
            loaded = settings.load(ctx.options.cobrowse_config)
            if ctx.options.cobrowse_relay:
                proxy = msgspec.structs.replace(loaded.proxy, relay=ctx.options.cobrowse_relay)
                loaded = msgspec.structs.replace(loaded, proxy=proxy)
            include = [*loaded.proxy.include, *ctx.options.cobrowse_include]
            is_forward = loaded.proxy.forward or ctx.options.cobrowse_forward
            self._hosts = forward.Hosts(include) if is_forward else None
            if is_forward and not (loaded.proxy.auth and ctx.options.cobrowse_auth):
                _check_listeners()
            for key in ("cert", "origin_ca"):
                if (file := getattr(loaded.proxy, key)) and not Path(file).is_file():
                    raise ValueError(f"{key}: there is no file {file}")
        except (settings.SettingsError, ValueError) as error:
            raise exceptions.OptionsError(  # type: ignore[no-untyped-call, unused-ignore]
                f"cobrowse: {error}"
            ) from error
        self.settings = loaded
        self._sites = loaded.proxy.origins if self._hosts is None else self._hosts
        self._site_names = tuple(loaded.proxy.origins if self._hosts is None else self._hosts.names)
        self._filter = policy.PageFilter(include, loaded.proxy.exclude)
        self._keeper = Keeper(loaded.proxy.assets)
        self._sources = {group: of.cookies.sources() for group, of in loaded.groups.items()}
        self._relay_was_up_at = float("-inf")
        ways = (loaded.proxy.relay, loaded.proxy.direct_url)
        self._our_own = {address_of(way)[1:] for way in ways if way}
        # Not once it runs: mitmproxy listens before that, and nobody is to get in meanwhile.
        self._set_options()

    def running(self) -> None:
        if self._snippets is None:
            logger.error("cobrowse: pages pass untouched, the visitor's scripts are missing")
        if not self.settings.groups:
            logger.warning("cobrowse: pages pass untouched, the config file names no group")
        if listen := self.settings.proxy.metrics_listen:
            try:
                address = settings.split_address("metrics_listen", listen)
                self._metrics = MetricsServer(self.outcomes, *address)
            except OSError as error:
                logger.error("cobrowse: no metrics, cannot listen on %s: %s", listen, error)
        if self._hosts is not None:
            _warn_of_authority()

    def _set_options(self) -> None:
        """What the config file says of mitmproxy's own part. Raises: OptionsError."""
        proxy = self.settings.proxy
        # The visitor-facing Host is needed to tell origins apart; the site still gets its own one,
        # from _send_to_site, unless the user asked mitmproxy to keep it.
        if self._keep_host is None:
            self._keep_host = ctx.options.keep_host_header
        options: dict[str, Any] = {"keep_host_header": True}
        if proxy.cert and self._hosts is None:
            options["certs"] = [f"*={proxy.cert}"]
        if proxy.origin_ca:
            options["ssl_verify_upstream_trusted_ca"] = proxy.origin_ca
        if proxy.origin_tls_min:
            options["tls_version_server_min"] = _TLS_VERSIONS[proxy.origin_tls_min]
            if proxy.origin_tls_min in ("1.0", "1.1"):
                options["ciphers_server"] = _OLD_CIPHERS
        if self._hosts is not None:
            options |= {
                "allow_hosts": self._hosts.patterns(),
                "onboarding": False,
                # Names that only the site's own certificate has are not ours to sign.
                "upstream_cert": False,
            }
            if proxy.auth and ctx.options.cobrowse_auth:
                # Those outside are asked for a password; mitmproxy would not even ask.
                options |= {"proxyauth": proxy.auth, "block_global": False}
            if any(isinstance(ProxyMode.parse(mode), TransparentMode) for mode in ctx.options.mode):
                # There a browser's first words are needed to know where it wants to get.
                options["connection_strategy"] = "lazy"
        known = {name: value for name, value in options.items() if name in ctx.options}
        ctx.options.update(**known)  # type: ignore[no-untyped-call, unused-ignore]

    def done(self) -> None:
        if self._metrics is not None:
            self._metrics.close()
        if self.outcomes:
            logger.log(ALERT, "cobrowse: %s", self.outcomes.summary())

    # -- requests --------------------------------------------------------------------------------

    def server_connect(self, data: ServerConnectionHookData) -> Awaitable[None] | None:
        server = data.server
        if server.address is None:
            return None
        host, port = server.address[:2]
        if isinstance(data.client.proxy_mode, ReverseMode):
            # keep_host_header would send the visitor-facing name in the TLS handshake.
            server.sni = server.sni or host
        elif (host, port) == self._relay_at():
            server.sni = server.sni or host
        elif self._hosts is not None and not server.error and self._must_look(host, port):
            return self._lead(server, host, port)
        return None

    def _must_look(self, host: str, port: int) -> bool:
        """Whether a connection may lead where nobody is to get."""
        return not self._may_be_private(host, port) or port in _own_ports()

    def _may_be_private(self, host: str, port: int) -> bool:
        assert self._hosts is not None
        is_named = host in self._hosts or (host, port) in self._our_own
        return is_named or not self.refuses_private

    async def _look_up(self, host: str, port: int) -> str:
        """Raises: gate.Refused."""
        try:
            return await gate.lead(
                host,
                port,
                may_be_private=self._may_be_private(host, port),
                is_own_port=port in _own_ports(),
            )
        except gate.Refused as error:
            logger.warning("cobrowse: %s:%d is refused: %s", host, port, error)
            raise

    async def _lead(self, server: Server, host: str, port: int) -> None:
        """Nobody gets at what is behind this machine by a name that leads there."""
        try:
            address = await self._look_up(host, port)
        except gate.Refused as error:
            server.error = str(error)
        else:
            if address != host:
                server.sni = server.sni or host
                server.address = (address, port)

    async def _pass_by(self, flow: HTTPFlow) -> None:
        """Plain http to somebody else.

        The address stands in the request as well, or each one would get a connection of its own.
        """
        request = flow.request
        try:
            request.data.host = await self._look_up(request.host, request.port)
        except gate.Refused as error:
            flow.response = _plain(502, f"{error}\n")

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """See that mitmproxy signs for one name alone, which the authority may sign for.

        It would add the address of the site, or its own where the browser names no host.
        """
        server, client = data.context.server, data.context.client
        if self._hosts is None or server.address is None:
            return
        if client.sni is None:
            client.sni = server.address[0]
        elif isinstance(client.proxy_mode, TransparentMode) and client.sni in self._hosts:
            server.address = (client.sni, server.address[1])

    def tls_start_server(self, data: TlsData) -> None:
        """The relay of this machine is known by its certificate, which seldom names this address.

        It is read each time, as the relay may have a new one.
        """
        file, relay = self.settings.relay.cert, self._relay_at()
        if file and isinstance(data.conn, Server) and forward.is_loopback(relay[0]):
            if (data.conn.address or ())[:2] == relay:
                try:
                    data.ssl_conn = pinning.connection(Path(file))
                except (OSError, ValueError) as error:
                    logger.error("cobrowse: relay.cert cannot be read: %s", error)

    def _relay_at(self) -> tuple[str, int]:
        return address_of(self.settings.proxy.relay)[1:]

    def http_connect(self, flow: HTTPFlow) -> None:
        self._keep_from_relay(flow)

    def _keep_from_relay(self, flow: HTTPFlow) -> None:
        """Visitors get at the relay by the reserved path of a site, and at nothing else of it."""
        request = flow.request
        if self._hosts is not None and flow.response is None:
            at = (request.host, request.port)
            if at == self._relay_at() and request.host not in self._hosts:
                flow.response = _plain(403, "The relay is not reached through the proxy.\n")

    def requestheaders(self, flow: HTTPFlow) -> Awaitable[None] | None:
        if self._hosts is not None and not self._is_opened(flow):
            self._keep_from_relay(flow)
            _stream_upload(flow, by_name(flow.request.headers.fields))
            return self._pass_by(flow) if flow.response is None else None
        # mitmproxy awaits what is awaitable; for the site's own requests that would be in vain.
        if ours := classify(flow.request.path, self.settings.proxy.prefix):
            # What another addon has refused already stays refused.
            return self._answer(flow, ours) if flow.response is None else None
        try:
            self._send_to_site(flow)
        except Exception:
            self._let_go(flow)
        return None

    def _is_opened(self, flow: HTTPFlow) -> bool:
        assert self._hosts is not None
        if flow.request.host in self._hosts:
            return True
        # There the network leads, by address; the browser's own name for the site stands inside.
        is_led = isinstance(flow.client_conn.proxy_mode, TransparentMode)
        return is_led and flow.request.pretty_host in self._hosts

    def _let_go(self, flow: HTTPFlow) -> None:
        logger.exception("cobrowse: a request goes on untouched after an error of ours")
        flow.metadata.pop(_VISIT, None)
        flow.request.headers.fields = cookies.strip(flow.request.headers.fields)

    async def _answer(self, flow: HTTPFlow, ours: Ours) -> None:
        values = by_name(flow.request.headers.fields)
        try:
            if ours in _POSTED and self._may_post(flow, values, ours):
                await self._send_to_relay(flow, values, ours)
            elif _has_body(flow.request, values):
                # No other of ours has one, and mitmproxy would keep it all before it answered.
                flow.kill()  # type: ignore[no-untyped-call, unused-ignore]
            elif ours is Ours.TOKEN:
                self._answer_token(flow, values)
            elif ours is Ours.TAKE:
                self._take(flow, values)
            elif ours is Ours.UNKNOWN or not await self._send_to_relay(flow, values, ours):
                flow.response = _plain(404, "Not found.\n")
        except Exception:
            self._let_go(flow)
            flow.response = _plain(400, "Bad request.\n")

    def _may_post(self, flow: HTTPFlow, values: Values, ours: Ours) -> bool:
        """Whether a page of this site names files, or gives one, of a size that can be taken."""
        limit = self.settings.proxy.assets.file_mb * 1024 * 1024
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

    def request(self, flow: HTTPFlow) -> Awaitable[None] | None:
        visitor = flow.metadata.pop(_NAMED, None)
        return None if visitor is None else self._fill_in(flow, visitor)

    async def _fill_in(self, flow: HTTPFlow, visitor: str) -> None:
        """Put the files in the place of their names."""
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
            flow.response = _plain(400, "A list of addresses is expected.\n")
        except Exception:
            logger.exception("cobrowse: files are not given to the relay after an error of ours")
            flow.response = _plain(503, "Try again.\n")

    def _send_to_site(self, flow: HTTPFlow) -> None:
        request = flow.request
        fields = request.headers.fields
        values = by_name(fields)
        origin, host = self._visitor_origin(flow, values)
        is_reverse = isinstance(flow.client_conn.proxy_mode, ReverseMode)
        sides = reverse.Sides(origin, origin)
        if is_reverse:
            sides = self._retarget(flow, origin, host)
        group_id, group = self.settings.group_for(host) or ("", settings.GroupSettings())
        reason = policy.navigation(request.method, values)
        if reason == policy.SPLICE:
            if not group_id:
                reason = "no group"
            elif not self._filter.takes(host, request.path):
                reason = "excluded"
        edits: dict[bytes, bytes | None] = {}
        if sides.upstream != origin and self.settings.proxy.reverse.referrers:
            edits = reverse.to_origin(values, sides)
        is_frame = policy.is_for_frame(values)
        sent = cookies.read(fields) if "cookie" in values else {}
        found: dict[str, str] = {}
        if reason == policy.SPLICE:
            edits |= headers.for_navigation(values)
            if not is_frame and self._sources[group_id]:
                found = identity.from_cookies(sent, self._sources[group_id])
        # Host may have changed by now.
        request.headers.fields = edited(cookies.strip(request.headers.fields), edits)
        _stream_upload(flow, values)
        flow.metadata[_VISIT] = Visit(
            sides=sides,
            is_reverse=is_reverse,
            group=group_id,
            site=group.site,
            identity=found,
            is_frame=is_frame,
            varies_by=headers.telling_field(values),
            assets_of=_assets_of(sent),
            values=values,
            has_cookies=bool(sent.keys() - cookies.OUR_COOKIES),
            reason=reason,
        )

    def _retarget(self, flow: HTTPFlow, origin: str, host: str) -> reverse.Sides:
        """Point a request at the site behind it."""
        request = flow.request
        knows_us = bool(request.data.authority) or "host" in request.headers
        origins = self.settings.proxy.origins
        if upstream := origins.get(host):
            request.scheme, request.host, request.port = address_of(upstream)
        if self._keep_host:
            # The site knows the visitor's name for it, though perhaps not the scheme.
            netloc = origin.partition("://")[2]
        else:
            netloc = host_and_port(request.scheme, request.host, request.port)
        if not self._keep_host or knows_us:
            request.host_header = netloc  # setting the address has set it, too
        if not knows_us:
            return reverse.Sides(origin, origin)  # HTTP/1.0: where the visitor is is not said
        upstream = f"{request.scheme}://{netloc.lower()}"
        return reverse.Sides(upstream, origin, others(tuple(origins.items()), origin, host))

    async def _send_to_relay(self, flow: HTTPFlow, values: Values, ours: Ours) -> bool:
        """Point a request at the relay. False where the path is not asked for in the right way."""
        request = flow.request
        is_upgrade = "websocket" in tokens(values.get("upgrade", ""))
        method = "POST" if ours in _POSTED else "GET"
        if request.method != method or is_upgrade != (ours is Ours.SOCKET):
            return False
        if ours is not Ours.SOCKET and not await self._relay_is_up():
            if ours in _POSTED:
                flow.response = _plain(503, "The relay does not answer.\n")
                return True
            if ours is Ours.SETTINGS:
                flow.response = _plain(200, "null", "application/json")
                return True
            # An error status would stand in the console of a page that is not ours. The stub sees
            # that nothing was loaded, and tells whoever starts a session.
            flow.response = _plain(200, "", "text/javascript")
            return True
        if ours is Ours.ASSETS:
            flow.metadata[_NAMED] = _assets_of(cookies.read(request.headers.fields))
        request.stream = ours is Ours.ASSET
        origin, _ = self._visitor_origin(flow, values)
        peer = flow.client_conn.peername[0]
        if peer in self.settings.proxy.trusted_peers:
            peer = values.get("x-forwarded-for") or peer
        query = request.path.partition("?")[2]
        request.scheme, request.host, request.port = address_of(self.settings.proxy.relay)
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
        _, host, port = address_of(self.settings.proxy.relay)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except (OSError, TimeoutError):
            logger.warning("cobrowse: the relay at %s does not answer", self.settings.proxy.relay)
            return False
        self._relay_was_up_at = time.monotonic()
        return True

    def _answer_token(self, flow: HTTPFlow, values: Values) -> None:
        origin, host = self._visitor_origin(flow, values)
        group = self.settings.group_for(host)
        try:
            secret = self.settings.secret_path().read_bytes().strip()
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
            path=self.settings.proxy.prefix,
            domain=query.get("domain", ""),
            now=time.time(),
            make_random=secrets.token_urlsafe,
        )
        flow.response = _plain(answer.status, answer.text)
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
            flow.response = _plain(404, "Not found.\n")
            return
        flow.response = _plain(302, "")
        flow.response.headers["Location"] = way.location
        if way.set_cookie:
            flow.response.headers["Set-Cookie"] = way.set_cookie

    def _visitor_origin(self, flow: HTTPFlow, values: Values) -> tuple[str, str]:
        """scheme://host[:port] and host of the page, as the visitor's browser knows them."""
        request = flow.request
        scheme = "https" if flow.client_conn.tls else "http"
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            scheme = request.scheme
        # As it was sent: mitmproxy's own properties decode punycode.
        authority = request.data.authority.decode("latin-1")
        netloc = authority or values.get("host") or request.host
        if flow.client_conn.peername[0] in self.settings.proxy.trusted_peers:
            forwarded = last_item(values.get("x-forwarded-proto", ""))
            scheme = forwarded if forwarded in STANDARD_PORTS else scheme
            netloc = last_item(values.get("x-forwarded-host", "")) or netloc
        return origin_of(scheme, netloc.lower())

    # -- responses -------------------------------------------------------------------------------

    def responseheaders(self, flow: HTTPFlow) -> None:
        visit: Visit | None = flow.metadata.get(_VISIT)
        response = flow.response
        assert response is not None
        # A synthetic response (another addon's, or ours) is here already, with its body.
        is_live = response.raw_content is None
        if is_live:
            response.stream = True
        if visit is None:
            return
        as_it_came = response.headers.fields
        try:
            if visit.is_reverse and visit.sides.upstream != visit.sides.visitor:
                options = self.settings.proxy.reverse
                as_it_came = reverse.from_origin(as_it_came, visit.sides, options)
            elif not visit.is_reverse and not self.settings.proxy.reverse.keep_alt_svc:
                as_it_came = without(as_it_came, (b"alt-svc",))
            self._handle(flow, visit, as_it_came, is_live=is_live)
        except Exception:
            logger.exception("cobrowse: a page passes untouched after an error of ours")
            self._count(ERROR)
            response.headers.fields = as_it_came
            response.stream = is_live
            flow.metadata.pop(_SYNTHETIC, None)

    def _handle(self, flow: HTTPFlow, visit: Visit, fields: Fields, *, is_live: bool) -> None:
        """Leave a response as it is, or begin to splice it."""
        response = flow.response
        assert response is not None
        values = by_name(fields)
        reason = page.decide(visit, response.status_code, fields, values, self.settings.proxy)
        if reason == policy.SPLICE and self._snippets is None:
            reason = "no stub"
        if reason != policy.SPLICE:
            self._count(reason)
            is_for_script = reason in (policy.NOT_A_NAVIGATION, policy.FRAGMENT)
            if is_for_script and visit.group and policy.is_html(values):
                fields = headers.varied(fields, visit.varies_by)
            response.headers.fields = self._told(fields, reason) if is_live else fields
            if is_live and flow.request.method == "GET":
                self._keep(flow, visit, values)
            return
        response.headers.fields = fields
        if not is_live:
            flow.metadata[_SYNTHETIC] = True
            return
        version, their_version = flow.request.http_version, response.http_version
        prepared = self._prepare(
            flow,
            visit,
            fields,
            values,
            chunked=version == "HTTP/1.1" and their_version != "HTTP/1.0",
            http10=version == "HTTP/1.0",
        )
        fields = self._told(prepared.fields, reason, prepared.policy_changes)
        response.headers.fields = (*fields, *self._assets_cookie(visit))
        response.stream = self._way_of(
            body_for(prepared.codings, prepared.splicer),
            prepared.splicer,
            # An empty frame of HTTP/2 looks like the end of the page.
            may_go_on=not their_version.startswith("HTTP/1"),
            length=page.length_of(values),
        )

    def _prepare(
        self,
        flow: HTTPFlow,
        visit: Visit,
        fields: Fields,
        values: Values,
        *,
        chunked: bool = False,
        http10: bool = False,
    ) -> Page:
        assert self._snippets is not None
        prepared = page.prepare(
            visit,
            fields,
            values,
            self._snippets,
            self.settings.proxy,
            chunked=chunked,
            http10=http10,
            hosts=self._site_names,
            make_nonce=_nonce,
        )
        for change in prepared.policy_changes:
            where = visit.sides.visitor + flow.request.path.partition("?")[0]
            logger.info("cobrowse: %s %s", where, change)
        return prepared

    def _keep(self, flow: HTTPFlow, visit: Visit, values: Values) -> None:
        """Agents may need this file, if its visitor starts a session."""
        response = flow.response
        assert response is not None
        coming = self._keeper.coming(
            visit, flow.request.path, response.status_code, values, time.monotonic()
        )
        if coming is not None:
            flow.metadata[_COMING] = coming
            response.stream = coming.feed

    def _assets_cookie(self, visit: Visit) -> Fields:
        """Tells the visitor's files from others', from the next request on."""
        if visit.assets_of or visit.is_frame or not self._keeper.is_on:
            return ()
        value = secrets.token_urlsafe(_ASSETS_COOKIE_BYTES)
        secure = "; Secure" if visit.sides.visitor.startswith("https:") else ""
        cookie = f"{cookies.ASSETS_COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return ((b"Set-Cookie", cookie.encode("ascii")),)

    def response(self, flow: HTTPFlow) -> None:
        coming: Coming | None = flow.metadata.pop(_COMING, None)
        if coming is not None:
            self._keeper.came(coming, time.monotonic())
        else:
            self._splice_synthetic(flow)

    def _splice_synthetic(self, flow: HTTPFlow) -> None:
        """Splice a page that another addon has made."""
        if not flow.metadata.pop(_SYNTHETIC, False):
            return
        response, visit = flow.response, flow.metadata[_VISIT]
        assert response is not None
        fields, data = response.headers.fields, response.raw_content or b""
        try:
            prepared = self._prepare(flow, visit, fields, by_name(fields))
            body = body_for(prepared.codings, prepared.splicer)
            out = body.feed(data) + body.close()
            outcome = prepared.splicer.outcome or ERROR
            if outcome == SPLICED:
                length = (b"Content-Length", b"%d" % len(out))
                fields = (*without(prepared.fields, (b"transfer-encoding",)), length)
                fields = self._told(fields, outcome, prepared.policy_changes)
                response.raw_content, response.headers.fields = out, fields
            else:
                response.headers.fields = self._told(fields, outcome)
        except Exception:
            logger.exception("cobrowse: a page passes untouched after an error of ours")
            outcome = ERROR
        self._count(outcome)

    def _way_of(
        self, body: Body, splicer: Splicer, *, may_go_on: bool, length: int | None
    ) -> Callable[[bytes], list[bytes]]:
        """The stream callable of one page. It returns lists: a bare b"" would end the page.

        Args: may_go_on: b"" may come before the end. length: of the body; None if not announced.
        """
        came, counted = 0, False

        def way(chunk: bytes) -> list[bytes]:
            nonlocal came, counted
            came += len(chunk)
            try:
                if chunk:
                    out = body.feed(chunk)
                elif not may_go_on or length == came:
                    out = body.close()
                else:
                    out = body.pause() if length is None else b""
            except Exception:
                # The callable must not raise: the visitor would be left with half a page.
                logger.exception("cobrowse: a page passes unscanned after an error of ours")
                out = body.give_up(ERROR)
            if not counted and splicer.outcome is not None:
                counted = True
                self._count(splicer.outcome)
            return [out] if out else []

        return way

    def _count(self, outcome: str) -> None:
        self.outcomes.record(outcome)
        if told := self.outcomes.progress(time.monotonic()):
            logger.log(ALERT, "cobrowse: %s", told)

    def _told(self, fields: Fields, outcome: str, changes: tuple[str, ...] = ()) -> Fields:
        """The fields, with the debug header where it is wanted."""
        if not self.settings.proxy.debug_header:
            return fields
        text = " | ".join([outcome, *changes])
        return (*fields, (_DEBUG_HEADER, text.encode("latin-1", "replace")))

    def websocket_message(self, flow: HTTPFlow) -> None:
        # mitmproxy keeps every message for its user interface; a session would fill the memory.
        if flow.websocket is not None:
            del flow.websocket.messages[:-1]


def _nonce() -> str:
    return secrets.token_urlsafe(16)


def _assets_of(sent: Mapping[str, bytes]) -> str:
    """The visitor whose files pass, from a request's cookies; "" if not known yet."""
    value = sent.get(cookies.ASSETS_COOKIE, b"")
    return value.decode("ascii") if _ASSETS_COOKIE_VALUE.fullmatch(value) else ""


def _has_body(request: Request, values: Values) -> bool:
    if _is_endless(request, values):
        return request.method not in ("GET", "HEAD")
    return "transfer-encoding" in values or values.get("content-length", "0").strip() != "0"


def _stream_upload(flow: HTTPFlow, values: Values) -> None:
    """Let a large upload pass as it comes.

    A small one is kept whole, so that an origin that answers before it has read it all still gets
    its answer through.
    """
    request = flow.request
    request.stream = flow.response is None and _is_large(request, values)
    if request.stream and _has_body(request, values) and _speaks_http1(flow):
        if _is_endless(request, values):  # mitmproxy frames a body by what the fields say
            request.headers["Transfer-Encoding"] = "chunked"


def _is_large(request: Request, values: Values) -> bool:
    length = values.get("content-length", "0")
    if "transfer-encoding" in values or _is_endless(request, values) or not length.isdecimal():
        return True
    return len(length) > 9 or int(length) > BUFFERED_UPLOAD_BYTES


def _is_endless(request: Request, values: Values) -> bool:
    """Whether a request may carry a body of any length, as it can in HTTP/2 without saying so."""
    return not request.http_version.startswith("HTTP/1") and "content-length" not in values


def _speaks_http1(flow: HTTPFlow) -> bool:
    """Whether the site will get this request by HTTP/1, as far as it is known yet."""
    known = flow.server_conn.alpn
    return flow.request.scheme == "http" or (known is not None and known != b"h2")


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


def _own_ports() -> set[int]:
    """The ports that this proxy listens on."""
    server = ctx.master.addons.get("proxyserver")  # type: ignore[no-untyped-call, unused-ignore]
    listeners = server.servers if server else ()
    return {port for listener in listeners for _, port, *_ in listener.listen_addrs}


def _warn_of_authority() -> None:
    """Whoever gets at the key of an authority for everything can be any site."""
    tls = ctx.master.addons.get("tlsconfig")  # type: ignore[no-untyped-call, unused-ignore]
    if not tls:
        return
    known = x509.load_pem_x509_certificate(tls.certstore.default_ca.to_pem())
    if not any(isinstance(e.value, x509.NameConstraints) for e in known.extensions):
        logger.warning(
            "cobrowse: the authority in %s signs for any site: cobrowse certs makes one for yours",
            ctx.options.confdir,
        )


def _check_listeners() -> None:
    """Raises: ValueError for a listener that more than this machine reaches, without a password."""
    for spec in ctx.options.mode:
        mode = ProxyMode.parse(spec)
        if isinstance(mode, ReverseMode | TransparentMode):
            continue  # nobody can be asked there
        if not forward.is_loopback(mode.listen_host(ctx.options.listen_host) or ""):
            raise ValueError(
                "in forward mode listen on 127.0.0.1, or set auth in [proxy], so that nobody else "
                "goes out through this machine"
            )


addons = [Cobrowse()]
