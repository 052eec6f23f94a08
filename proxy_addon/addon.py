"""The mitmproxy addon: pages on their way past.

mitmdump loads it as a script, so imports are absolute and the package must be installed.
It decides nothing about bytes itself: policy, splicing and header edits are pure modules beside it.
"""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec
from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.http import HTTPFlow
from mitmproxy.log import ALERT
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode, TransparentMode

from proxy_addon import cookies, forward, headers, identity, page, policy, reverse, settings
from proxy_addon.assets import Coming
from proxy_addon.coding import Body, body_for
from proxy_addon.fields import Fields, Values, by_name, edited, without
from proxy_addon.keeper import Keeper
from proxy_addon.mitm.connections import Connections, check_listeners, warn_of_authority
from proxy_addon.mitm.flows import assets_of, plain, stream_upload, visitor_origin
from proxy_addon.mitm.own_paths import NAMED, OwnPaths
from proxy_addon.origins import address_of, host_and_port, others
from proxy_addon.outcomes import MetricsServer, Outcomes
from proxy_addon.page import Page, Visit
from proxy_addon.paths import Ours, classify
from proxy_addon.snippet import SnippetMaker
from proxy_addon.splice import ERROR, SPLICED, Splicer

logger = logging.getLogger(__name__)

_DEBUG_HEADER: Final = b"X-Cobrowse"
_VISIT: Final = "cobrowse_visit"
_SYNTHETIC: Final = "cobrowse_synthetic"
_COMING: Final = "cobrowse_coming"
_ASSETS_COOKIE_BYTES: Final = 16


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
        # In forward mode: the hosts that are opened.
        self._hosts: forward.Hosts | None = None
        self.connections = Connections()
        self.addons = [self.connections]
        self._site_names: tuple[str, ...] = ()
        self._sources: dict[str, dict[str, settings.CookieSource]] = {}
        self._keeper = Keeper(settings.AssetSettings())
        self._snippets = _own_snippets()
        self._metrics: MetricsServer | None = None
        # As the user asked mitmproxy, before this asked it.
        self._keep_host: bool | None = None
        self._own_paths = OwnPaths(self.settings, self._sources, self._keeper, ())

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
                check_listeners()
            for key in ("cert", "origin_ca"):
                if (file := getattr(loaded.proxy, key)) and not Path(file).is_file():
                    raise ValueError(f"{key}: there is no file {file}")
        except (settings.SettingsError, ValueError) as error:
            raise exceptions.OptionsError(  # type: ignore[no-untyped-call, unused-ignore]
                f"cobrowse: {error}"
            ) from error
        self.settings = loaded
        self._site_names = tuple(loaded.proxy.origins if self._hosts is None else self._hosts.names)
        self._filter = policy.PageFilter(include, loaded.proxy.exclude)
        self._keeper = Keeper(loaded.proxy.assets)
        self._sources = {group: of.cookies.sources() for group, of in loaded.groups.items()}
        # Sessions go on from one of them to another.
        sites = loaded.proxy.origins if self._hosts is None else self._hosts
        self._own_paths = OwnPaths(loaded, self._sources, self._keeper, sites)
        self.connections.settle(loaded, self._hosts)
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
            warn_of_authority()

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

    def requestheaders(self, flow: HTTPFlow) -> Awaitable[None] | None:
        if self._hosts is not None and not self._is_opened(flow):
            self.connections.keep_from_relay(flow)
            stream_upload(flow, by_name(flow.request.headers.fields))
            return self.connections.pass_by(flow) if flow.response is None else None
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
        try:
            await self._own_paths.answer(flow, ours)
        except Exception:
            self._let_go(flow)
            flow.response = plain(400, "Bad request.\n")

    def request(self, flow: HTTPFlow) -> Awaitable[None] | None:
        return self._own_paths.fill_in(flow) if NAMED in flow.metadata else None

    def _send_to_site(self, flow: HTTPFlow) -> None:
        request = flow.request
        fields = request.headers.fields
        values = by_name(fields)
        origin, host = visitor_origin(flow, values, self.settings.proxy.trusted_peers)
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
        stream_upload(flow, values)
        flow.metadata[_VISIT] = Visit(
            sides=sides,
            is_reverse=is_reverse,
            group=group_id,
            site=group.site,
            identity=found,
            is_frame=is_frame,
            varies_by=headers.telling_field(values),
            assets_of=assets_of(sent),
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


addons = [Cobrowse()]
