"""Where connections may lead, and whom they trust."""

import logging
from collections.abc import Awaitable
from pathlib import Path

from cryptography import x509
from mitmproxy import ctx
from mitmproxy.connection import Server
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode, TransparentMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData, TlsData

from proxy_addon import forward, gate, pinning
from proxy_addon.mitm.flows import plain
from proxy_addon.origins import address_of
from proxy_addon.settings import Settings

logger = logging.getLogger(__name__)


class Connections:
    """An addon inside the addon, whose hooks mitmproxy calls as well.

    refuses_private: hosts that are not opened may not lead behind this machine.
    """

    def __init__(self) -> None:
        self.refuses_private = True
        # In forward mode: the hosts that are opened.
        self._hosts: forward.Hosts | None = None
        self._settings = Settings()
        # Where the config file leads, and no visitor: these may be private.
        self._our_own: set[tuple[str, int]] = set()

    def settle(self, loaded: Settings, hosts: forward.Hosts | None) -> None:
        """Args: hosts: None, not in forward mode."""
        self._settings, self._hosts = loaded, hosts
        ways = (loaded.proxy.relay, loaded.proxy.direct_url)
        self._our_own = {address_of(way)[1:] for way in ways if way}

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

    async def pass_by(self, flow: HTTPFlow) -> None:
        """Plain http to somebody else.

        The address stands in the request as well, or each one would get a connection of its own.
        """
        request = flow.request
        try:
            request.data.host = await self._look_up(request.host, request.port)
        except gate.Refused as error:
            flow.response = plain(502, f"{error}\n")

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
        file, relay = self._settings.relay.cert, self._relay_at()
        if file and isinstance(data.conn, Server) and forward.is_loopback(relay[0]):
            if (data.conn.address or ())[:2] == relay:
                try:
                    data.ssl_conn = pinning.connection(Path(file))
                except (OSError, ValueError) as error:
                    logger.error("cobrowse: relay.cert cannot be read: %s", error)

    def _relay_at(self) -> tuple[str, int]:
        return address_of(self._settings.proxy.relay)[1:]

    def http_connect(self, flow: HTTPFlow) -> None:
        self.keep_from_relay(flow)

    def keep_from_relay(self, flow: HTTPFlow) -> None:
        """Visitors get at the relay by the reserved path of a site, and at nothing else of it."""
        request = flow.request
        if self._hosts is not None and flow.response is None:
            at = (request.host, request.port)
            if at == self._relay_at() and request.host not in self._hosts:
                flow.response = plain(403, "The relay is not reached through the proxy.\n")


def _own_ports() -> set[int]:
    """The ports that this proxy listens on."""
    server = ctx.master.addons.get("proxyserver")  # type: ignore[no-untyped-call, unused-ignore]
    listeners = server.servers if server else ()
    return {port for listener in listeners for _, port, *_ in listener.listen_addrs}


def warn_of_authority() -> None:
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


def check_listeners() -> None:
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
