"""The peers of this relay and their sessions: runs what the pure rules decide."""

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Iterable
from typing import Final

from relay import cluster, wire
from relay.account import Site
from relay.assets import AssetError, AssetStore
from relay.auth import VisitorToken
from relay.broker import Broker, BrokerError, Place
from relay.cluster import Cluster, RemotePeer, Seat
from relay.consoles import Consoles
from relay.errors import Close, Malformed, Refused, Unavailable
from relay.metrics import BYTES, FRAMES, LATENCY, SESSIONS
from relay.peer import LocalPeer, Peer
from relay.records import Records
from relay.registry import Caps, Groups, Registry, not_yours
from relay.session import (
    MAX_AGENTS,
    Action,
    Facts,
    Forward,
    Hint,
    Saved,
    Send,
    Session,
    Shut,
    State,
    facts_of,
    merged,
)
from relay.store import Record, Store, StoreError

logger = logging.getLogger(__name__)

RANDOM_KEY_DIGITS: Final = 7
SWEEP_S: Final = 1.0
BEAT_S: Final = 5.0
BEATS_AT_ONCE: Final = 50
# One frame of so many is timed.
TIMED_FRAMES: Final = 64
# How long the relays have to say who owns what, after the broker was away.
HOLD_OFF_S: Final = 4.0
# A session may move while its owner is asked about it.
ASK_TIMES: Final = 3
# How long an agent may wait for a session to begin.
LONGEST_WAIT_S: Final = 3600.0
# How long a relay that stops waits for its records to be written.
DRAIN_PATIENCE_S: Final = 3.0


class Hub:
    """Who is connected to which session."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        records: Records,
        assets: AssetStore,
        groups: Groups,
        caps: Caps,
    ) -> None:
        self._store, self._broker, self._records = store, broker, records
        self._assets = assets
        self._groups = groups
        self._cluster = Cluster(broker, self)
        self._registry = Registry(store, broker, groups, caps, self._own)
        self._consoles = Consoles(self._registry, self._cluster, self._tell)
        self._peers: dict[int, Peer] = {}
        # Agents at other relays, by relay and number there.
        self._remote: dict[tuple[str, int], tuple[Session, RemotePeer]] = {}
        self._next_peer = 0
        self._frames = self._frame_bytes = 0
        # When the frame came that is timed on its way through; 0 for none.
        self._time_next = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_draining = False

    # -- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Raises: StoreError, BrokerError."""
        await self._cluster.open()
        await self.adopt()

    async def drain(self) -> None:
        """Let go of everything, so that other relays can go on with it."""
        self.is_draining = True
        for session in self._registry:
            self._records.note(session)
        await self._records.written(DRAIN_PATIENCE_S)
        # From here on nothing is noted of them: another relay may have written more by then.
        for session in self._registry.drop_all():
            await self._registry.release(session.place)
        for peer in list(self._peers.values()):
            if isinstance(peer, LocalPeer):  # agents elsewhere wait there for the next owner
                peer.shut(Close.RESTARTING)

    def _own(self, session: Session) -> None:
        """A session is ours from now on: tell the other relays, and let its agents here in."""
        self._cluster.own(session.place)
        for seat in self._cluster.seats_at(session.place):
            if seat.peer.number not in session.peers:
                self._seat(session, seat)

    async def adopt(self) -> None:
        """Take up sessions whose relay is dead. Raises: StoreError, BrokerError, Unavailable."""
        await self._registry.adopt()

    def session_at(self, place: Place) -> Session | None:
        return self._registry.get(place)

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
        self._consoles.leave(peer.number)

    # -- visitors --------------------------------------------------------------------------------

    async def start(
        self, peer: LocalPeer, hello: wire.Start, token: VisitorToken, address: str
    ) -> Session:
        """A new session. address: of the one who starts it, as far as it counts.

        Raises: Refused where the key is somebody else's, Unavailable.
        """
        self._check_running()
        key = hello.key or await self._random_key(token.group)
        place = (token.group, key)
        registry = self._registry
        async with registry.moving(place):
            session = await registry.taken(place, token.visitor, None, self._cluster.take)
            if session is not None:
                if session.knows(token.visitor):
                    return await self._continue(session, peer, token, hello.site)
                if not self._groups.rules(token.group).replaces:
                    raise not_yours(place, None)
                self._run(session, session.end("replaced", time.monotonic()))
            try:
                registry.check_room(token.group, token.visitor, address)
            except Refused:
                await registry.release(place)
                raise
            return await self._begin(place, peer, hello, token, address)

    async def _begin(
        self,
        place: Place,
        peer: LocalPeer,
        hello: wire.Start,
        token: VisitorToken,
        address: str,
    ) -> Session:
        saved = Saved(
            id=secrets.token_hex(16),
            group=place[0],
            key=place[1],
            visitor=token.visitor,
            person=merged(hello.person, token.identity, token.levels),
            started=time.time(),
            terms=hello.terms,
            site=hello.site,
        )
        group = self._groups.rules(token.group, hello.site)
        session = Session(saved, time.monotonic(), group.limits, *group.for_session(saved.id))
        ticket, handover = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        session.offer(token.visitor, ticket, handover)
        # Kept before anything is waited for: others who start meanwhile count it.
        self._registry.keep(session, address)
        await self._written(session)
        self._run(session, session.visitor_starts(peer.number, ticket, handover))
        return session

    async def resume(self, peer: LocalPeer, hello: wire.Resume, token: VisitorToken) -> Session:
        """Go on with a session. Raises: Refused, Unavailable."""
        self._check_running()
        key, _, secret = hello.ticket.partition(".")
        place = (token.group, key)
        registry = self._registry
        async with registry.moving(place):
            session = await registry.taken(place, token.visitor, secret, self._cluster.take)
            if session is None or not session.accepts(token.visitor, secret):
                raise not_yours(place, secret)
            return await self._continue(session, peer, token, hello.site)

    async def _continue(
        self, session: Session, peer: LocalPeer, token: VisitorToken, site: Site
    ) -> Session:
        """A page goes on with a session; what is to be hidden by now is hidden in it."""
        rules, _, _ = self._groups.rules(token.group, site).for_session(session.saved.id)
        session.tighten(rules)
        ticket, handover = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        session.offer(token.visitor, ticket, handover)
        await self._written(session)
        now = time.monotonic()
        self._run(
            session,
            session.visitor_resumes(peer.number, token.visitor, ticket, handover, now),
        )
        return session

    async def _written(self, session: Session) -> None:
        """A ticket is good for as long as it is written down. Raises: Refused, Unavailable."""
        self._note(session)
        await self._records.written()
        if session.state is State.ENDED:
            raise Refused("ticket", "The session is over.")
        if not self._registry.owns(session):
            raise Unavailable  # it has moved meanwhile

    def _check_running(self) -> None:
        if self.is_draining:
            raise Unavailable

    def _note(self, session: Session) -> None:
        """Write a session down, if it is ours: what others have must not be undone."""
        if self._registry.owns(session):
            self._records.note(session)

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
                self._note(session)
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

    async def join(self, seat: Seat, *, waits: bool = False) -> None:
        """Take a seat. waits: where there is no such session, until there is one.

        Raises: Refused, Unavailable. That a key of another group exists is never told.
        """
        place = seat.place
        found = await self._registry.located(place)
        if not found:
            if not waits:
                raise _no_session(place)
            await self._wait(seat)
        elif isinstance(found, Session):
            _check_room(found)
            seat.owner = self._broker.relay
            self._cluster.sit(seat)
            self._seat(found, seat)
        else:
            seat.owner = found
            self._cluster.sit(seat)

    async def _wait(self, seat: Seat) -> None:
        """The seat stands at a place that nobody owns: whoever owns it first finds it there."""
        place = seat.place
        if len(self._cluster.seats_at(place)) >= MAX_AGENTS:
            raise _too_many()
        seat.waits_until = time.monotonic() + LONGEST_WAIT_S
        self._cluster.sit(seat)
        seat.peer.tell(wire.encode(wire.Pending(place[1])))
        # Another relay may have said that it owns the place just before the seat was there.
        owner = await self._registry.located(place)
        if isinstance(owner, str) and owner and not seat.owner:
            seat.owner = owner
            self._cluster.sit(seat)

    def _end_waits(self, now: float) -> None:
        for seat in self._cluster.overdue_seats(now):
            seat.peer.shut(Close.REFUSED, _no_session(seat.place))

    def _seat(self, session: Session, seat: Seat) -> None:
        actions = session.agent_joins(
            seat.peer.number, seat.end, seat.user, seat.name, time.monotonic()
        )
        self._run(session, actions, note=True)

    def hear_agent(self, seat: Seat, message: wire.FromSeat) -> None:
        if seat.owner != self._broker.relay:
            self._cluster.say(seat, message)
        elif (session := self._registry.get(seat.place)) is not None:
            self._hear(session, seat.peer.number, message)

    def _hear(self, session: Session, number: int, message: wire.FromSeat) -> None:
        match message:
            case wire.Said():
                self._run(session, session.agent_says(number, message, time.monotonic()))
            case wire.Acknowledged():
                self._run(session, session.agent_acknowledges(number, message))
            case wire.Gesture():
                for action in session.agent_points(number, message):
                    self._do(session, action)

    def agent_left(self, seat: Seat, *, lost: bool) -> None:
        self._cluster.stand_up(seat, lost=lost)
        session = self._registry.get(seat.place)
        if session is not None and seat.owner == self._broker.relay:
            self._leave(session, seat.peer.number, lost=lost)

    def _leave(self, session: Session, number: int, *, lost: bool) -> None:
        actions = session.agent_leaves(number, time.monotonic(), lost=lost)
        self._run(session, actions, note=not lost)

    def watch(self, peer: LocalPeer, group: str) -> None:
        self._consoles.watch(peer.number, group)

    # -- who asks about sessions -----------------------------------------------------------------

    def facts_here(self, place: Place) -> Facts | None:
        session = self._registry.get(place)
        return None if session is None else facts_of(session.saved, session.state)

    async def facts(self, place: Place) -> Facts | None:
        """What is known of a live session, whichever relay has it. Raises: Unavailable."""
        for _ in range(ASK_TIMES):
            found = await self._registry.located(place)
            if isinstance(found, Session) or not found:
                return self.facts_here(place)
            try:
                facts = await self._cluster.facts(found, place)
            except TimeoutError as error:
                raise Unavailable from error
            if facts is not None:
                return facts
        return None  # it has ended meanwhile, or nobody can follow where it goes

    async def facts_by_id(self, group: str, session_id: str) -> Facts | None:
        """What is known of a group's session, ended ones as well. Raises: Unavailable."""
        for session in self._registry.of(group):
            if session.saved.id == session_id:
                return facts_of(session.saved, session.state)
        try:
            record = await self._store.get(session_id)
        except StoreError as error:
            raise Unavailable from error
        if record is None or record.saved.group != group:
            return None
        if record.ended is not None:
            return facts_of(record.saved, State.ENDED, ended=record.ended, reason=record.reason)
        facts = await self.facts(record.saved.place)
        return facts if facts is not None and facts.id == session_id else None

    # -- agents at other relays ------------------------------------------------------------------

    def join_remote(self, message: cluster.Joining) -> None:
        session = self._registry.get(message.place)
        if session is None:
            # It has moved or ended: the agent's relay finds out when the agent comes again.
            self._cluster.refuse(message, Close.UNAVAILABLE)
            return
        try:
            _check_room(session)
        except Refused as refusal:
            self._cluster.refuse(message, Close.REFUSED, refusal)
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
            if isinstance(said, wire.FromSeat):
                self._hear(known[0], known[1].number, said)

    def leave_remote(self, message: cluster.Leaving) -> None:
        self._forget_remote((message.relay, message.number), lost=message.lost)

    def leave_all(self, relays: Iterable[str]) -> None:
        dead = set(relays)
        for known in [known for known in self._remote if known[0] in dead]:
            self._forget_remote(known, lost=True)
        self._consoles.gone(dead)

    def _forget_remote(self, number: tuple[str, int], *, lost: bool) -> None:
        """number: of the relay, and the agent's there."""
        known = self._remote.pop(number, None)
        if known is not None:
            session, peer = known
            self._peers.pop(peer.number, None)
            self._leave(session, peer.number, lost=lost)

    def starving(self, place: Place) -> None:
        if (session := self._registry.get(place)) is not None:
            self._run(session, session.needs_keyframe(time.monotonic()))

    # -- sessions that move ----------------------------------------------------------------------

    def yield_session(self, message: cluster.Yield) -> None:
        self._later("yield a session", self._yield(message))

    async def _yield(self, message: cluster.Yield) -> None:
        try:
            session, denied = await self._registry.give(
                message.place, message.visitor, message.secret, message.relay
            )
        except BrokerError:
            return  # it is still ours; the visitor tries again
        if session is None:
            self._cluster.answer(message, None, denied=denied)
            return
        saved = session.saved
        self._part_with(session, Close.TAKEN_OVER)
        self._cluster.answer(message, saved, denied=False)

    def yielded_late(self, saved: Saved) -> None:
        self._later("take a session after all", self._take_late(saved))

    async def _take_late(self, saved: Saved) -> None:
        """The answer came when its visitor had been told to try again: then it is ours already."""
        async with self._registry.moving(saved.place):
            if await self._broker.claim(saved.place) == self._broker.relay:
                self._registry.install(Record(saved=saved, seen=time.time()))

    def owned_elsewhere(self, place: Place) -> None:
        self._later("see who owns a session", self._check_owner(place))

    async def _check_owner(self, place: Place) -> None:
        """What another relay has said may be old by now: the broker knows."""
        if (session := self._registry.get(place)) is not None:
            if await self._broker.claim(place) == self._broker.relay:
                return
            self._registry.drop(session)
            self._part_with(session, Close.RESTARTING)
        if self._cluster.seats_at(place):
            self._cluster.move_seats(place, await self._broker.owner(place))

    def _part_with(self, session: Session, code: Close) -> None:
        """The session goes on at another relay: its agents join there, its page here is old."""
        visitor, peers = session.let_go()
        for number in peers:
            peer = self._peers.get(number)
            if isinstance(peer, RemotePeer):
                del self._peers[number]
                self._remote.pop((peer.relay, peer.theirs), None)
        if visitor is not None and (peer := self._peers.get(visitor)) is not None:
            peer.shut(code)
        for seat in self._cluster.seats_at(session.place):
            seat.owner = ""
        self._consoles.changed(session.saved.group)

    def reset(self) -> None:
        """The broker was away: what was said meanwhile is lost, and others may own our sessions."""
        self._registry.hold_off(HOLD_OFF_S)
        self._later("find each other again", self._find_again())

    async def _find_again(self) -> None:
        for known in list(self._remote):
            self._forget_remote(known, lost=True)  # who is there joins again
        for session in self._registry:
            await self._check_owner(session.place)
            if self._registry.owns(session):
                self._own(session)
        await asyncio.sleep(HOLD_OFF_S)
        await self._rejoin()

    async def _rejoin(self) -> None:
        """Find the owners of all seats. Who sits at a session that is over hears of it."""
        for seat in await self._cluster.lost_seats():
            if not await self._registry.located(seat.place):
                seat.peer.tell(wire.encode(wire.Ended("error")))
                seat.peer.shut(Close.ENDED)

    def _later(self, name: str, work: Coroutine[None, None, None]) -> None:
        async def run() -> None:
            try:
                await work
            except (BrokerError, StoreError, AssetError, Unavailable) as error:
                logger.warning("could not %s: %s", name, type(error).__name__)
            except Exception:
                logger.exception("could not %s", name)

        task = asyncio.get_running_loop().create_task(run(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- consoles elsewhere ----------------------------------------------------------------------

    def watched(self, message: cluster.Watching) -> None:
        self._consoles.watched(message)

    def list_remote(self, message: cluster.Listing) -> None:
        self._consoles.listed(message)

    # -- time ------------------------------------------------------------------------------------

    async def announce(self) -> None:
        """Tell consoles what has changed, until cancelled."""
        await self._consoles.announce()

    async def sweep(self) -> None:
        """Let time pass for every session, until cancelled."""
        counted = (0, 0)
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            self._end_waits(now)
            counts = dict.fromkeys(State, 0)
            for session in self._registry:
                counts[session.state] += 1
                if actions := session.tick(now):
                    self._run(session, actions, note=True)
            FRAMES.inc(self._frames - counted[0])
            BYTES.inc(self._frame_bytes - counted[1])
            counted = (self._frames, self._frame_bytes)
            for state in (State.WAITING, State.ACTIVE, State.AWAY):
                SESSIONS.labels(state.value).set(counts[state])

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
        owed = False
        while self._broker.is_shared:
            await asyncio.sleep(SWEEP_S)
            try:
                owed |= await self._cluster.look_around()
                if owed:
                    await self.adopt()
                    await self._rejoin()
                    owed = False
            except (BrokerError, StoreError, Unavailable):
                pass  # health tells; it is owed until it is done

    # -- running actions -------------------------------------------------------------------------

    def _run(self, session: Session, actions: Iterable[Action], *, note: bool = False) -> None:
        for action in actions:
            self._do(session, action)
        if note or session.state is State.ENDED:
            self._note(session)
        if session.state is State.ENDED and self._registry.owns(session):
            self._registry.drop(session)
            self._later("release a key", self._registry.release_ended(session.place))
            self._later("forget a session's files", self._assets.drop(session.saved.id))
        self._consoles.changed(session.saved.group)

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
                    self._tell(number, text)
            case Shut(number, code):
                if (peer := self._peers.get(number)) is not None:
                    peer.shut(code)
            case Hint(number, gesture):
                peer = self._peers.get(number)
                if isinstance(peer, LocalPeer) and peer.is_idle:
                    peer.tell(wire.encode(gesture))

    def _time(self, number: int, frame: bytes) -> None:
        """Measure how long a frame took: now, or when the last agent's socket has it."""
        came, self._time_next = self._time_next, 0.0
        peer = self._peers.get(number)
        if isinstance(peer, LocalPeer) and len(peer.outbox):
            peer.probe = (frame, came)
        else:
            LATENCY.observe(time.perf_counter() - came)

    def _tell(self, number: int, text: str) -> None:
        if (peer := self._peers.get(number)) is not None:
            peer.tell(text)

    async def _random_key(self, group: str) -> str:
        """Raises: Unavailable."""
        while True:
            # No leading zero: people read the key aloud and type it into number fields.
            low = 10 ** (RANDOM_KEY_DIGITS - 1)
            key = str(low + secrets.randbelow(9 * low))
            place = (group, key)
            if self._registry.get(place) or self._registry.is_moving(place):
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
        raise _too_many()


def _too_many() -> Refused:
    return Refused("limit", "Too many agents are in this session.")


def _no_session(place: Place) -> Refused:
    return Refused("nosession", f"There is no session with the key {place[1]}.")
