"""How settings are kept: published versions, a draft for staging, who changed what, and secrets."""

import time
from collections import deque
from typing import Final, Protocol

import msgspec

from relay.accounts.texts import Change

MAX_ENTRIES: Final = 10_000


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What was published. number: counted up from 1 in a group. at: Unix seconds. text: TOML."""

    group: str
    number: int
    at: float
    who: str
    note: str
    text: str


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What staging shows. revision: counted up from 1 with each save."""

    group: str
    revision: int
    at: float
    who: str
    text: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit list. group: "" for what concerns all of them."""

    group: str
    at: float
    who: str
    action: str
    changes: list[Change] = []


class AccountStore(Protocol):
    """Every method raises StoreError."""

    async def heads(self) -> dict[str, tuple[int, int]]:
        """The newest version's number and the draft's revision of each group that has any."""

    async def version(self, group: str, number: int) -> Version | None: ...

    async def versions(self, group: str, limit: int) -> list[Version]:
        """From the newest on."""

    async def draft(self, group: str) -> Draft | None: ...

    async def publish(self, version: Version, entry: Entry) -> bool:
        """Keep a version. False, and nothing is kept, if its number is taken."""

    async def save(self, draft: Draft, entry: Entry) -> bool:
        """Put a draft over the one before. False if that is not of the revision before."""

    async def note(self, entry: Entry) -> None:
        """Add a line to the audit list."""

    async def entries(self, group: str, limit: int) -> list[Entry]:
        """Of a group, and of all of them, from the newest on."""

    async def secret(self, name: str) -> str:
        """What is kept under a name and has not expired; "" for nothing."""

    async def keep_secret(self, name: str, value: str, expires: float) -> None:
        """Put a secret over the one before; those that have expired go. expires: Unix seconds."""

    async def take_secret(self, name: str) -> bool:
        """Forget a secret; whether it was there and had not expired, which is true once only."""


class MemoryAccounts:
    """For as long as the relay runs. Of the audit list the newest MAX_ENTRIES are kept."""

    def __init__(self) -> None:
        self._versions: dict[str, list[Version]] = {}
        self._drafts: dict[str, Draft] = {}
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._secrets: dict[str, tuple[str, float]] = {}

    async def heads(self) -> dict[str, tuple[int, int]]:
        groups = {*self._versions, *self._drafts}
        return {
            group: (
                self._versions[group][-1].number if group in self._versions else 0,
                self._drafts[group].revision if group in self._drafts else 0,
            )
            for group in groups
        }

    async def version(self, group: str, number: int) -> Version | None:
        return next((v for v in self._versions.get(group, ()) if v.number == number), None)

    async def versions(self, group: str, limit: int) -> list[Version]:
        return self._versions.get(group, [])[: -limit - 1 : -1]

    async def draft(self, group: str) -> Draft | None:
        return self._drafts.get(group)

    async def publish(self, version: Version, entry: Entry) -> bool:
        if await self.version(version.group, version.number):
            return False
        self._versions.setdefault(version.group, []).append(version)
        self._entries.append(entry)
        return True

    async def save(self, draft: Draft, entry: Entry) -> bool:
        known = self._drafts.get(draft.group)
        if (known.revision if known else 0) != draft.revision - 1:
            return False
        self._drafts[draft.group] = draft
        self._entries.append(entry)
        return True

    async def note(self, entry: Entry) -> None:
        self._entries.append(entry)

    async def entries(self, group: str, limit: int) -> list[Entry]:
        return [e for e in reversed(self._entries) if e.group in ("", group)][:limit]

    async def secret(self, name: str) -> str:
        value, expires = self._secrets.get(name, ("", 0.0))
        return value if expires > time.time() else ""

    async def keep_secret(self, name: str, value: str, expires: float) -> None:
        now = time.time()
        self._secrets = {n: s for n, s in self._secrets.items() if s[1] > now}
        self._secrets[name] = value, expires

    async def take_secret(self, name: str) -> bool:
        _, expires = self._secrets.pop(name, ("", 0.0))
        return expires > time.time()
