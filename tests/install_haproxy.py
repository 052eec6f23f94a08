"""Make sure that the tests find HAProxy: on PATH, or from apt. Elsewhere its tests are skipped."""

import os
import shutil

from tests import apt


def find() -> str | None:
    """The path of HAProxy, or None. Debian's is not on everybody's PATH."""
    return shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")


if __name__ == "__main__":
    if not find():
        apt.install("HAProxy", "haproxy")
