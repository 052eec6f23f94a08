"""A development authority, constrained to the hosts that it is for, and leaves that it signs.

The files are in the form that mitmproxy reads, so that the same authority signs what the proxy
shows and what the relay shows.
"""

import base64
import datetime
import hashlib
import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# mitmproxy's names: the first holds key and certificate, the second is what is to be trusted.
AUTHORITY_FILE: Final = "mitmproxy-ca.pem"
CERTIFICATE_FILE: Final = "mitmproxy-ca-cert.pem"
LIFETIME: Final = datetime.timedelta(days=30)
# One that ends sooner is made anew.
LEAST_LEFT: Final = datetime.timedelta(days=2)
# Clocks differ.
SKEW: Final = datetime.timedelta(hours=1)
NAME: Final = "cobrowse-proxy development authority"
# Nothing is below it (RFC 6761): stands for "no name at all" where only addresses are allowed.
_NO_NAME: Final = "invalid"
_EVERY_ADDRESS: Final = ("0.0.0.0/0", "::/0")

Key = ec.EllipticCurvePrivateKey


class CertificateError(ValueError):
    """A host or a file that cannot be used; says why."""


@dataclass(frozen=True)
class Authority:
    """folder: where its files are. replaced: another stood there, which is trusted no more."""

    folder: Path
    certificate: x509.Certificate
    key: Key
    replaced: bool = False

    @property
    def pin(self) -> str:
        """Base64 of the SHA-256 of its public key, as Chromium takes it."""
        public = self.key.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(der).digest()).decode()


def authority(folder: Path, hosts: Iterable[str]) -> Authority:
    """The authority in a folder, if it is good for these hosts and some days; else a new one.

    One for more hosts is good: who made it so has told browsers to trust it.

    Args: hosts: names or addresses; "*.host" is for all below it, as is the name itself.
    Raises: CertificateError, OSError.
    """
    names = _names(hosts)
    try:
        known = load(folder)
    except (OSError, ValueError):
        known = None
    if known and _is_good(known.certificate, names):
        return known
    replaced = (folder / AUTHORITY_FILE).exists()
    return replace(_make(folder, _constraints(names)), replaced=replaced)


def load(folder: Path) -> Authority:
    """Raises: OSError, ValueError."""
    pem = (folder / AUTHORITY_FILE).read_bytes()
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{folder / AUTHORITY_FILE} is no authority of ours")
    return Authority(folder, x509.load_pem_x509_certificate(pem), key)


def leaf(signer: Authority, hosts: Sequence[str], path: Path) -> Path:
    """A server's certificate for these hosts with its key, in one PEM file.

    Raises: CertificateError for a host that the authority is not for, OSError.
    """
    names = [_general_name(host) for host in hosts]
    constraints = signer.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    for host, name in zip(hosts, names, strict=True):
        if not _is_permitted(name, constraints.value):
            raise CertificateError(f"the authority is not for {host}: make one with --host {host}")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])]))
        .issuer_name(signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(signer.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()),
            critical=False,
        )
        .sign(signer.key, hashes.SHA256())
    )
    _write(path, _pem(key) + certificate.public_bytes(Encoding.PEM))
    return path


def _make(folder: Path, constraints: x509.NameConstraints) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = certificate.public_bytes(Encoding.PEM)
    _write(folder / AUTHORITY_FILE, _pem(key) + pem)
    (folder / CERTIFICATE_FILE).write_bytes(pem)
    return Authority(folder, certificate, key)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    """Each once. Raises: CertificateError."""
    names = list(dict.fromkeys(_general_name(host.removeprefix("*.")) for host in hosts))
    if not names:
        raise CertificateError("an authority is for some hosts: name at least one")
    return names


def _constraints(names: list[x509.GeneralName]) -> x509.NameConstraints:
    permitted: list[x509.GeneralName] = []
    for name in names:
        if isinstance(name, x509.IPAddress):
            permitted.append(x509.IPAddress(ipaddress.ip_network(name.value)))
            if "." in str(name.value):
                # Of a leaf without a DNS name OpenSSL takes the subject's for one.
                permitted.append(x509.DNSName(str(name.value)))
        else:
            permitted.append(name)
    excluded: list[x509.GeneralName] | None = None
    if not any(isinstance(name, x509.DNSName) for name in permitted):
        permitted.append(x509.DNSName(_NO_NAME))
    elif not any(isinstance(name, x509.IPAddress) for name in names):
        excluded = [x509.IPAddress(ipaddress.ip_network(all)) for all in _EVERY_ADDRESS]
    return x509.NameConstraints(permitted, excluded)


def _general_name(host: str) -> x509.GeneralName:
    """Raises: CertificateError."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        name = host.lower().encode("idna").decode() if not host.isascii() else host.lower()
        labels = name.split(".")
        is_name = len(name) <= 253 and all(
            0 < len(label) <= 63
            and label.replace("-", "").replace("_", "").isalnum()
            and not label.startswith("-")
            for label in labels
        )
    except UnicodeError:
        is_name = False
    if not is_name:
        raise CertificateError(f"{host!r} is no host: write a name, *.name, or an address")
    return x509.DNSName(name)


def _is_permitted(name: x509.GeneralName, constraints: x509.NameConstraints) -> bool:
    for permitted in constraints.permitted_subtrees or ():
        if isinstance(name, x509.DNSName) and isinstance(permitted, x509.DNSName):
            host = name.value
            if host == permitted.value or host.endswith(f".{permitted.value}"):
                return True
        elif isinstance(name, x509.IPAddress) and isinstance(permitted, x509.IPAddress):
            if name.value.version != permitted.value.version:
                continue
            network = ipaddress.ip_network(permitted.value)
            if ipaddress.ip_network(name.value).subnet_of(network):  # type: ignore[arg-type]
                return True
    return False


def _is_good(certificate: x509.Certificate, names: list[x509.GeneralName]) -> bool:
    """Whether it is constrained, lasts, and is for these hosts."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return left > LEAST_LEFT and all(_is_permitted(name, found) for name in names)


def _pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """A file for its owner alone from the first moment, over an older one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)
