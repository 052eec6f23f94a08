"""Two hubs in one process, over a real broker and one store that can be held up: races between
relays, step by step."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection

import pytest

from relay import wire
from relay.account import AccountSettings
from relay.accounts.live import Accounts
from relay.accounts.store import MemoryAccounts
from relay.assets.memory import MemoryAssets
from relay.auth import VisitorToken
from relay.broker.redis import RedisBroker, end
from relay.errors import Close, Refused, Unavailable
from relay.groups import GroupsNow
from relay.hub import Hub
from relay.peer import LocalPeer
from relay.records import Records
from relay.registry import Caps
from relay.session import Session, State
from relay.settings import GroupSettings
from relay.store import BadRecord, Record, StoreError
from relay.store.memory import MemoryStore
from tests.services import Service
from tests.wire.test_stores import record

PLACE = ("12", "KEY")
TOKEN = VisitorToken("j" * 16, 2**40, "12", "http://shop.test", "v" * 64)
STRANGER = VisitorToken("j" * 16, 2**40, "12", "http://shop.test", "s" * 64)


class HeldStore(MemoryStore):
    """Writes when it may, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.is_away = False

    async def put(self, records: Collection[Record]) -> None:
        await self.may_write.wait()
        await super().put(records)

    async def at(self, group: str, key: str) -> Record | None:
        if self.is_away:
            raise StoreError("away")
        return await super().at(group, key)

    async def live(self) -> list[Record]:
        if self.is_away:
            raise StoreError("away")
        return await super().live()


class Side:
    """One relay: its hub, and what its peers are told."""

    def __init__(self, url: str, store: HeldStore) -> None:
        self.broker = RedisBroker(url)
        self.records = Records(store, 60)
        accounts = Accounts({"12": AccountSettings()}, MemoryAccounts())
        groups = GroupsNow({"12": GroupSettings()}, accounts, b"")
        self.hub = Hub(store, self.broker, self.records, MemoryAssets(), groups, Caps())

    async def start(self) -> LocalPeer:
        peer = self.hub.add_peer()
        await self.hub.start(peer, wire.Start("t", "KEY"), TOKEN, "203.0.113.1")
        return peer

    async def resume(self, ticket: str) -> LocalPeer:
        peer = self.hub.add_peer()
        await self.hub.resume(peer, wire.Resume("t", ticket), TOKEN)
        return peer


def told(peer: LocalPeer) -> list[str]:
    return [m for m in iter(peer.outbox.pop, None) if isinstance(m, str)]


def ticket_of(peer: LocalPeer) -> str:
    for text in told(peer):
        if '"ticket"' in text:
            return text.partition('"ticket":"')[2].partition('"')[0]
    raise AssertionError("no ticket came")


@pytest.fixture
def store() -> HeldStore:
    return HeldStore()


@pytest.fixture
async def sides(redis: Service, store: HeldStore) -> AsyncIterator[tuple[Side, Side]]:
    a, b = Side(redis.url, store), Side(redis.url, store)
    tasks = []
    for side in (a, b):
        await side.hub.open()
        loop = asyncio.get_running_loop()
        tasks.append(loop.create_task(side.records.write(), name="write"))
        tasks.append(loop.create_task(side.hub.keep_company(), name="company"))
    yield a, b
    await end(tasks)
    for side in (a, b):
        await side.broker.give(PLACE, "")
        await side.broker.close()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_page_that_resumes_while_its_session_moves_tries_again(
    sides: tuple[Side, Side], store: HeldStore
) -> None:
    a, b = sides
    ticket = ticket_of(await a.start())
    store.may_write.clear()
    slow = asyncio.ensure_future(a.resume(ticket))
    await asyncio.sleep(0.05)  # it waits for the store now, and holds the session's place
    moved = asyncio.ensure_future(b.resume(ticket))
    await asyncio.sleep(0.05)
    store.may_write.set()
    outcomes = await asyncio.gather(slow, moved, return_exceptions=True)
    # Each has it in turn, or one of them must try again; never both at once.
    owners = [s for s in sides if s.hub.session_at(PLACE) is not None]
    assert len(owners) == 1
    assert await a.broker.owner(PLACE) == owners[0].broker.relay
    assert all(isinstance(o, LocalPeer | Unavailable) for o in outcomes)


async def test_what_an_old_owner_still_does_changes_nothing(
    sides: tuple[Side, Side], store: HeldStore
) -> None:
    a, b = sides
    first = await a.start()
    session = a.hub.session_at(PLACE)
    assert session is not None
    ticket = ticket_of(first)
    moved = await b.resume(ticket)
    assert first.close_code == Close.TAKEN_OVER
    for _ in range(20):
        a.hub.hear_visitor(session, first, wire.Confirm(ticket))
    a.hub.frame(session, first, wire.pack_frame(b"late", keyframe=True, sequence=1))
    theirs = b.hub.session_at(PLACE)
    assert theirs is not None
    b.hub.hear_visitor(theirs, moved, wire.Stop())
    a.hub.visitor_left(session, first)
    await a.records.written()
    await b.records.written()
    [record] = [r async for r in store.find()]
    assert (record.reason, record.ended is not None) == ("visitor", True)
    with pytest.raises(Refused):
        await a.resume(ticket)


async def test_a_stranger_cannot_make_a_session_move(sides: tuple[Side, Side]) -> None:
    a, b = sides
    await a.start()
    for hello in (wire.Start("t", "KEY"), wire.Resume("t", "KEY.guess")):
        peer = b.hub.add_peer()
        with pytest.raises(Refused):
            if isinstance(hello, wire.Start):
                await b.hub.start(peer, hello, STRANGER, "203.0.113.2")
            else:
                await b.hub.resume(peer, hello, STRANGER)
    assert a.hub.session_at(PLACE) is not None
    assert await b.broker.owner(PLACE) == a.broker.relay


async def test_a_dead_relays_session_is_taken_up_once(
    sides: tuple[Side, Side], store: HeldStore
) -> None:
    a, b = sides
    ticket = ticket_of(await a.start())
    await a.records.written()
    session = a.hub.session_at(PLACE)
    assert session is not None
    a.hub._registry.drop(session)  # as if it had been killed
    await a.broker.give(PLACE, "")
    await asyncio.gather(b.hub.adopt(), b.resume(ticket), b.hub.adopt())
    session = b.hub.session_at(PLACE)
    assert session is not None and session.state is State.WAITING
    b.hub.hear_visitor(session, await b.resume(ticket_of(await b.resume(ticket))), wire.Stop())
    assert b.hub.session_at(PLACE) is None
    # Nothing of it counts any more.
    for n in range(3):
        await b.hub.start(b.hub.add_peer(), wire.Start("t", f"K{n}"), TOKEN, "203.0.113.1")
    with pytest.raises(Refused):
        await b.hub.start(b.hub.add_peer(), wire.Start("t", "K4"), TOKEN, "203.0.113.1")
    for n in range(3):
        await b.broker.give(("12", f"K{n}"), "")


async def test_a_store_that_is_away_leaves_no_place_locked(
    sides: tuple[Side, Side], store: HeldStore
) -> None:
    a, b = sides
    store.is_away = True
    with pytest.raises(Unavailable):
        await a.start()
    store.is_away = False
    assert await b.start()
    with pytest.raises(Refused):
        await a.hub.start(a.hub.add_peer(), wire.Start("t", "KEY"), STRANGER, "203.0.113.2")


async def test_what_a_dead_relay_leaves_is_taken_up_when_the_store_is_back(
    sides: tuple[Side, Side], store: HeldStore, redis: Service
) -> None:
    _, b = sides
    third = Side(redis.url, store)
    await third.hub.open()
    writing = asyncio.ensure_future(third.records.write())
    await third.start()
    await third.records.written()
    await asyncio.sleep(1.5)  # the others have seen it
    writing.cancel()
    store.is_away = True
    await third.broker.close()
    await asyncio.sleep(4.0)
    assert b.hub.session_at(PLACE) is None
    store.is_away = False
    await until(lambda: any(side.hub.session_at(PLACE) for side in sides))


class Picky(MemoryStore):
    async def put(self, records: Collection[Record]) -> None:
        if any(record.saved.person.name == "bad" for record in records):
            raise BadRecord("a value that cannot be")
        await super().put(records)


async def test_one_record_that_cannot_be_written_keeps_no_other_from_it() -> None:
    store = Picky()
    records = Records(store, 60)
    good, bad = Session(record("GOOD").saved, 0.0), Session(record("BAD").saved, 0.0)
    bad.saved.person = wire.KnownPerson(name="bad")
    records.note(bad)
    records.note(good)
    began = time.monotonic()
    assert await records.write_once()
    assert time.monotonic() - began < 1.0
    assert [r.saved.key for r in await store.live()] == ["GOOD"]
