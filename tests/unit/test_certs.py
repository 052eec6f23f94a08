"""The development authority: for its hosts alone, short-lived, and its key for its owner alone."""

import datetime
import ipaddress
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from certs import authority as module
from certs.authority import (
    AUTHORITY_FILE,
    CERTIFICATE_FILE,
    CertificateError,
    authority,
    leaf,
    load,
)
from certs.trust import steps


def constraints(folder: Path) -> x509.NameConstraints:
    extensions = load(folder).certificate.extensions
    found = extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    return found.value


def test_it_is_for_its_hosts_alone(tmp_path: Path) -> None:
    made = authority(tmp_path, ["shop.test", "*.bank.test"])
    allowed = constraints(tmp_path)
    assert allowed.permitted_subtrees == [x509.DNSName("shop.test"), x509.DNSName("bank.test")]
    assert {str(name.value) for name in allowed.excluded_subtrees or ()} == {"0.0.0.0/0", "::/0"}
    basic = made.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and basic.value.ca and basic.value.path_length == 0
    left = made.certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left <= datetime.timedelta(days=30)


def test_addresses_are_allowed_by_themselves(tmp_path: Path) -> None:
    authority(tmp_path, ["127.0.0.1", "[::1]"])
    allowed = constraints(tmp_path)
    assert allowed.excluded_subtrees is None
    assert allowed.permitted_subtrees == [
        x509.IPAddress(ipaddress.ip_network("127.0.0.1/32")),
        x509.DNSName("127.0.0.1"),
        x509.IPAddress(ipaddress.ip_network("::1/128")),
    ]
    authority(tmp_path / "other", ["::1"])
    no_name = x509.DNSName("invalid")
    assert no_name in (constraints(tmp_path / "other").permitted_subtrees or ())


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    made = authority(folder, ["shop.test"])
    signed = leaf(made, ["www.shop.test"], folder / "relay.pem")
    for path in (folder / AUTHORITY_FILE, signed):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"PRIVATE" not in (folder / CERTIFICATE_FILE).read_bytes()


def test_it_is_kept_while_it_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = authority(tmp_path, ["shop.test", "*.shop.test", "10.0.0.5"])
    assert not made.replaced
    for fewer in (["10.0.0.5", "SHOP.test"], ["*.www.shop.test"]):
        kept = authority(tmp_path, fewer)
        assert kept.certificate == made.certificate and not kept.replaced
    assert authority(tmp_path, ["10.0.0.6"]).replaced
    other = authority(tmp_path, ["shop.test", "other.test"])
    assert other.certificate != made.certificate and other.pin != made.pin and other.replaced
    monkeypatch.setattr(module, "LEAST_LEFT", datetime.timedelta(days=31))
    assert authority(tmp_path, ["shop.test", "other.test"]).certificate != other.certificate
    (tmp_path / AUTHORITY_FILE).write_text("no key")
    assert authority(tmp_path, ["shop.test"]).pin


def test_a_leaf_is_trusted_by_who_trusts_the_authority(tmp_path: Path) -> None:
    made = authority(tmp_path, ["shop.test", "127.0.0.1"])
    path = leaf(made, ["www.shop.test", "127.0.0.1"], tmp_path / "leaf.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.create_default_context(cafile=str(tmp_path / CERTIFICATE_FILE))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    for name in ("www.shop.test", "127.0.0.1"):
        shake_hands(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server, "other.test")


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    bios = [ssl.MemoryBIO() for _ in range(4)]
    ours = client.wrap_bio(bios[0], bios[1], server_hostname=name)
    theirs = server.wrap_bio(bios[2], bios[3], server_side=True)
    done = [False, False]
    while not all(done):
        for number, side in enumerate((ours, theirs)):
            try:
                side.do_handshake()
                done[number] = True
            except ssl.SSLWantReadError:
                pass
            bios[2].write(bios[1].read())
            bios[0].write(bios[3].read())


@pytest.mark.parametrize("host", ["other.test", "notshop.test", "10.0.0.1", "test"])
def test_a_leaf_for_another_host_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(CertificateError, match="not for"):
        leaf(authority(tmp_path, ["shop.test"]), [host], tmp_path / "leaf.pem")
    assert not (tmp_path / "leaf.pem").exists()


@pytest.mark.parametrize(
    "host", ["", "*", "shop..test", "shop.test/x", "a b", "-x.test", "x" * 64, "*.*.test", "a:b"]
)
def test_what_is_no_host_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(CertificateError):
        authority(tmp_path, ["shop.test", host])
    assert not (tmp_path / AUTHORITY_FILE).exists()


def test_it_is_for_some_host(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="at least one"):
        authority(tmp_path, [])


def test_each_way_to_trust_it_says_how_to_stop(tmp_path: Path) -> None:
    told = steps(tmp_path / CERTIFICATE_FILE)
    assert told.count("remove:") == 4 and str(tmp_path) in told
