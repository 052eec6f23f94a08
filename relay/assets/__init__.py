"""Images, fonts and style sheets of visitors' pages, for their agents, while a session lasts.

memory.py keeps them in this process, redis.py where several relays find them.
"""

from dataclasses import dataclass
from typing import Final, Protocol

# Of one session: what goes past it is not kept.
SESSION_CAP_BYTES: Final = 64 * 1024 * 1024
FILE_CAP_BYTES: Final = 8 * 1024 * 1024


class AssetError(Exception):
    """The files cannot be reached now."""


@dataclass(frozen=True)
class Asset:
    """One file. media_type: as it is served. body None: it is not to be had."""

    media_type: str
    body: bytes | None


class AssetStore(Protocol):
    """Files by session and id. A restart may lose them: pages send them again with a keyframe.

    Raises: AssetError from every method.
    """

    async def put(self, session: str, asset_id: str, asset: Asset) -> bool:
        """Keep a file, in the place of an earlier one. False where the session has no more room."""

    async def get(self, session: str, asset_id: str) -> Asset | None:
        """None for one that has not come (yet)."""

    async def missing(self, session: str, asset_ids: list[str]) -> list[str]:
        """Those that have not come."""

    async def drop(self, session: str) -> None:
        """The session is over."""

    async def close(self) -> None:
        """Let go of connections."""
