"""Before the first start of compose.yaml: make what is secret, and the config file that holds it.

    setup.py TEMPLATE CONFIG DATABASE TLS

TEMPLATE is the config file without secrets; the others are folders. What is there already stays,
only CONFIG/cobrowse.toml is made anew each time, so that a change of the template counts. TLS gets
a certificate of a development authority, which no browser trusts, where it has none of yours.
"""

import os
import secrets
import sys
from pathlib import Path

from certs.authority import authority, leaf
from cobrowse import config

HOSTS = ("shop.example", "relay.example")


def main(template: Path, settings: Path, database: Path, tls: Path) -> None:
    """Raises: OSError, ConfigError, CertificateError."""
    os.umask(0o077)
    password = kept(database / "password")
    known = {
        'api_key = ""': f'api_key = "{kept(settings / "api_key")}"',
        "cobrowse@postgres": f"cobrowse:{password}@postgres",
    }
    text = template.read_text()
    for line, filled in known.items():
        text = text.replace(line, filled)
    made = settings / "cobrowse.toml"
    made.with_suffix(".new").write_text(text)
    made.with_suffix(".new").rename(made)
    config.load(str(made))
    if not (tls / "tls.pem").exists():
        leaf(authority(tls, HOSTS), HOSTS, tls / "tls.pem")


def kept(path: Path) -> str:
    """The secret in a file, made if it is not there."""
    if not path.exists():
        path.write_text(secrets.token_hex(16))
    return path.read_text().strip()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
