"""Records for as long as the relay runs."""

import time
from collections.abc import AsyncIterator, Collection, Sequence

import msgspec

from relay.accounts.store import MemoryAccounts
from relay.store import Record


class MemoryStore:
    """Another relay cannot read them, and the next one neither."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._spent: dict[tuple[str, str], int] = {}
        self.accounts = MemoryAccounts()

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def put(self, records: Collection[Record]) -> None:
        for record in records:
            copy = msgspec.convert(msgspec.to_builtins(record), Record)
            known = self._records.get(record.saved.id)
            if known is None or (
                known.ended is None and known.saved.revision < record.saved.revision
            ):
                self._records[record.saved.id] = copy

    async def live(self) -> list[Record]:
        return [r for r in self._records.values() if r.ended is None]

    async def at(self, group: str, key: str) -> Record | None:
        place = group, key
        return next((r for r in await self.live() if r.saved.place == place), None)

    async def spend(self, kind: str, secret: str, expires: int) -> bool:
        if (kind, secret) in self._spent:
            return False
        self._spent[kind, secret] = expires
        return True

    async def is_spent(self, kind: str, secret: str) -> bool:
        return (kind, secret) in self._spent

    async def get(self, id: str) -> Record | None:
        return self._records.get(id)

    async def find(self, group: str = "", visitorid: str = "") -> AsyncIterator[Record]:
        for record in sorted(self._records.values(), key=lambda r: -r.saved.started):
            if group in ("", record.saved.group) and visitorid in (
                "",
                record.saved.person.visitorid,
            ):
                yield record

    async def erase(self, ids: Sequence[str]) -> int:
        return sum(self._records.pop(i, None) is not None for i in ids)

    async def expire(self, before: float) -> int:
        now = time.time()
        self._spent = {key: expires for key, expires in self._spent.items() if expires > now}
        old = [i for i, r in self._records.items() if r.ended is not None and r.ended < before]
        return await self.erase(old)
