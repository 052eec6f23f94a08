"""What the browser showed of a page, and of a session on it. Pure."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from cobrowse.check.fields import Field


class Seen(msgspec.Struct, frozen=True):
    """What look.js tells. is_whole: the tree has all nodes."""

    media_type: str
    mode: str
    charset: str
    tree: list[tuple[str, str]]
    is_whole: bool
    html: str
    first_paint_ms: float | None
    blocking_ms: float
    loaded_ms: float | None


class FrameSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is to be seen.

    url: its address, or the one that it waits with until it is scrolled to. can_script: its
    sandbox, if it has one, lets scripts run. has_script: the proxy's own runs there. is_reached:
    the page around it has it in its hands, and so has the script there.
    """

    url: str
    can_script: bool = True
    has_script: bool = False
    is_reached: bool = False
    is_waiting: bool = False


def is_of_its_page(url: str) -> bool:
    """Whether a frame has no address of its own."""
    return not url or url.startswith(("about:", "blob:"))


@dataclass
class Load:
    """One load. asked: the page's address. url: where it led. status, answered: of the page's
    response, and its own address.

    trees: the document, each node with its path; twice, some time apart, where that is needed.
    transfer_bytes: compressed, without frames of other sites. files: addresses of all that was
    asked for, and whether it came.
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
    files: dict[str, bool]
    screenshot: bytes = field(repr=False)
    cookies: list[Any] = field(repr=False)
    answered: str = ""


@dataclass
class Mirrored:
    """How a session went.

    error: why there was none, else "". difference: share of the pixels that differ clearly, 0 to 1,
    masked places left out. moving: share that moves by itself and is left out, too. masked: places
    that the agent does not see. is_pictured: the browser gave pictures to compare. missing:
    addresses of files that the visitor has and the agent does not get. is_empty: much less is to be
    seen than on the page. readable: fields whose text the agent sees. untried: fields that took no
    text.
    """

    error: str = ""
    difference: float = 0.0
    moving: float = 0.0
    masked: int = 0
    is_pictured: bool = True
    is_empty: bool = False
    missing: list[str] = field(default_factory=list)
    readable: list[Field] = field(default_factory=list)
    untried: list[Field] = field(default_factory=list)
    page: bytes = field(default=b"", repr=False)
    copy: bytes = field(default=b"", repr=False)
