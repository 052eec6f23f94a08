"""Forward and transparent mode among addresses of the internet: what passes, and how."""

import base64
import contextlib
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import proxy_addon
from certs.authority import CERTIFICATE_FILE, NAME, authority
from cobrowse.processes import Processes
from tests.stack import config_text, free_port
from tests.wire import own_network
from tests.wire.mitmdump import MITMDUMP
from tests.wire.own_network import BROWSER, INSIDE, OTHER, SHOP
from tests.wire.raw import TIMEOUT_S, Client, listening, read_head
from tests.wire.test_forward_wire import NAVIGATION, PAGE, ask, forward, get

KEPT_OPEN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
    % (len(PAGE), PAGE)
)


class Sites:
    """Each address by http, and by https but for INSIDE. came: connections to any of them."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        self.ca, self.came = folder / "ca.pem", 0
        ca.cert_pem.write_to_path(str(self.ca))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("shop.test", "other.test", SHOP, OTHER).configure_cert(self._context)

    def _serve(self, connection: socket.socket) -> None:
        self.came += 1
        with contextlib.suppress(OSError), connection:
            while head := read_head(connection):
                assert b"proxy-" not in head.lower()
                connection.sendall(KEPT_OPEN)
                if b"connection: close" in head.lower():
                    return

    def _secure(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._serve(self._context.wrap_socket(plain, server_side=True))

    @contextlib.contextmanager
    def serving(self) -> Iterator["Sites"]:
        with contextlib.ExitStack() as stack:
            for host in (SHOP, OTHER, INSIDE):
                stack.enter_context(listening(self._serve, (host, 80)))
                stack.enter_context(listening(self._secure, (host, 443)))
            yield self


def looked_at(plain: socket.socket, name: str, ca: Path) -> tuple[str, tuple[str, ...], bytes]:
    """Of one https request: who signed for the site, for which names, and the page."""
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with context.wrap_socket(plain, server_hostname=name) as secured:
        shown = secured.getpeercert() or {}
        request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n".encode()
        secured.sendall(request + NAVIGATION + b"\r\n")
        answer = b""
        while b"</title>" not in answer:
            data = secured.recv(65_536)
            assert data, answer
            answer += data
    names = tuple(str(pair[1]) for pair in shown["subjectAltName"])
    return NAME if NAME in str(shown["issuer"]) else "another", names, answer


def tunnel(port: int, to: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    connection.sendall(f"CONNECT {to} HTTP/1.1\r\n\r\n".encode())
    head = read_head(connection)
    assert b" 200 " in head, head
    return connection


def forward_mode(folder: Path) -> None:
    sites = Sites(folder)
    ours, more = folder / "certs" / CERTIFICATE_FILE, f'origin_ca = "{sites.ca}"'
    with sites.serving(), forward(folder, "shop.test", SHOP, more=more) as port:
        # One name, and the address of a site that is asked for by it: no other is signed for.
        for name in ("shop.test", SHOP):
            signer, names, page = looked_at(tunnel(port, f"{name}:443"), name, ours)
            assert (signer, names) == (NAME, (name,)) and b"GLANCE" in page
        # What is not included: its own certificate, and its own bytes.
        for name in ("other.test", OTHER):
            signer, names, page = looked_at(tunnel(port, f"{name}:443"), name, sites.ca)
            assert signer == "another" and "other.test" in names and page == KEPT_OPEN
        before = sites.came
        with Client(port) as client:
            for _ in range(3):
                client.send(
                    "GET http://other.test/ HTTP/1.1",
                    "Host: other.test",
                    *NAVIGATION.decode().splitlines(),
                )
                _, fields = client.head()
                assert client.body(fields) == PAGE
        assert sites.came == before + 1
        # A name of the internet that leads inside.
        assert b" 502 " in ask(port, get("http://inside.test/"))


def listening_to_all(folder: Path) -> None:
    given = b"Proxy-Authorization: Basic " + base64.b64encode(b"ida:obviously-fake")
    more = 'auth = "ida:obviously-fake"'
    sites = Sites(folder)
    with sites.serving(), forward(folder, "here.test", more=more, host="0.0.0.0") as port:
        # Somebody on the internet is asked for the password, and let in with it.
        for fields, status in (((), b" 407 "), ((given,), b" 200 ")):
            with socket.create_connection((SHOP, port), TIMEOUT_S, (OTHER, 0)) as connection:
                connection.sendall(get("http://other.test/", *fields))
                assert status in read_head(connection)
        # By whatever name, the proxy does not ask itself.
        for host in ("here.test", "shop.test", SHOP, "127.0.0.2"):
            answer = ask(port, get(f"http://{host}:{port}/", given))
            assert b" 502 " in answer.partition(b"\r\n")[0], answer


def transparent_mode(folder: Path) -> None:
    sites, port, processes = Sites(folder), free_port(), Processes()
    ours = folder / "certs" / CERTIFICATE_FILE
    config = folder / "cobrowse.toml"
    more = f'[proxy]\nforward = true\ninclude = ["shop.test/*"]\norigin_ca = "{sites.ca}"\n'
    config.write_text(config_text(folder) + more)
    authority(ours.parent, ["shop.test"])
    addon = Path(proxy_addon.__file__).with_name("addon.py")
    options = ["--set", f"cobrowse_config={config}", "--set", f"confdir={ours.parent}"]
    own_network.lead_to(port)

    def to(address: str, port: int) -> socket.socket:
        return socket.create_connection((address, port), TIMEOUT_S, (BROWSER, 0))

    try:
        processes.start(
            "mitmdump",
            [MITMDUMP, "-s", str(addon), "--mode", "transparent", "-p", str(port), *options],
        )
        with sites.serving():
            processes.wait_ready("127.0.0.1", port, "mitmdump")
            signer, names, page = looked_at(to(SHOP, 443), "shop.test", ours)
            assert (signer, names) == (NAME, ("shop.test",)) and b"GLANCE" in page
            signer, _, page = looked_at(to(OTHER, 443), "other.test", sites.ca)
            assert signer == "another" and page == KEPT_OPEN
            for address, name, is_ours in ((SHOP, "shop.test", True), (OTHER, "other.test", False)):
                with to(address, 80) as connection:
                    connection.sendall(
                        f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n".encode()
                        + NAVIGATION
                        + b"\r\n"
                    )
                    answer = b"".join(iter(lambda: connection.recv(65_536), b""))
                    assert (b"GLANCE" in answer) is is_ours, answer
            # Nobody gets inside by being led there, whatever he calls it.
            with to(INSIDE, 80) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
                assert b" 502 " in read_head(connection)
    finally:
        processes.stop()


def test_what_is_not_included_passes_unopened(tmp_path: Path) -> None:
    own_network.run(forward_mode, tmp_path)


def test_others_are_asked_for_a_password_and_the_proxy_does_not_ask_itself(tmp_path: Path) -> None:
    own_network.run(listening_to_all, tmp_path)


@pytest.mark.skipif(not shutil.which("iptables"), reason="nothing leads to a transparent proxy")
def test_the_network_leads_browsers_to_it(tmp_path: Path) -> None:
    own_network.run(transparent_mode, tmp_path)
