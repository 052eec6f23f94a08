"""All sessions of this relay, and the peers that take part: runs what the pure rules decide."""

import asyncio
import logging
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from relay import cluster, wire
from relay.auth import VisitorToken
from relay.broker import Broker, BrokerError, Place
from relay.cluster import Cluster, RemotePeer, Seat
from relay.errors import Close, Malformed, Refused, Unavailable
from relay.metrics import BYTES, FRAMES, LATENCY, SESSIONS
from relay.peer import LocalPeer, Peer
from relay.records import Records
from relay.session import (
    MAX_AGENTS,
    Action,
    Forward,
    Limits,
    Saved,
    Send,
    Session,
    Shut,
    State,
    merged,
)
from relay.store import Record, Store, StoreError

logger = logging.getLogger(__name__)

RANDOM_KEY_DIGITS: Final = 7
SWEEP_S: Final = 1.0
ANNOUNCE_S: Final = 0.25
BEAT_S: Final = 5.0
BEATS_AT_ONCE: Final = 50
# One frame of so many is timed.
TIMED_FRAMES: Final = 64
# Consoles elsewhere are told of for so long after they were last heard of.
WATCHING_S: Final = 15.0
# One browser has one session; a few more for tabs that start anew before the old one has ended.
MAX_SESSIONS_PER_VISITOR: Final = 3


@dataclass(frozen=True)
class GroupRules:
    """What of a group's settings the sessions need."""

    limits: Limits = Limits()
    rules: wire.Rules = wire.Rules()
    replaces: bool = False
    max_sessions: int = 5_000


class Hub:
    """The sessions by group and key, and who is connected to them.

    Args: groups: by group id. max_sessions: of all groups together.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        records: Records,
        groups: Mapping[str, GroupRules],
        max_sessions: int = 10_000,
    ) -> None:
        self._store, self._broker, self._records = store, broker, records
        self._groups, self._max_sessions = groups, max_sessions
        self._cluster = Cluster(broker, self)
        self._sessions: dict[Place, Session] = {}
        self._by_visitor: Counter[str] = Counter()
        self._by_group: Counter[str] = Counter()
        self._peers: dict[int, Peer] = {}
        self._remote: dict[tuple[str, int], tuple[Session, RemotePeer]] = {}
        self._moving: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._watchers: defaultdict[str, set[int]] = defaultdict(set)
        # Consoles at other relays: until when each is to be told, and what others have told us.
        self._far_watchers: dict[tuple[str, str], float] = {}
        self._far_sessions: dict[tuple[str, str], list[wire.Listed]] = {}
        self._changed: set[str] = set()
        self._next_peer = 0
        self._frames = self._frame_bytes = 0
        # When the frame came that is timed on its way through; 0 for none.
        self._time_next = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._sessions)

    # -- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Raises: StoreError, BrokerError."""
        await self._cluster.open()
        await self._adopt()

    async def drain(self) -> None:
        """Let go of everything, so that other relays can go on with it."""
        self.is_draining = True
        for session in self._sessions.values():
            self._records.note(session)
        await self._records.written()
        # From here on nothing is noted of them: another relay may have written more by then.
        sessions, self._sessions = self._sessions, {}
        for place in sessions:
            try:
                await self._broker.give(place, "")
            except BrokerError:
                break
        for peer in list(self._peers.values()):
            if isinstance(peer, LocalPeer):  # agents elsewhere wait there for the next owner
                peer.shut(Close.RESTARTING)

    async def _adopt(self) -> None:
        """Take up sessions whose relay is dead. Raises: StoreError, BrokerError."""
        for record in await self._store.live():
            place = record.saved.place
            if record.saved.group not in self._groups or place in self._sessions:
                continue
            if await self._broker.claim(place) == self._broker.relay:
                self._install(record)

    def _install(self, record: Record) -> Session:
        """A session that another relay has begun is ours now."""
        group = self._groups.get(record.saved.group, GroupRules())
        session = Session.restored(
            record.saved, record.seen, time.monotonic(), time.time(), group.limits, group.rules
        )
        self._keep(session)
        for seat in self._cluster.seats_at(session.place):
            self._seat(session, seat)
        return session

    def _keep(self, session: Session) -> None:
        self._sessions[session.place] = session
        self._by_visitor[session.saved.visitor] += 1
        self._by_group[session.saved.group] += 1
        self._cluster.own(session.place)

    def _drop(self, session: Session) -> None:
        del self._sessions[session.place]
        self._by_visitor[session.saved.visitor] -= 1
        if not self._by_visitor[session.saved.visitor]:
            del self._by_visitor[session.saved.visitor]
        self._by_group[session.saved.group] -= 1

    # -- peers -----------------------------------------------------------------------------------

    def add_peer(self) -> LocalPeer:
        peer = LocalPeer(self._number())
        self._peers[peer.number] = peer
        return peer

    def _number(self) -> int:
        self._next_peer += 1
        return self._next_peer

    def remove_peer(self, peer: LocalPeer) -> None:
        self._peers.pop(peer.number, None)
        for watchers in self._watchers.values():
            watchers.discard(peer.number)

    # -- visitors --------------------------------------------------------------------------------

    async def start(self, peer: LocalPeer, hello: wire.Start, token: VisitorToken) -> Session:
        """A new session. Raises: Refused where the key is somebody else's, Unavailable."""
        key = hello.key or await self._random_key(token.group)
        place = (token.group, key)
        async with self._moving[place]:
            session = await self._taken(place, token.visitor, None)
            if session is not None:
                if session.knows(token.visitor):
                    return await self._continue(session, peer, token)
                if not self._groups[token.group].replaces:
                    raise Refused("dupkey", f"Another session with the key {key} is running.")
                self._run(session, session.end("replaced", time.monotonic()))
                await self._claim(place)
            try:
                return await self._begin(place, peer, hello, token)
            except BaseException:
                if place not in self._sessions:
                    await self._release(place)
                raise

    async def _begin(
        self, place: Place, peer: LocalPeer, hello: wire.Start, token: VisitorToken
    ) -> Session:
        group = self._groups[token.group]
        if (
            self._by_visitor[token.visitor] >= MAX_SESSIONS_PER_VISITOR
            or self._by_group[token.group] >= group.max_sessions
            or len(self._sessions) >= self._max_sessions
        ):
            raise Refused("limit", "Too many sessions are running.")
        saved = Saved(
            id=secrets.token_hex(16),
            group=place[0],
            key=place[1],
            visitor=token.visitor,
            person=merged(hello.person, token.identity, token.levels),
            started=time.time(),
            terms=hello.terms,
        )
        session = Session(saved, time.monotonic(), group.limits, group.rules)
        ticket, handover = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        session.offer(token.visitor, ticket, handover)
        # Kept before anything is waited for: others who start meanwhile count it.
        self._keep(session)
        self._records.note(session)
        await self._records.written()
        self._run(session, session.visitor_starts(peer.number, ticket, handover))
        return session

    async def resume(self, peer: LocalPeer, hello: wire.Resume, token: VisitorToken) -> Session:
        """Go on with a session. Raises: Refused, Unavailable."""
        key, _, secret = hello.ticket.partition(".")
        place = (token.group, key)
        async with self._moving[place]:
            session = await self._taken(place, token.visitor, secret)
            if session is None or not session.accepts(token.visitor, secret):
                raise Refused("ticket", "The session is over.")
            return await self._continue(session, peer, token)

    async def _continue(self, session: Session, peer: LocalPeer, token: VisitorToken) -> Session:
        ticket, handover = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        session.offer(token.visitor, ticket, handover)
        self._records.note(session)
        await self._records.written()
        if session.state is State.ENDED:
            raise Refused("ticket", "The session is over.")
        now = time.monotonic()
        self._run(
            session,
            session.visitor_resumes(peer.number, token.visitor, ticket, handover, now),
        )
        return session

    async def _taken(self, place: Place, visitor: str, secret: str | None) -> Session | None:
        """The session of this place, taken over from where it was; None where there is none.

        After None, a start owns the place. Raises: Refused for a visitor who is not its own,
        Unavailable when that cannot be told now.
        """
        if (session := self._sessions.get(place)) is not None:
            return session
        if not self._broker.is_shared:
            return None
        try:
            owner = await self._broker.claim(place)
            if owner != self._broker.relay:
                answer = await self._cluster.take(owner, place, visitor, secret)
                if answer is None:
                    raise Unavailable
                if answer.denied:
                    if secret is None:
                        raise Refused(
                            "dupkey", f"Another session with the key {place[1]} is running."
                        )
                    raise Refused("ticket", "The session is over.")
                if answer.saved is not None:
                    return self._install(Record(saved=answer.saved, seen=time.time()))
                if await self._broker.claim(place) != self._broker.relay:
                    raise Unavailable
            record = await self._store.at(*place)
        except (BrokerError, StoreError) as error:
            raise Unavailable from error
        if record is not None:
            return self._install(record)
        if secret is not None:
            await self._release(place)
        return None

    async def _claim(self, place: Place) -> None:
        try:
            if await self._broker.claim(place) != self._broker.relay:
                raise Unavailable
        except BrokerError as error:
            raise Unavailable from error

    async def _release_ended(self, place: Place) -> None:
        async with self._moving[place]:
            if place not in self._sessions:
                await self._release(place)

    async def _release(self, place: Place) -> None:
        try:
            await self._broker.give(place, "")
        except BrokerError:
            pass  # another relay may claim it when this one is gone

    def frame(self, session: Session, peer: LocalPeer, frame: bytes) -> None:
        """Raises: Malformed."""
        self._frames += 1
        self._frame_bytes += len(frame)
        if self._frames % TIMED_FRAMES == 0:
            self._time_next = time.perf_counter()
        for action in session.frame(peer.number, frame, time.monotonic()):
            self._do(session, action)

    def hear_visitor(self, session: Session, peer: LocalPeer, message: wire.FromVisitor) -> None:
        """What a visitor says in a session. Raises: Malformed."""
        now = time.monotonic()
        number = peer.number
        match message:
            case wire.Said():
                self._run(session, session.visitor_says(number, message, now))
            case wire.Acknowledged():
                self._run(session, session.visitor_acknowledges(number, message))
            case wire.Confirm(ticket):
                session.visitor_confirms(number, ticket)
                self._records.note(session)
            case wire.PageChanged(page):
                self._run(session, session.page_changed(number, page), note=True)
            case wire.Stop():
                self._run(session, session.end("visitor", now))
            case _:
                raise Malformed("start and resume come first and only once")

    def visitor_left(self, session: Session, peer: LocalPeer) -> None:
        actions = session.visitor_leaves(peer.number, time.monotonic())
        self._run(session, actions, note=bool(actions))

    # -- agents ----------------------------------------------------------------------------------

    async def join(self, peer: LocalPeer, place: Place, end: str, user: str, name: str) -> Seat:
        """Raises: Refused, Unavailable. That a key of another group exists is never told."""
        seat = Seat(peer, place, end, user, name)
        if (session := self._sessions.get(place)) is not None:
            _check_room(session)
            seat.owner = self._broker.relay
            self._cluster.sit(seat)
            self._seat(session, seat)
            return seat
        try:
            seat.owner = await self._broker.owner(place)
        except BrokerError as error:
            raise Unavailable from error
        if seat.owner in ("", self._broker.relay):
            raise _no_session(place)
        self._cluster.sit(seat)
        return seat

    def _seat(self, session: Session, seat: Seat) -> None:
        actions = session.agent_joins(
            seat.peer.number, seat.end, seat.user, seat.name, time.monotonic()
        )
        self._run(session, actions, note=True)

    def hear_agent(self, seat: Seat, message: wire.Said | wire.Acknowledged) -> None:
        if seat.owner != self._broker.relay:
            self._cluster.say(seat, message)
        elif (session := self._sessions.get(seat.place)) is not None:
            self._hear(session, seat.peer.number, message)

    def _hear(self, session: Session, number: int, message: wire.Said | wire.Acknowledged) -> None:
        if isinstance(message, wire.Said):
            self._run(session, session.agent_says(number, message, time.monotonic()))
        else:
            self._run(session, session.agent_acknowledges(number, message))

    def agent_left(self, seat: Seat, *, lost: bool) -> None:
        self._cluster.stand_up(seat, lost=lost)
        session = self._sessions.get(seat.place)
        if session is not None and seat.owner == self._broker.relay:
            self._leave(session, seat.peer.number, lost=lost)

    def _leave(self, session: Session, number: int, *, lost: bool) -> None:
        actions = session.agent_leaves(number, time.monotonic(), lost=lost)
        self._run(session, actions, note=not lost)

    def watch(self, peer: LocalPeer, group: str) -> None:
        self._watchers[group].add(peer.number)
        self._cluster.watch(group)
        peer.tell(wire.encode(self._sessions_of(group)))

    # -- agents at other relays ------------------------------------------------------------------

    def join_remote(self, message: cluster.Joining) -> None:
        session = self._sessions.get(message.place)
        try:
            if session is None:
                raise _no_session(message.place)
            _check_room(session)
        except Refused as refusal:
            self._cluster.refuse(message, refusal)
            return
        self._forget_remote((message.relay, message.number), lost=True)
        peer = self._cluster.remote(self._number(), message)
        self._peers[peer.number] = peer
        self._remote[message.relay, message.number] = (session, peer)
        actions = session.agent_joins(
            peer.number, message.end, message.user, message.name, time.monotonic()
        )
        self._run(session, actions, note=True)

    def hear_remote(self, message: cluster.Saying) -> None:
        known = self._remote.get((message.relay, message.number))
        if known is not None:
            said = wire.decode_from_agent(message.text)
            if isinstance(said, wire.Said | wire.Acknowledged):
                self._hear(known[0], known[1].number, said)

    def leave_remote(self, message: cluster.Leaving) -> None:
        self._forget_remote((message.relay, message.number), lost=message.lost)

    def leave_all(self, relays: Iterable[str]) -> None:
        gone = set(relays)
        for place in [place for place in self._remote if place[0] in gone]:
            self._forget_remote(place, lost=True)
        self._far_sessions = {k: v for k, v in self._far_sessions.items() if k[0] not in gone}
        self._changed |= set(self._watchers)

    def _forget_remote(self, place: tuple[str, int], *, lost: bool) -> None:
        known = self._remote.pop(place, None)
        if known is not None:
            session, peer = known
            self._peers.pop(peer.number, None)
            self._leave(session, peer.number, lost=lost)

    def starving(self, place: Place) -> None:
        if (session := self._sessions.get(place)) is not None:
            self._run(session, session.needs_keyframe(time.monotonic()))

    # -- sessions that move ----------------------------------------------------------------------

    def yield_session(self, message: cluster.Yield) -> tuple[Saved | None, bool]:
        session = self._sessions.get(message.place)
        if session is None:
            return None, False
        if message.secret is None:
            if not session.knows(message.visitor):
                return None, True
        elif not session.accepts(message.visitor, message.secret):
            return None, True
        self._let_go(session)
        giving = self._broker.give(message.place, message.relay)
        self._later("give a session", giving)
        return session.saved, False

    def owned_elsewhere(self, place: Place, relay: str) -> None:
        if (session := self._sessions.get(place)) is not None:
            self._let_go(session)

    def _let_go(self, session: Session) -> None:
        """The session goes on at another relay: its agents join there, its page here is old."""
        self._drop(session)
        for number in session.peers:
            peer = self._peers.get(number)
            if isinstance(peer, RemotePeer):
                self._peers.pop(number)
                self._remote.pop((peer.relay, peer.theirs), None)
        if (visitor := self._peers.get(session.visitor_peer or 0)) is not None:
            visitor.shut(Close.TAKEN_OVER)
        self._changed.add(session.saved.group)

    def reset(self) -> None:
        """The broker was away: what was said meanwhile is lost, and others may own our sessions."""
        self._later("find each other again", self._find_again())

    async def _find_again(self) -> None:
        try:
            for place, session in list(self._sessions.items()):
                if await self._broker.claim(place) != self._broker.relay:
                    self._let_go(session)
                else:
                    self._cluster.own(place)
            await self._cluster.rejoin()
        except BrokerError:
            return  # it will be back, and say so
        for session in list(self._sessions.values()):
            if any(isinstance(self._peers.get(n), RemotePeer) for n in session.peers):
                self._run(session, session.needs_keyframe(time.monotonic()))

    def _later(self, name: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- consoles elsewhere ----------------------------------------------------------------------

    def watched(self, message: cluster.Watching) -> None:
        place = (message.relay, message.group)
        if place not in self._far_watchers:
            self._changed.add(message.group)
        self._far_watchers[place] = time.monotonic() + WATCHING_S

    def list_remote(self, message: cluster.Listing) -> None:
        self._far_sessions[message.relay, message.group] = message.sessions
        self._tell_watchers(message.group)

    # -- time ------------------------------------------------------------------------------------

    async def announce(self) -> None:
        """Tell consoles what has changed, a few times a second at most, until cancelled."""
        while True:
            await asyncio.sleep(ANNOUNCE_S)
            groups, self._changed = self._changed, set()
            for group in groups & self._watchers.keys():
                self._tell_watchers(group)
            for relay, group in list(self._far_watchers):
                if group in groups:
                    self._cluster.list_for(relay, group, self._own_sessions_of(group))

    async def sweep(self) -> None:
        """Let time pass for every session, until cancelled."""
        counted = (0, 0)
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            counts = dict.fromkeys(State, 0)
            for session in list(self._sessions.values()):
                counts[session.state] += 1
                if actions := session.tick(now):
                    self._run(session, actions, note=True)
            FRAMES.inc(self._frames - counted[0])
            BYTES.inc(self._frame_bytes - counted[1])
            counted = (self._frames, self._frame_bytes)
            for state in (State.WAITING, State.ACTIVE, State.AWAY):
                SESSIONS.labels(state.value).set(counts[state])
            self._moving = defaultdict(
                asyncio.Lock, {p: lock for p, lock in self._moving.items() if lock.locked()}
            )
            self._far_watchers = {k: t for k, t in self._far_watchers.items() if t > now}

    async def beat(self) -> None:
        """Give every peer a sign of life at least each BEAT_S, until cancelled. A few at a time."""
        while True:
            peers = [peer for peer in self._peers.values() if isinstance(peer, LocalPeer)]
            rest_s = BEAT_S / (len(peers) // BEATS_AT_ONCE + 1)
            for at in range(0, len(peers) + 1, BEATS_AT_ONCE):
                now = time.monotonic()
                for peer in peers[at : at + BEATS_AT_ONCE]:
                    peer.beat(now)
                await asyncio.sleep(rest_s)

    async def keep_company(self) -> None:
        """Look after the other relays and their sessions, until cancelled."""
        ticks = 0
        while self._broker.is_shared:
            await asyncio.sleep(SWEEP_S)
            ticks += 1
            try:
                if await self._cluster.look_around():
                    await self._adopt()
                    await self._cluster.rejoin()
                if ticks % 5 == 0:
                    for group in [g for g, numbers in self._watchers.items() if numbers]:
                        self._cluster.watch(group)
            except (BrokerError, StoreError):
                pass  # health tells; the next look may see more

    # -- running actions -------------------------------------------------------------------------

    def _run(self, session: Session, actions: Iterable[Action], *, note: bool = False) -> None:
        for action in actions:
            self._do(session, action)
        # The key may be another session's by now: an agent can outlive the one it was in.
        is_ours = self._sessions.get(session.place) is session
        if session.state is State.ENDED and is_ours:
            self._drop(session)
            self._later("release", self._release_ended(session.place))
            note = True
        if note and is_ours:
            self._records.note(session)
        self._changed.add(session.saved.group)

    def _do(self, session: Session, action: Action) -> None:
        match action:
            case Forward(peers, frame, keyframe):
                whole = True
                for number in peers:
                    if (peer := self._peers.get(number)) is not None:
                        whole &= peer.forward(frame, keyframe=keyframe)
                if self._time_next:
                    self._time(peers[-1], frame)
                if not whole:
                    for wish in session.needs_keyframe(time.monotonic()):
                        self._do(session, wish)
            case Send(peers, message):
                text = wire.encode(message)
                for number in peers:
                    if (peer := self._peers.get(number)) is not None:
                        peer.tell(text)
            case Shut(number, code):
                if (peer := self._peers.get(number)) is not None:
                    peer.shut(code)

    def _time(self, number: int, frame: bytes) -> None:
        """Measure how long a frame took: now, or when the last agent's socket has it."""
        came, self._time_next = self._time_next, 0.0
        peer = self._peers.get(number)
        if isinstance(peer, LocalPeer) and len(peer.outbox):
            peer.probe = (frame, came)
        else:
            LATENCY.observe(time.perf_counter() - came)

    def _tell_watchers(self, group: str) -> None:
        text = wire.encode(self._sessions_of(group))
        for number in self._watchers.get(group, ()):
            if (peer := self._peers.get(number)) is not None:
                peer.tell(text)

    def _sessions_of(self, group: str) -> wire.Sessions:
        far = [s for (_, g), listed in self._far_sessions.items() if g == group for s in listed]
        return wire.Sessions(self._own_sessions_of(group) + far)

    def _own_sessions_of(self, group: str) -> list[wire.Listed]:
        now = time.monotonic()
        return [s.listed(now) for (g, _), s in self._sessions.items() if g == group]

    async def _random_key(self, group: str) -> str:
        """Raises: Unavailable."""
        while True:
            # No leading zero: people read the key aloud and type it into number fields.
            low = 10 ** (RANDOM_KEY_DIGITS - 1)
            key = str(low + secrets.randbelow(9 * low))
            place = (group, key)
            if place in self._sessions or self._moving[place].locked():
                continue
            if not self._broker.is_shared:
                return key
            try:
                if not await self._broker.owner(place) and await self._store.at(*place) is None:
                    return key
            except (BrokerError, StoreError) as error:
                raise Unavailable from error


def _check_room(session: Session) -> None:
    if len(session.peers) > MAX_AGENTS:
        raise Refused("limit", "Too many agents are in this session.")


def _no_session(place: Place) -> Refused:
    return Refused("nosession", f"There is no session with the key {place[1]}.")
