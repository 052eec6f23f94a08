"""What the check says of pages: findings, each with a grade, and the report that holds them."""

from enum import IntEnum
from typing import Literal

import msgspec

# What a finding is about; docs/check.md says more of each.
# fmt: off
Code = Literal[
    "load", "script", "bytes", "dom", "mode", "charset", "status", "policy", "console",
    "violations", "speed", "frames", "workers", "cookies", "session", "files", "fields",
]
# fmt: on


class Grade(IntEnum):
    """Of a finding, a page, and the whole; also the exit code."""

    FINE = 0
    DEGRADED = 1
    BROKEN = 2


class Finding(msgspec.Struct, frozen=True):
    """details: further lines. proposal: lines for the config file."""

    code: Code
    grade: Grade
    text: str
    details: list[str] = []
    proposal: list[str] = []


class Metrics(msgspec.Struct, frozen=True):
    """One load. None: the browser did not say."""

    first_paint_ms: float | None
    blocking_ms: float
    loaded_ms: float | None
    transfer_bytes: int


class PageReport(msgspec.Struct, kw_only=True):
    """pictures: WebP, by what they show; not in the JSON."""

    url: str
    findings: list[Finding]
    without: Metrics | None = None
    through: Metrics | None = None
    difference: float | None = None
    pictures: dict[str, bytes] = {}

    @property
    def grade(self) -> Grade:
        return max((finding.grade for finding in self.findings), default=Grade.FINE)

    def of(self, code: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.code == code]


class Report(msgspec.Struct, kw_only=True):
    """at: when, ISO 8601. version: ours."""

    url: str
    at: str
    version: str
    pages: list[PageReport]

    @property
    def grade(self) -> Grade:
        return max((page.grade for page in self.pages), default=Grade.FINE)


def printable(text: str) -> str:
    """Nothing of a page may speak to the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
