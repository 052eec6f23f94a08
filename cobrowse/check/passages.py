"""What the proxy did to a page, as recording.py writes it and the check reads it. Pure."""

from typing import Final
from urllib.parse import urldefrag

import msgspec

# With its compression, and without.
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
MAX_PLAIN_BYTES: Final = 64 * 1024 * 1024
# In the recording's folder: one Passage as JSON on each line, and how files of bodies end.
LIST: Final = "passages.jsonl"
BODY: Final = ".body"


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """One response to a navigation.

    url: as the browser asked for it. outcome: as the addon counts it. before, after: header fields.
    came, went: files with the body as the site sent it and as the browser got it, without
    compression; "" for frames, and where the body passed unread or was too large to keep.
    """

    url: str
    status: int
    outcome: str
    is_frame: bool
    before: list[tuple[str, str]]
    after: list[tuple[str, str]]
    came: str = ""
    went: str = ""


def plain_url(url: str) -> str:
    """Without the fragment, of which no server hears."""
    return urldefrag(url).url


class Inserted(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bodies of a page differ. at: offset in bytes; text: what was put in there."""

    at: int
    text: bytes


def inserted(came: bytes, went: bytes) -> Inserted | None:
    """What was put into a page at one place; None where anything else is different."""
    more = len(went) - len(came)
    if more < 0:
        return None
    at, end = 0, len(came)
    # The longest common beginning, by halves: pages have megabytes.
    while at < end:
        middle = (at + end + 1) // 2
        if came[:middle] == went[:middle]:
            at = middle
        else:
            end = middle - 1
    if came[at:] != went[at + more :]:
        return None
    # Of places that are as good, the one at which a tag begins.
    while 0 < at and more and went[at : at + 1] != b"<" and went[at - 1] == went[at + more - 1]:
        at -= 1
    return Inserted(at=at, text=went[at : at + more])
