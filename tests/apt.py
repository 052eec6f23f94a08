"""Debian's packages, where this process may install them."""

import os
import shutil
import subprocess


def install(title: str, package: str) -> None:
    """Try to; whoever asks looks whether it is there. title: what is printed of it."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print(f"Installing {title} with apt ...", flush=True)
    quiet = ["-q", "-y", "-o", "Dpkg::Use-Pty=0"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--no-install-recommends", package]):
        subprocess.run(
            ["apt-get", *quiet, *command], env=environment, stdout=subprocess.DEVNULL, check=False
        )
