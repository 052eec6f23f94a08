"""Settings in SQLite or PostgreSQL."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.accounts.store import Draft, Entry, Version
from relay.accounts.texts import Change
from relay.store.tables import audit, drafts, secrets, versions

# Opens a transaction, and turns what the database says into StoreError.
Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class SqlAccounts:
    """Args: insert: the dialect's own, that knows ON CONFLICT."""

    def __init__(self, transaction: Transaction, insert: Callable[[sa.Table], Any]) -> None:
        self._transaction, self._insert = transaction, insert

    async def heads(self) -> dict[str, tuple[int, int]]:
        newest = sa.select(versions.c.group_id, sa.func.max(versions.c.number)).group_by(
            versions.c.group_id
        )
        async with self._transaction() as connection:
            numbers = {row[0]: row[1] for row in await connection.execute(newest)}
            found = await connection.execute(sa.select(drafts.c.group_id, drafts.c.revision))
            revisions = {row[0]: row[1] for row in found}
        groups = {*numbers, *revisions}
        return {group: (numbers.get(group, 0), revisions.get(group, 0)) for group in groups}

    async def version(self, group: str, number: int) -> Version | None:
        wanted = (versions.c.group_id == group) & (versions.c.number == number)
        async with self._transaction() as connection:
            row = (await connection.execute(sa.select(versions).where(wanted))).first()
        return _version(row) if row else None

    async def versions(self, group: str, limit: int) -> list[Version]:
        statement = sa.select(versions).where(versions.c.group_id == group)
        statement = statement.order_by(versions.c.number.desc()).limit(limit)
        async with self._transaction() as connection:
            return [_version(row) for row in await connection.execute(statement)]

    async def draft(self, group: str) -> Draft | None:
        statement = sa.select(drafts).where(drafts.c.group_id == group)
        async with self._transaction() as connection:
            row = (await connection.execute(statement)).first()
        if row is None:
            return None
        return Draft(group=group, revision=row.revision, at=row.at, who=row.who, text=row.settings)

    async def publish(self, version: Version, entry: Entry) -> bool:
        row = {
            "group_id": version.group,
            "number": version.number,
            "at": version.at,
            "who": version.who,
            "note": version.note,
            "settings": version.text,
        }
        statement = self._insert(versions).on_conflict_do_nothing()
        return await self._keep(statement, row, entry)

    async def save(self, draft: Draft, entry: Entry) -> bool:
        row = {
            "group_id": draft.group,
            "revision": draft.revision,
            "at": draft.at,
            "who": draft.who,
            "settings": draft.text,
        }
        if draft.revision == 1:
            return await self._keep(self._insert(drafts).on_conflict_do_nothing(), row, entry)
        before = (drafts.c.group_id == draft.group) & (drafts.c.revision == draft.revision - 1)
        return await self._keep(sa.update(drafts).where(before), row, entry)

    async def note(self, entry: Entry) -> None:
        async with self._transaction() as connection:
            await connection.execute(sa.insert(audit), _entry_row(entry))

    async def entries(self, group: str, limit: int) -> list[Entry]:
        statement = sa.select(audit).where(audit.c.group_id.in_(("", group)))
        statement = statement.order_by(audit.c.id.desc()).limit(limit)
        async with self._transaction() as connection:
            return [
                Entry(
                    group=row.group_id,
                    at=row.at,
                    who=row.who,
                    action=row.action,
                    changes=msgspec.json.decode(row.changes, type=list[Change]),
                )
                for row in await connection.execute(statement)
            ]

    async def secret(self, name: str) -> str:
        statement = sa.select(secrets.c.value).where(*_good(name))
        async with self._transaction() as connection:
            return (await connection.execute(statement)).scalar() or ""

    async def keep_secret(self, name: str, value: str, expires: float) -> None:
        statement = self._insert(secrets)
        statement = statement.on_conflict_do_update(
            index_elements=["name"],
            set_={one: statement.excluded[one] for one in ("value", "expires")},
        )
        async with self._transaction() as connection:
            await connection.execute(sa.delete(secrets).where(secrets.c.expires <= time.time()))
            row = {"name": name, "value": value, "expires": expires}
            await connection.execute(statement, row)

    async def take_secret(self, name: str) -> bool:
        async with self._transaction() as connection:
            result = await connection.execute(sa.delete(secrets).where(*_good(name)))
            return result.rowcount == 1

    async def _keep(self, statement: Any, row: dict[str, object], entry: Entry) -> bool:
        """Both or neither."""
        async with self._transaction() as connection:
            result = await connection.execute(statement, row)
            if result.rowcount != 1:
                return False
            await connection.execute(sa.insert(audit), _entry_row(entry))
            return True


def _good(name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return secrets.c.name == name, secrets.c.expires > time.time()


def _version(row: Any) -> Version:
    return Version(
        group=row.group_id,
        number=row.number,
        at=row.at,
        who=row.who,
        note=row.note,
        text=row.settings,
    )


def _entry_row(entry: Entry) -> dict[str, object]:
    return {
        "group_id": entry.group,
        "at": entry.at,
        "who": entry.who,
        "action": entry.action,
        "changes": msgspec.json.encode(entry.changes).decode(),
    }
