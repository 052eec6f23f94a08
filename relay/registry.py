"""The sessions that this relay owns: how it comes by one, and how it lets one go."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from relay import wire
from relay.account import Site
from relay.auth import make_asset_key
from relay.broker import Broker, BrokerError, Place
from relay.cluster import Yielded
from relay.errors import Refused, Unavailable
from relay.session import Limits, Session, State
from relay.store import Record, Store, StoreError

# One browser has one session; a few more for tabs that start anew before the old one has ended.
MAX_SESSIONS_PER_VISITOR: Final = 3
# Each owner counts a session's revisions from a higher step on: what an earlier one writes late is
# older, however often it has written.
REVISIONS_AN_OWNER: Final = 1_000_000


@dataclass(frozen=True)
class GroupRules:
    """What of a group's settings the sessions need."""

    limits: Limits = Limits()
    rules: wire.Rules = wire.Rules()
    replaces: bool = False
    max_sessions: int = 5_000
    # Of the keys to a session's files; b"" where agents get none.
    asset_secret: bytes = b""
    # Visitors see what agents point at.
    pointer: bool = True

    def for_session(self, session: str) -> tuple[wire.Rules, str, bool]:
        """The rules of one session, by its id, where its agents find its files, and pointer."""
        if not self.asset_secret:
            return self.rules, "", self.pointer
        upload, view = (make_asset_key(session, p, self.asset_secret) for p in ("upload", "view"))
        rules = msgspec.structs.replace(self.rules, assets=upload)
        return rules, f"/assets/{view}/", self.pointer


class Groups(Protocol):
    """The groups of the config file, and their rules as they are now."""

    def __contains__(self, group: str) -> bool: ...

    def rules(self, group: str, site: Site = "production") -> GroupRules:
        """Raises: KeyError for a group that there is not."""


@dataclass(frozen=True)
class Caps:
    """Sessions at once, of all groups together and of those who start them from one address."""

    sessions: int = 10_000
    per_address: int = 100


# Asks the owner of a place for its session: owner, place, visitor, ticket's secret. None: silence.
Ask = Callable[[str, Place, str, str | None], Awaitable[Yielded | None]]


class Registry:
    """Args: owned: told of each session that is ours from now on, before anything happens to it."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        groups: Groups,
        caps: Caps,
        owned: Callable[[Session], None],
    ) -> None:
        self._store, self._broker = store, broker
        self._groups, self._caps = groups, caps
        self._owned = owned
        self._sessions: dict[Place, Session] = {}
        self._by_visitor: Counter[str] = Counter()
        self._by_group: Counter[str] = Counter()
        # Of those that have begun here. An address is kept in memory only, while it counts.
        self._by_address: Counter[str] = Counter()
        self._addresses: dict[str, str] = {}
        self._hold_until = 0.0
        self._locks: dict[Place, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def get(self, place: Place) -> Session | None:
        return self._sessions.get(place)

    def owns(self, session: Session) -> bool:
        """Whether this very session is ours: a place may have another one by now."""
        return self._sessions.get(session.place) is session

    def of(self, group: str) -> list[Session]:
        return [s for s in self._sessions.values() if s.saved.group == group]

    @contextlib.asynccontextmanager
    async def moving(self, place: Place) -> AsyncIterator[None]:
        """For one at a time: to find, begin, take over or give away the session of a place."""
        lock, users = self._locks.get(place, (asyncio.Lock(), 0))
        self._locks[place] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(place)
            if users > 1:
                self._locks[place] = (lock, users - 1)

    def is_moving(self, place: Place) -> bool:
        return place in self._locks

    # -- coming by one ---------------------------------------------------------------------------

    def check_room(self, group: str, visitor: str, address: str) -> None:
        """Raises: Refused, when one more session would be one too many."""
        if self._by_group[group] >= self._groups.rules(group).max_sessions or (
            len(self._sessions) >= self._caps.sessions
        ):
            raise Refused("limit", "Too many sessions are running.")
        if (
            self._by_visitor[visitor] >= MAX_SESSIONS_PER_VISITOR
            or self._by_address[address] >= self._caps.per_address
        ):
            raise Refused("limit", "Too many of your sessions are running.")

    def keep(self, session: Session, address: str = "") -> None:
        """A session is ours. address: of the one who began it here."""
        self._sessions[session.place] = session
        self._by_visitor[session.saved.visitor] += 1
        self._by_group[session.saved.group] += 1
        if address:
            self._by_address[address] += 1
            self._addresses[session.saved.id] = address
        self._owned(session)

    def drop(self, session: Session) -> None:
        """It is ours no more."""
        if not self.owns(session):
            return
        del self._sessions[session.place]
        address = self._addresses.pop(session.saved.id, "")
        for counter, key in (
            (self._by_visitor, session.saved.visitor),
            (self._by_group, session.saved.group),
            (self._by_address, address),
        ):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]

    def drop_all(self) -> list[Session]:
        sessions = list(self)
        for session in sessions:
            self.drop(session)
        return sessions

    async def taken(
        self, place: Place, visitor: str, secret: str | None, ask: Ask
    ) -> Session | None:
        """The session of a place, taken over from where it was; None where there is none.

        After None, a start (secret is None) owns the place. Inside moving().
        Raises: Refused for a visitor who is not its own, Unavailable when that cannot be told now.
        """
        if (session := self.get(place)) is not None:
            return session
        if not self._broker.is_shared:
            return None
        try:
            owner = await self._broker.claim(place)
            if owner != self._broker.relay:
                answer = await ask(owner, place, visitor, secret)
                if answer is None:
                    raise Unavailable
                if answer.denied:
                    raise not_yours(place, secret)
                # The owner has given it to us, or it is nobody's by now.
                if await self._broker.claim(place) != self._broker.relay:
                    raise Unavailable
                if answer.saved is not None:
                    return self.install(Record(saved=answer.saved, seen=time.time()))
            record = await self._store.at(*place)
        except (BrokerError, StoreError) as error:
            await self.release(place)
            raise Unavailable from error
        if record is not None:
            return self.install(record)
        if secret is not None:
            await self.release(place)
        return self.get(place)

    async def located(self, place: Place) -> Session | str:
        """The session of a place, if it can be ours, or else its owner; "" where there is none.

        Raises: Unavailable.
        """
        if (session := self.get(place)) is not None or not self._broker.is_shared:
            return session or ""
        self._check_hold()
        try:
            owner = await self._broker.owner(place)
            if owner not in ("", self._broker.relay):
                return owner
            async with self.moving(place):
                return await self._adopted(place) or ""
        except (BrokerError, StoreError) as error:
            raise Unavailable from error

    async def adopt(self) -> None:
        """Take up all sessions whose relay is dead.

        Raises: StoreError, BrokerError, Unavailable.
        """
        self._check_hold()
        for record in await self._store.live():
            place = record.saved.place
            if record.saved.group in self._groups and place not in self._sessions:
                async with self.moving(place):
                    await self._adopted(place)

    def hold_off(self, seconds: float) -> None:
        """Take nothing up for so long: the broker may have forgotten who owns what."""
        self._hold_until = time.monotonic() + seconds

    def _check_hold(self) -> None:
        if time.monotonic() < self._hold_until:
            raise Unavailable

    async def _adopted(self, place: Place) -> Session | None:
        """The session of a place, if it is ours or nobody's. Raises: StoreError, BrokerError."""
        if (session := self.get(place)) is not None:
            return session
        if await self._broker.claim(place) != self._broker.relay:
            return None
        try:
            record = await self._store.at(*place)
        except StoreError:
            await self.release(place)
            raise
        if record is not None:
            return self.install(record)
        await self.release(place)
        return None

    def install(self, record: Record) -> Session:
        """A session that another relay has begun is ours now."""
        if (session := self.get(record.saved.place)) is not None:
            return session
        saved = record.saved
        saved.revision = (saved.revision // REVISIONS_AN_OWNER + 1) * REVISIONS_AN_OWNER
        group = (
            self._groups.rules(saved.group, saved.site)
            if saved.group in self._groups
            else GroupRules()
        )
        session = Session.restored(
            saved,
            record.seen,
            time.monotonic(),
            time.time(),
            group.limits,
            *group.for_session(saved.id),
        )
        self.keep(session)
        return session

    # -- letting one go --------------------------------------------------------------------------

    async def release(self, place: Place) -> None:
        """Nobody owns a place, unless there is a session of ours."""
        if place in self._sessions:
            return
        with contextlib.suppress(BrokerError):  # another may claim it when this relay is gone
            await self._broker.give(place, "")

    async def release_ended(self, place: Place) -> None:
        async with self.moving(place):
            await self.release(place)

    async def give(
        self, place: Place, visitor: str, secret: str | None, relay: str
    ) -> tuple[Session | None, bool]:
        """Let another relay have a session, for whose visitor it asks.

        Returns: the session, which is ours no more, or None; and whether it is denied to that
        visitor. Raises: BrokerError, and then it is still ours.
        """
        async with self.moving(place):
            session = self.get(place)
            if session is None:
                await self._broker.give(place, relay)
                return None, False
            if not (session.knows(visitor) if secret is None else session.accepts(visitor, secret)):
                return None, True
            await self._broker.give(place, relay)
            if session.state is State.ENDED:
                return None, False
            self.drop(session)
            return session, False


def not_yours(place: Place, secret: str | None) -> Refused:
    """What a visitor hears who has not begun the session of a place."""
    if secret is None:
        return Refused("dupkey", f"Another session with the key {place[1]} is running.")
    return Refused("ticket", "The session is over.")
