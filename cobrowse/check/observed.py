"""What the browser showed of a page, and of a session on it. Pure."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from cobrowse.check.fields import Field


class Seen(msgspec.Struct, frozen=True):
    """What look.js tells."""

    mode: str
    charset: str
    title: str
    tree: list[tuple[str, str]]
    html: str
    first_paint_ms: float | None
    blocking_ms: float
    loaded_ms: float | None
    workers: list[str]


class FrameSeen(msgspec.Struct, frozen=True):
    """A frame of some size. can_script: its sandbox, if it has one, lets scripts run."""

    url: str
    can_script: bool


@dataclass
class Load:
    """One load. asked: the page's address. url: where it led. status, answered: of the page's
    response, and its own address.

    trees: the document, by path; twice, some time apart, where that is needed. transfer_bytes:
    compressed. files: addresses of all that was loaded.
    """

    asked: str
    url: str
    status: int
    seen: Seen
    trees: list[list[tuple[str, str]]]
    frames: list[FrameSeen]
    complaints: list[str]
    violations: list[str]
    transfer_bytes: int
    files: list[str]
    screenshot: bytes = field(repr=False)
    cookies: list[Any] = field(repr=False)
    answered: str = ""


@dataclass
class Mirrored:
    """How a session went.

    error: why there was none, else "". difference: share of the pixels that differ clearly, 0 to 1,
    masked places left out. masked: places that the agent does not see. missing: addresses of files
    that the agent does not get. is_empty: much less is to be seen than on the page. readable:
    fields whose text the agent sees.
    """

    error: str = ""
    difference: float = 0.0
    masked: int = 0
    is_empty: bool = False
    missing: list[str] = field(default_factory=list)
    readable: list[Field] = field(default_factory=list)
    page: bytes = field(default=b"", repr=False)
    copy: bytes = field(default=b"", repr=False)
