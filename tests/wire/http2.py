"""HTTP/2 over TLS at both ends of the proxy, with the h2 library's own state machine."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.wire.raw import TIMEOUT_S, listening

Headers = list[tuple[str, str]]


def make_certificate(folder: Path) -> Path:
    """A throwaway certificate for 127.0.0.1, with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "obviously fake")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "origin.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class H2Client:
    """One connection to the proxy; one request at a time."""

    def __init__(self, port: int, through: int = 0) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", through or port), TIMEOUT_S)
        if through:
            plain.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            assert b" 200 " in plain.recv(4096)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        assert self._socket.selected_alpn_protocol() == "h2"
        self._h2 = h2.connection.H2Connection()
        self._h2.initiate_connection()
        self._flush()

    def __enter__(self) -> "H2Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def get(
        self, authority: str, *fields: tuple[str, str], upload: bytes | None = None
    ) -> tuple[Headers, bytes]:
        """All header fields, ":status" too, and the whole body.

        Args: upload: what to post, without saying how long it is.
        """
        stream = self._h2.get_next_available_stream_id()
        request = [
            (":method", "GET" if upload is None else "POST"),
            (":scheme", "https"),
            (":authority", authority),
            (":path", "/page"),
            *fields,
        ]
        self._h2.send_headers(stream, request, end_stream=upload is None)
        if upload is not None:
            self._h2.send_data(stream, upload, end_stream=True)
        self._flush()
        headers: Headers = []
        body = b""
        while True:
            data = self._socket.recv(65_536)
            assert data, "the connection ended inside a response"
            for event in self._h2.receive_data(data):
                match event:
                    case h2.events.ResponseReceived():
                        headers = _texts(event.headers)
                    case h2.events.DataReceived():
                        body += event.data
                        self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
                    case h2.events.StreamEnded():
                        return headers, body
                    case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                        raise AssertionError(f"the proxy broke off: {event}")
            self._flush()

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())


class H2Origin:
    """A server that gives the same response to every request, and keeps their fields."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.headers: Headers = []
        self.body = b""
        self.frames: list[bytes] = []  # in place of body, one frame of data each
        self.requests: list[Headers] = []


@contextlib.contextmanager
def h2_origin(certificate: Path, host: str = "127.0.0.1") -> Iterator[H2Origin]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    origin = H2Origin(0)

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secured:
            if secured.selected_alpn_protocol() != "h2":
                return  # a socket's, which goes on to the relay
            config = h2.config.H2Configuration(client_side=False)
            connection = h2.connection.H2Connection(config)
            connection.initiate_connection()
            secured.sendall(connection.data_to_send())
            while data := secured.recv(65_536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        origin.requests.append(_texts(event.headers))
                        connection.send_headers(event.stream_id, origin.headers)
                        for frame in origin.frames or [origin.body]:
                            connection.send_data(event.stream_id, frame)
                        connection.end_stream(event.stream_id)
                secured.sendall(connection.data_to_send())

    with listening(serve, (host, 0)) as origin.port:
        yield origin


def _texts(headers: object) -> Headers:
    def text(value: object) -> str:
        return value.decode("latin-1") if isinstance(value, bytes) else str(value)

    assert isinstance(headers, list)
    return [(text(name), text(value)) for name, value in headers]
