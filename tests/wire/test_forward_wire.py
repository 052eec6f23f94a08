"""Forward mode on real mitmdump: what is opened, what passes, what is refused."""

import base64
import contextlib
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import proxy_addon
from certs.authority import CERTIFICATE_FILE, authority, leaf
from cobrowse import up
from cobrowse.processes import Processes, StartError
from tests.stack import config_text, free_port
from tests.wire.http2 import H2Client, h2_origin
from tests.wire.mitmdump import mitmdump
from tests.wire.raw import TIMEOUT_S, Client, RawServer, listening, raw_server, read_head

NAVIGATION = b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
PAGE = b"<!doctype html><title>page</title>"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE)
)


@contextlib.contextmanager
def forward(folder: Path, *hosts: str, more: str = "", host: str = "127.0.0.1") -> Iterator[int]:
    """Forward mode that opens these hosts; yields its port. more: lines of [proxy]."""
    path = folder / "cobrowse.toml"
    path.write_text(f"{config_text(folder)}\n[proxy]\n{more}\n")
    (folder / "token_secret").write_text("obviously-fake-secret" * 2)
    way = up.forward_of(str(path), hosts)
    port = free_port()
    processes = Processes()
    try:
        nobody = ("127.0.0.1", free_port())
        up.start_proxy(processes, str(path), "", (host, port), nobody, way)
        processes.wait_ready("127.0.0.1", port, "the proxy")
        yield port
    finally:
        processes.stop()


def ask(port: int, request: bytes) -> bytes:
    """All that comes for one request."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
        return answer


def get(url: str, *fields: bytes) -> bytes:
    host = url.split("/")[2]
    head = [f"GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close".encode(), *fields]
    return b"\r\n".join(head) + b"\r\n" + NAVIGATION + b"\r\n"


@pytest.fixture
def site() -> Iterator[RawServer]:
    with raw_server() as site:
        site.answers_and_closes(RESPONSE)
        yield site


def test_only_what_is_included_is_touched(tmp_path: Path, site: RawServer) -> None:
    with forward(tmp_path, "localhost") as port:
        spliced = ask(port, get(f"http://localhost:{site.port}/"))
        assert b"GLANCE" in spliced and site.head().startswith(b"GET / ")
        # Private, and not included: by address, by a name, and in a tunnel.
        for address in ("127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost.localdomain"):
            assert b"GLANCE" not in ask(port, get(f"http://{address}:{site.port}/"))
            tunnel = f"CONNECT {address}:{site.port} HTTP/1.1\r\n\r\n".encode()
            with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
                connection.sendall(tunnel)
                assert connection.recv(65_536).startswith(b"HTTP/1.1 502")
        # Nor does the proxy speak of itself, nor with itself.
        assert b"mitmproxy-ca" not in ask(port, get("http://mitm.it/"))
        assert b" 502 " in ask(port, get(f"http://localhost:{port}/"))
    assert site.hears_nothing()


def test_of_the_relay_only_the_visitors_paths_are_reached(tmp_path: Path, site: RawServer) -> None:
    """Its other pages are for this machine, which listens there for nobody else."""
    with raw_server() as relay:
        relay.answers_and_closes(RESPONSE)
        with forward(tmp_path, "localhost", more=f'relay = "{relay.url}"') as port:
            asked = get(f"{relay.url}/metrics")
            for request in (
                asked,
                asked.replace(b"Host: 127.0.0.1", b"Host: localhost"),
                f"CONNECT 127.0.0.1:{relay.port} HTTP/1.1\r\n\r\n".encode(),
            ):
                with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
                    connection.sendall(request)
                    assert b" 403 " in read_head(connection)
            assert relay.hears_nothing()
            assert b" 200 " in ask(port, get(f"http://localhost:{site.port}/.cobrowse/loader.js"))
            assert relay.head().startswith(b"GET /visitor/loader.js ")
    assert site.hears_nothing()


def test_an_upload_to_somebody_else_is_not_held(tmp_path: Path, site: RawServer) -> None:
    """direct_url may be private without being opened: it stands for another's site here."""
    more = f'direct_url = "ws://127.0.0.1:{site.port}/"'
    with forward(tmp_path, "shop.test", more=more) as port:
        with Client(port) as client:
            client.send(f"POST {site.url}/ HTTP/1.1", "Host: x", "Content-Length: 9000000")
            assert site.head().startswith(b"POST / ")  # with nothing of the body sent


def test_letters_of_a_host_are_of_any_case(tmp_path: Path, site: RawServer) -> None:
    with forward(tmp_path, "LocalHost") as port:
        assert b"GLANCE" in ask(port, get(f"http://LOCALHOST:{site.port}/"))


def test_a_private_address_may_be_included(tmp_path: Path, site: RawServer) -> None:
    with forward(tmp_path, "127.0.0.1") as port:
        assert b"GLANCE" in ask(port, get(f"http://127.0.0.1:{site.port}/"))


def test_a_password_is_asked_for(tmp_path: Path, site: RawServer) -> None:
    more = 'auth = "ida:obviously-fake"'
    with forward(tmp_path, "localhost", more=more, host="0.0.0.0") as port:
        url = f"http://localhost:{site.port}/"
        assert b" 407 " in ask(port, get(url))
        assert site.hears_nothing()
        given = base64.b64encode(b"ida:obviously-fake")
        assert b"GLANCE" in ask(port, get(url, b"Proxy-Authorization: Basic " + given))


def test_without_one_nobody_else_reaches_it(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="set auth"), forward(tmp_path, "shop.test", host="::"):
        pass
    config = tmp_path / "cobrowse.toml"
    config.write_text('[proxy]\nforward = true\ninclude = ["shop.test/*"]\n')
    addon = str(Path(proxy_addon.__file__).with_name("addon.py"))
    command = [str(Path(sys.executable).with_name("mitmdump")), "-s", addon]
    command += ["--set", f"cobrowse_config={config}", "--set", f"confdir={tmp_path}", "-p", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "listen on 127.0.0.1, or set auth" in ended.stdout + ended.stderr


def test_http2_on_both_sides(tmp_path: Path) -> None:
    ca = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    certificate = tmp_path / "origin.pem"
    ca.issue_cert("127.0.0.1", "elsewhere.test").private_key_and_cert_chain_pem.write_to_path(
        str(certificate)
    )
    more = f'origin_ca = "{tmp_path / "ca.pem"}"\norigin_tls_min = "1.2"'
    with h2_origin(certificate) as origin, forward(tmp_path, "127.0.0.1", more=more) as port:
        origin.headers = [(":status", "200"), ("content-type", "text/html; charset=utf-8")]
        origin.body = PAGE
        with H2Client(origin.port, through=port) as client:
            fields, body = client.get(
                f"127.0.0.1:{origin.port}",
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            )
        assert dict(fields)[":status"] == "200" and b"GLANCE" in body
        # Signed by our authority, for this host alone, whatever the site's own names are.
        context = ssl.create_default_context(cafile=str(tmp_path / "certs" / CERTIFICATE_FILE))
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain:
            plain.sendall(f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n\r\n".encode())
            assert b" 200 " in plain.recv(4096)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                shown = secured.getpeercert() or {}
        assert shown["subjectAltName"] == (("IP Address", "127.0.0.1"),)


def test_the_relay_speaks_https_by_a_leaf(tmp_path: Path, site: RawServer) -> None:
    """Named as agents know it, which the proxy on the same machine does not."""
    made = authority(tmp_path, ["relay.test"])
    path = leaf(made, ["relay.test"], tmp_path / "relay.pem")
    config = tmp_path / "cobrowse.toml"
    config.write_text(config_text(tmp_path).replace("[relay]", f'[relay]\ncert = "{path}"'))
    processes, port, relay_port = Processes(), free_port(), free_port()
    try:
        at, relay_at = ("127.0.0.1", port), ("127.0.0.1", relay_port)
        up.start(processes, str(config), site.url, at, relay_at)
        trust = ssl.create_default_context(cafile=str(tmp_path / CERTIFICATE_FILE))
        plain = socket.create_connection(relay_at, TIMEOUT_S)
        with trust.wrap_socket(plain, server_hostname="relay.test") as secured:
            secured.sendall(b"GET /visitor/loader.js HTTP/1.0\r\n\r\n")
            assert b" 200 " in secured.recv(4096)
        url = f"http://127.0.0.1:{port}/.cobrowse/loader.js"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            assert b"GLANCE" in response.read()
        # Another's certificate in the same place is not taken.
        leaf(made, ["relay.test"], path)
        with pytest.raises(urllib.error.HTTPError, match="502"):
            urllib.request.urlopen(url, timeout=TIMEOUT_S)
    finally:
        processes.stop()


def test_visitors_get_the_sites_own_certificate(tmp_path: Path, site: RawServer) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    shown = ca.issue_cert("localhost").private_key_and_cert_chain_pem
    shown.write_to_path(str(tmp_path / "site.pem"))
    config = tmp_path / "cobrowse.toml"
    config.write_text(f'{config_text(tmp_path)}\n[proxy]\ncert = "{tmp_path / "site.pem"}"\n')
    trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with mitmdump(tmp_path, config, site.url) as port:
        plain = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        with trust.wrap_socket(plain, server_hostname="localhost") as secured:
            head = f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n".encode()
            secured.sendall(head + NAVIGATION + b"\r\n")
            answer = read_head(secured)
    assert b" 200 " in answer
    (cookie,) = [line for line in answer.split(b"\r\n") if line.lower().startswith(b"set-cookie")]
    assert b"cobrowse_assets" in cookie and b"Secure" in cookie


def test_an_old_site_is_reached(tmp_path: Path) -> None:
    """TLS 1.0 with the ciphers of its time, where the config file says so."""
    ca = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    ca.issue_cert("127.0.0.1").configure_cert(context)

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secured:
            secured.recv(65_536)
            secured.sendall(RESPONSE)

    more = f'origin_ca = "{tmp_path / "ca.pem"}"\norigin_tls_min = "1.0"'
    with listening(serve) as old, forward(tmp_path, "127.0.0.1", more=more) as port:
        trust = ssl.create_default_context(cafile=str(tmp_path / "certs" / CERTIFICATE_FILE))
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain:
            plain.sendall(f"CONNECT 127.0.0.1:{old} HTTP/1.1\r\n\r\n".encode())
            assert b" 200 " in plain.recv(4096)
            with trust.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                secured.sendall(
                    get(f"https://127.0.0.1:{old}/")
                    .replace(b"https://", b"", 1)
                    .replace(f"127.0.0.1:{old}/".encode(), b"/", 1)
                )
                answer = b""
                while data := secured.recv(65_536):
                    answer += data
    assert b" 200 " in answer and b"GLANCE" in answer
