"""Every store does the same: one suite over all of them."""

import asyncio
import time
from pathlib import Path

import msgspec
import sqlalchemy as sa

from relay import wire
from relay.records import Records
from relay.session import Attendance, Saved, Session
from relay.store import Record, Store, StoreError
from relay.store.memory import MemoryStore
from relay.store.sql import SqlStore
from relay.store.tables import metadata

PERSON = wire.KnownPerson("v-1", "Renée 🙂", "r@shop.test", "1", {"name": "signed"})


def record(key: str = "KEY", revision: int = 1, ended: float | None = None) -> Record:
    saved = Saved(
        id=f"id-{key}",
        group="12",
        key=key,
        visitor="digest",
        revision=revision,
        person=PERSON,
        started=1000.25,
        pages=revision,
        terms="v1",
        tickets={"digest": ["t"]},
        attendances=[Attendance("end-1", "anna", "Anna", 1001.0, ended)],
    )
    return Record(saved=saved, seen=1002.0, ended=ended, reason="visitor" if ended else "")


async def test_what_is_put_is_found(store: Store) -> None:
    await store.put([record("A"), record("B")])
    found = await store.at("12", "A")
    assert found == record("A")
    assert await store.get("id-B") == record("B") and await store.get("id-C") is None
    assert await store.at("12", "C") is None and await store.at("13", "A") is None
    assert sorted(r.saved.key for r in await store.live()) == ["A", "B"]


async def test_a_newer_revision_counts_and_an_older_one_does_not(store: Store) -> None:
    await store.put([record(revision=2)])
    await store.put([record(revision=1)])
    found = await store.at("12", "KEY")
    assert found is not None and found.saved.pages == 2
    await store.put([record(revision=3, ended=1010.0)])
    await store.put([record(revision=2)])
    assert await store.live() == []
    [ended] = [r async for r in store.find("12", "v-1")]
    assert (ended.reason, ended.ended, ended.saved.pages) == ("visitor", 1010.0, 3)
    assert ended.saved.person == PERSON and ended.saved.terms == "v1"
    assert ended.saved.attendances == [Attendance("end-1", "anna", "Anna", 1001.0, 1010.0)]


async def test_what_is_spent_is_spent_until_it_expires(store: Store) -> None:
    until = int(time.time()) + 60
    assert not await store.is_spent("loginkey", "k")
    assert await store.spend("loginkey", "k", until)
    assert await store.is_spent("loginkey", "k") and not await store.is_spent("other", "k")
    assert not await store.spend("loginkey", "k", until)
    assert await store.spend("other", "k", until)
    assert await store.spend("loginkey", "old", 5)
    await store.expire(0)
    assert await store.spend("loginkey", "old", 5)
    assert not await store.spend("loginkey", "k", until)


async def test_only_one_of_many_spends_it(store: Store) -> None:
    tries = [store.spend("loginkey", "race", int(time.time()) + 60) for _ in range(20)]
    assert sum(await asyncio.gather(*tries)) == 1


async def test_old_and_unwanted_records_go(store: Store) -> None:
    await store.put([record("A", ended=50.0), record("B", ended=150.0), record("C")])
    assert await store.expire(100.0) == 1
    assert sorted([r.saved.key async for r in store.find()]) == ["B", "C"]
    ids = [r.saved.id async for r in store.find(visitorid="v-1")]
    assert await store.erase(ids) == 2
    assert [r async for r in store.find()] == []
    assert await store.erase(ids) == 0


async def test_more_than_a_page_of_them(store: Store) -> None:
    await store.put([record(f"{n:04}") for n in range(1234)])
    found = [r.saved.key async for r in store.find("12")]
    assert len(found) == len(set(found)) == 1234


async def test_hostile_text_is_text(store: Store) -> None:
    hostile = "'; DROP TABLE sessions; --"
    nasty = record()
    nasty.saved.person = wire.KnownPerson(name=hostile, levels={"name": "claimed"})
    await store.put([nasty])
    found = await store.at("12", "KEY")
    assert found is not None and found.saved.person.name == hostile
    assert [r async for r in store.find(hostile, hostile)] == []


async def test_the_migrations_make_the_tables_of_the_code(tmp_path: Path) -> None:
    """And to open it again changes nothing."""
    path = tmp_path / "x.db"
    for _ in range(2):
        store = SqlStore(f"sqlite:///{path}")
        await store.open()
        await store.close()
    engine = sa.create_engine(f"sqlite:///{path}")
    made = sa.MetaData()
    made.reflect(engine)
    for table in metadata.sorted_tables:
        columns = {(c.name, str(c.type), c.nullable) for c in table.columns}
        assert columns == {(c.name, str(c.type), c.nullable) for c in made.tables[table.name].c}
        assert {i.name for i in table.indexes} == {i.name for i in made.tables[table.name].indexes}
    engine.dispose()


class BrokenStore(MemoryStore):
    """Cannot write while it is broken: a disk that is full."""

    broken = True

    async def put(self, records: object) -> None:
        if self.broken:
            raise StoreError("database or disk is full")
        await super().put(records)  # type: ignore[arg-type]


async def test_sessions_go_on_while_nothing_can_be_written() -> None:
    store = BrokenStore()
    records = Records(store, keep_s=60)
    session = Session(record().saved, 0.0)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(records.write(), name="write")
        records.note(session)
        began = time.monotonic()
        await records.written()  # gives up, and the session goes on
        assert 0.5 < time.monotonic() - began < 5.0
        assert records.problem == "database or disk is full"
        session.saved.pages = 9
        records.note(session)
        store.broken = False
        await records.written()
        while records.problem:
            await asyncio.sleep(0.01)
        writing.cancel()
    [kept] = await store.live()
    assert kept.saved.pages == 9
    assert kept.saved.revision == 3
    # What is kept is what was noted, whatever becomes of the session afterwards.
    session.saved.tickets["digest"].append("later")
    assert msgspec.json.encode(kept).count(b"later") == 0
