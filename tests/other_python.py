"""Run what needs no browser on a second interpreter, where the machine has one.

mitmproxy 12 needs Python 3.12, and 3.11 gets mitmproxy 11: two interpreters try both. Arguments
are pytest's.
"""

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-other"
# Of the two sides of mitmproxy's change, the newest first.
WANTED = ("3.13", "3.12") if sys.version_info < (3, 12) else ("3.11",)


def find() -> str | None:
    """The path of another interpreter, on PATH or among pyenv's, or None."""
    pyenv = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    for version in WANTED:
        candidates = [shutil.which(f"python{version}")]
        candidates += sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python{version}"))
        for path in candidates:
            # pyenv puts commands on PATH that only work for the version it is set to.
            code = "import ensurepip, venv, ssl, sqlite3"
            if path and subprocess.run([path, "-c", code], capture_output=True).returncode == 0:
                return path
    return None


def main() -> None:
    path = find()
    if path is None:
        print(f"Tested on this Python alone: the machine has no {' or '.join(WANTED)}.")
        return
    python = VENV / "bin" / "python"
    if not python.exists():
        print(f"Installing what the tests need for {Path(path).name} ...", flush=True)
        subprocess.run([path, "-m", "venv", VENV], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[dev]"]
    subprocess.run(install, check=True)
    tests = ["tests/unit", "tests/wire", *sys.argv[1:]]
    sys.exit(subprocess.run([python, "-m", "pytest", *tests], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
