"""Runs cobrowse check as a user does, on sites that a test makes up."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import chromium_path
from tests.stack import config_text
from tests.wire.raw import RawServer, raw_server

Check = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    return _checker(tmp_path)


@pytest.fixture
def site() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


def _checker(folder: Path) -> Check:
    """Runs the command as a user does. Returns its exit code and its report.

    Args: folder: for its files.
    """
    config = folder / "cobrowse.toml"
    config.write_text(config_text(folder))

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        command = ["check", "--browser", chromium_path(), "--config", str(config), "--json", "-"]
        done = subprocess.run(
            [sys.executable, "-m", "cobrowse", *command, *arguments],
            env={**os.environ, "XDG_DATA_HOME": str(folder / "data")},
            capture_output=True,
            text=True,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else {"why": done.stderr}

    return run


def faults(report: dict[str, Any]) -> dict[str, set[str]]:
    """By path, what is not fine."""
    return {
        "/" + page["url"].split("/", 3)[3]: {
            finding["code"] for finding in page["findings"] if finding["grade"] != "fine"
        }
        for page in report["pages"]
    }


def finding(report: dict[str, Any], code: str) -> dict[str, Any]:
    (found,) = (f for f in report["pages"][0]["findings"] if f["code"] == code)
    return dict(found)
