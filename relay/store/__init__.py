"""Where session records are kept. Every store does the same; sql.py is the one that lasts."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

import msgspec

from relay.accounts.store import AccountStore
from relay.session import Saved


class StoreError(Exception):
    """The store cannot be reached, or cannot write."""


class BadRecord(StoreError):
    """One of the records is not what the store can hold."""


class Record(msgspec.Struct, kw_only=True):
    """A session as it is written down. ended: Unix seconds; None while it may go on."""

    saved: Saved
    seen: float
    ended: float | None = None
    reason: str = ""


class Store(Protocol):
    """Every method raises StoreError."""

    @property
    def accounts(self) -> AccountStore:
        """Account settings, kept beside the sessions."""

    async def open(self) -> None:
        """Connect, and bring the tables up to date."""

    async def close(self) -> None: ...

    async def put(self, records: Collection[Record]) -> None:
        """Write records, all or none, over what is known of these sessions. Raises: BadRecord too.

        An older revision changes nothing, nor does any after the end: a relay that let a session
        go may write last.
        """

    async def live(self) -> list[Record]:
        """Sessions that have no end."""

    async def at(self, group: str, key: str) -> Record | None:
        """The session without an end under this key, if there is one."""

    async def spend(self, kind: str, secret: str, expires: int) -> bool:
        """Use something once: False if it was used before. expires: Unix seconds, then forgotten.

        Args: secret: only its digest is kept.
        """

    async def is_spent(self, kind: str, secret: str) -> bool:
        """Whether it was used, as far as is known now."""

    async def get(self, id: str) -> Record | None:
        """The session with this id, live or ended."""

    def find(self, group: str = "", visitorid: str = "") -> AsyncIterator[Record]:
        """Records from the newest on, of a group and a visitor; "" for any."""

    async def erase(self, ids: Sequence[str]) -> int:
        """Forget sessions with all that is known of them. Returns how many there were."""

    async def expire(self, before: float) -> int:
        """Forget sessions that ended before this moment (Unix seconds), and spent secrets."""
