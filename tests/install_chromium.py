"""Make sure that the browser tests find a Chromium: on PATH, from apt, or from an npm package."""

import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import apt

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNPACKED = Path(tempfile.gettempdir()) / "chromium"


def find() -> str | None:
    """The path of a Chromium, or None."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return str(UNPACKED) if UNPACKED.is_file() else None


def main() -> None:
    if find():
        return
    apt.install("Chromium", "chromium")
    if find():
        return
    print("Installing Chromium from npm ...", flush=True)
    install_from_npm()
    if not find():
        sys.exit("No Chromium could be installed. Put one on PATH and run this again.")


def install_from_npm() -> None:
    """Unpack the browser that @sparticuz/chromium carries to UNPACKED."""
    web = Path(__file__).resolve().parent.parent / "web"
    npm = runpy.run_path(str(web / "build.py"))["npm_command"]()
    node = str(Path(npm[0]).with_name("node"))
    with tempfile.TemporaryDirectory() as folder:
        quiet = ["--silent", "--no-audit", "--no-fund"]
        subprocess.run([*npm, "install", *quiet, "@sparticuz/chromium"], cwd=folder, check=True)
        code = "import c from '@sparticuz/chromium'; await c.executablePath();"
        subprocess.run([node, "--input-type=module", "-e", code], cwd=folder, check=True)


if __name__ == "__main__":
    main()
