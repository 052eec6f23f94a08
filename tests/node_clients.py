"""Runs programs in tests/node with what its package.json asks for, installed once."""

import os
import runpy
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
NODE: Final = ROOT / "tests" / "node"


def node() -> str:
    return str(Path(_npm()[0]).with_name("node"))


def run_node(script: str, *arguments: str) -> str:
    """What a program prints. Fails where there is no Node: nobody runs these tests without."""
    if not (NODE / "node_modules").is_dir():
        command = [*_npm(), "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
        subprocess.run(command, cwd=NODE, env={**os.environ, "PATH": path}, check=True)
    ended = subprocess.run(
        [node(), script, *arguments], cwd=NODE, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _npm() -> list[str]:
    command: list[str] = runpy.run_path(str(ROOT / "web" / "build.py"))["npm_command"]()
    return command
