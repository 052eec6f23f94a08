"""Records in SQLite or PostgreSQL."""

import contextlib
import hashlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Any, Final

import alembic.command
import alembic.config
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from relay import wire
from relay.accounts.sql import SqlAccounts
from relay.session import Attendance, Saved
from relay.store import BadRecord, Record, StoreError
from relay.store.tables import agents, secrets, sessions, spent

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 3.0
PAGE_ROWS: Final = 500
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


class SqlStore:
    """Args: url: sqlite:///path or postgresql://user:password@host/name."""

    def __init__(self, url: str) -> None:
        scheme, colon, rest = url.partition(":")
        self._is_sqlite = scheme == "sqlite"
        arguments: dict[str, Any] = (
            {"timeout": BUSY_TIMEOUT_S}
            if self._is_sqlite
            else {"timeout": CONNECT_TIMEOUT_S, "command_timeout": CONNECT_TIMEOUT_S}
        )
        self._engine: AsyncEngine = create_async_engine(
            f"{_DRIVERS[scheme]}{colon}{rest}",
            connect_args=arguments,
            pool_pre_ping=not self._is_sqlite,
            **({} if self._is_sqlite else {"pool_timeout": CONNECT_TIMEOUT_S}),
        )
        self._insert = sqlite_insert if self._is_sqlite else postgres_insert
        self.accounts = SqlAccounts(self._transaction, self._insert)
        if self._is_sqlite:
            sa.event.listen(self._engine.sync_engine, "connect", _use_wal)

    async def open(self) -> None:
        async with self._transaction() as connection:
            await connection.run_sync(_upgrade)

    async def close(self) -> None:
        await self._engine.dispose()

    async def put(self, records: Collection[Record]) -> None:
        rows = [_row(record) for record in records]
        present = [
            {
                "session_id": record.saved.id,
                "agent_end": a.end,
                "revision": record.saved.revision,
                "user_id": a.user[:256],
                "name": a.name[:256],
                "joined": a.joined,
                "left_at": a.left,
            }
            for record in records
            for a in record.saved.attendances
        ]
        async with self._transaction() as connection:
            await connection.execute(self._upsert(sessions), rows)
            if present:
                await connection.execute(self._upsert(agents), present)

    async def live(self) -> list[Record]:
        return [r async for r in self._select(sessions.c.ended.is_(None))]

    async def at(self, group: str, key: str) -> Record | None:
        found = self._select(
            sessions.c.ended.is_(None),
            sessions.c.group_id == group,
            sessions.c.session_key == key,
        )
        return await anext(found, None)

    async def spend(self, kind: str, secret: str, expires: int) -> bool:
        digest = _digest(kind, secret)
        statement = self._insert(spent).on_conflict_do_nothing()
        async with self._transaction() as connection:
            result = await connection.execute(statement, {"digest": digest, "expires": expires})
            return result.rowcount == 1

    async def is_spent(self, kind: str, secret: str) -> bool:
        statement = sa.select(spent.c.digest).where(spent.c.digest == _digest(kind, secret))
        async with self._transaction() as connection:
            return (await connection.execute(statement)).first() is not None

    async def get(self, id: str) -> Record | None:
        return await anext(self._select(sessions.c.id == id), None)

    async def find(self, group: str = "", visitorid: str = "") -> AsyncIterator[Record]:
        wanted = [sessions.c.group_id == group] if group else []
        wanted += [sessions.c.visitorid == visitorid] if visitorid else []
        async for record in self._select(*wanted):
            yield record

    async def erase(self, ids: Sequence[str]) -> int:
        async with self._transaction() as connection:
            await connection.execute(sa.delete(agents).where(agents.c.session_id.in_(ids)))
            result = await connection.execute(sa.delete(sessions).where(sessions.c.id.in_(ids)))
            return result.rowcount

    async def expire(self, before: float) -> int:
        old = sa.select(sessions.c.id).where(sessions.c.ended < before)
        async with self._transaction() as connection:
            for table in (spent, secrets):
                await connection.execute(sa.delete(table).where(table.c.expires < int(time.time())))
            await connection.execute(sa.delete(agents).where(agents.c.session_id.in_(old)))
            result = await connection.execute(sa.delete(sessions).where(sessions.c.ended < before))
            return result.rowcount

    # -- rows ------------------------------------------------------------------------------------

    async def _select(self, *wanted: sa.ColumnElement[bool]) -> AsyncIterator[Record]:
        """Records from the newest on, read in pages: a store holds more than a memory does."""
        order = (sessions.c.started.desc(), sessions.c.id)
        offset = 0
        while True:
            statement = sa.select(sessions).where(*wanted).order_by(*order)
            page = statement.offset(offset).limit(PAGE_ROWS)
            async with self._transaction() as connection:
                rows = (await connection.execute(page)).all()
                ids = [row.id for row in rows]
                present = sa.select(agents).where(agents.c.session_id.in_(ids))
                joined = (await connection.execute(present.order_by(agents.c.joined))).all()
            for row in rows:
                try:
                    yield _record(row, [a for a in joined if a.session_id == row.id])
                except msgspec.MsgspecError:
                    logger.error("a record of another version is left out")
            offset += len(rows)
            if len(rows) < PAGE_ROWS:
                return

    def _upsert(self, table: sa.Table) -> Any:
        """Insert rows, or update those that are of an older revision."""
        statement = self._insert(table)
        keys = [column.name for column in table.primary_key]
        values = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys}
        older: Any = table.c.revision < statement.excluded.revision
        if table is sessions:
            older &= table.c.ended.is_(None)
        return statement.on_conflict_do_update(index_elements=keys, set_=values, where=older)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.StatementError) as error:
            kind = BadRecord if _is_about_data(error) else StoreError
            raise kind(_reason(error)) from None
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
            raise StoreError(_reason(error)) from None


def _digest(kind: str, secret: str) -> str:
    return hashlib.sha256(f"{kind}:{secret}".encode()).hexdigest()


def _is_about_data(error: sa.exc.StatementError) -> bool:
    if isinstance(error, sa.exc.DataError | sa.exc.IntegrityError):
        return True
    # asyncpg's own refusals of a value, before anything is sent
    return isinstance(error.orig, ValueError | UnicodeError)


def _reason(error: BaseException) -> str:
    """Without the statement and its values, which name people."""
    cause = getattr(error, "orig", None) or error
    is_sqlite = isinstance(getattr(cause, "__cause__", cause), sqlite3.Error) or isinstance(
        cause, sqlite3.Error
    )
    return str(cause).splitlines()[0] if is_sqlite and str(cause) else type(cause).__name__


def _row(record: Record) -> dict[str, Any]:
    saved = record.saved
    live = msgspec.structs.replace(saved, attendances=[])
    return {
        "id": saved.id,
        "revision": saved.revision,
        "group_id": saved.group,
        "session_key": saved.key,
        **{name: getattr(saved.person, name) for name in wire.Person.__struct_fields__},
        "levels": msgspec.json.encode(saved.person.levels).decode(),
        "terms": saved.terms,
        "pages": saved.pages,
        "started": saved.started,
        "seen": record.seen,
        "ended": record.ended,
        "reason": record.reason,
        "state": "" if record.ended else msgspec.json.encode(live).decode(),
    }


def _record(row: Any, joined: list[Any]) -> Record:
    attendances = [Attendance(a.agent_end, a.user_id, a.name, a.joined, a.left_at) for a in joined]
    if row.state:
        saved = msgspec.json.decode(row.state, type=Saved)
    else:
        person = wire.KnownPerson(
            **{name: getattr(row, name) for name in wire.Person.__struct_fields__},
            levels=msgspec.json.decode(row.levels),
        )
        saved = Saved(
            id=row.id,
            revision=row.revision,
            group=row.group_id,
            key=row.session_key,
            visitor="",
            person=person,
            started=row.started,
            pages=row.pages,
            terms=row.terms,
        )
    saved.attendances = attendances
    return Record(saved=saved, seen=row.seen, ended=row.ended, reason=row.reason)


def _use_wal(connection: sqlite3.Connection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _upgrade(connection: sa.Connection) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
