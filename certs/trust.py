"""What to do so that a machine trusts the authority, and no longer."""

from pathlib import Path
from typing import Final

from certs.authority import NAME

_STEPS: Final = """\
Trust it only on machines that you test with, and take it away when you are done.
`cobrowse browse URL` needs none of this: its browser trusts this one key, and nothing is installed.

Chrome or Chromium on Linux (packages: libnss3-tools), for this user:
  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n "{name}" -i {path}
  remove:  certutil -d sql:$HOME/.pki/nssdb -D -n "{name}"

Firefox: Settings, Privacy & Security, View Certificates, Authorities, Import: {path}
  tick "Trust this CA to identify websites"
  remove:  the same place, select "{name}", Delete or Distrust

Debian, for command-line programs (as root):
  cp {path} /usr/local/share/ca-certificates/cobrowse.crt && update-ca-certificates
  remove:  rm /usr/local/share/ca-certificates/cobrowse.crt && update-ca-certificates --fresh

macOS, for this user:
  security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {path}
  remove:  security delete-certificate -c "{name}" ~/Library/Keychains/login.keychain-db
"""


def steps(path: Path) -> str:
    """The steps for Chrome, Firefox, Debian and macOS. path: of the certificate."""
    return _STEPS.format(path=path, name=NAME)
