"""TLS with a server that is known by its certificate, whoever signed it and whatever its name."""

from pathlib import Path

from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL, crypto


def connection(path: Path) -> SSL.Connection:
    """The client's side. path: PEM file that begins with the server's certificate.

    Raises: OSError, ValueError for a file that holds none.
    """
    known = load_pem_x509_certificate(path.read_bytes())
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(known))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    made = SSL.Connection(context)
    made.set_connect_state()
    return made
