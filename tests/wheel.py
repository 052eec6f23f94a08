"""The wheel as a user gets it, and an environment that has nothing else."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


def build(folder: Path) -> Path:
    """Build the wheel. Returns: its path."""
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Environment:
    """A virtual environment on a machine without Node. folder: what is home there."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """Of processes in it; nothing of our own."""
        ours, programs = self.folder / "venv" / "bin", self.folder / "programs"
        inherited = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        path = os.pathsep.join([str(ours), str(programs), os.environ["PATH"]])
        return inherited | {"PATH": path, "HOME": str(self.folder), "PYTHONUNBUFFERED": "1"}

    def add_program(self, name: str, script: str) -> None:
        """A program by this name, before any other."""
        path = self.folder / "programs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """By a shell, in its folder."""
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=300,
        )


def make_environment(folder: Path) -> Environment:
    made = Environment(folder)
    for name in ("node", "npm", "npx"):
        made.add_program(name, "echo there is no Node here >&2; exit 127")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    return made
