"""Agents whose session is owned by another relay, and sessions that move: what relays say to each
other over the broker.

A session is owned by the relay that its visitor is connected to. An agent's seat at another relay
asks the owner to join, and is told what the owner's rules send it. When the visitor comes back
elsewhere, that relay takes the session over, and says so; the seats join there.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from relay import wire
from relay.broker import Broker, Place
from relay.errors import Close, Malformed, Refused, close_of
from relay.peer import LocalPeer
from relay.session import Facts, Saved

logger = logging.getLogger(__name__)

MOVE_TIMEOUT_S: Final = 1.5


# -- from an agent's relay to the owner ----------------------------------------------------------


class Joining(msgspec.Struct, tag="join", frozen=True):
    """An agent wants to see a session. number: the agent's peer at its own relay."""

    relay: str
    number: int
    place: Place
    end: str
    user: str
    name: str


class Saying(msgspec.Struct, tag="say", frozen=True):
    """What the agent sent: a session message, an acknowledgement or a gesture, as text."""

    relay: str
    number: int
    place: Place
    text: str


class Leaving(msgspec.Struct, tag="leave", frozen=True):
    relay: str
    number: int
    place: Place
    lost: bool


class Starving(msgspec.Struct, tag="starve", frozen=True):
    """Frames were dropped on their way to an agent."""

    place: Place


# -- from the owner to an agent's relay ----------------------------------------------------------


class Telling(msgspec.Struct, tag="tell", frozen=True):
    number: int
    text: str


class Framing(msgspec.Struct, tag="frame", frozen=True):
    number: int
    keyframe: bool
    frame: bytes


class Shutting(msgspec.Struct, tag="shut", frozen=True):
    """refusal: code and message, where there is one."""

    number: int
    code: int
    refusal: tuple[str, str] | None = None


# -- between owners ------------------------------------------------------------------------------


class Yield(msgspec.Struct, tag="yield", frozen=True):
    """The visitor has come to another relay. secret: of the ticket; None for a new start."""

    relay: str
    request: int
    place: Place
    visitor: str
    secret: str | None


class Yielded(msgspec.Struct, tag="yielded", frozen=True):
    """The answer. saved: None where there is no such session, or it is denied to this visitor."""

    request: int
    denied: bool
    saved: Saved | None


class Asking(msgspec.Struct, tag="ask", frozen=True):
    """Somebody wants to know about a session."""

    relay: str
    request: int
    place: Place


class Told(msgspec.Struct, tag="told", frozen=True):
    """The answer. facts: None where there is no such session."""

    request: int
    facts: Facts | None


class Owned(msgspec.Struct, tag="owned", frozen=True):
    """A relay owns a session now: to all."""

    relay: str
    place: Place


class Watching(msgspec.Struct, tag="watch", frozen=True):
    """Consoles of a group are open at a relay: to all, again and again."""

    relay: str
    group: str


class Listing(msgspec.Struct, tag="list", frozen=True):
    """A relay's sessions of a group, for the consoles of another."""

    relay: str
    group: str
    sessions: list[wire.Listed]


Message = (
    Joining
    | Saying
    | Leaving
    | Starving
    | Telling
    | Framing
    | Shutting
    | Yield
    | Yielded
    | Asking
    | Told
    | Owned
    | Watching
    | Listing
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


@dataclass
class RemotePeer:
    """An agent at another relay, as the owner's rules see it. theirs: its number there."""

    number: int
    relay: str
    theirs: int
    send: Callable[[str, bytes], None]

    def tell(self, text: str) -> None:
        self.send(self.relay, _encode(Telling(self.theirs, text)))

    def forward(self, frame: bytes, *, keyframe: bool) -> bool:
        self.send(self.relay, _encode(Framing(self.theirs, keyframe, frame)))
        return True

    def shut(self, code: Close, refusal: Refused | None = None) -> None:
        why = None if refusal is None else (refusal.code, refusal.message)
        self.send(self.relay, _encode(Shutting(self.theirs, int(code), why)))


@dataclass
class Seat:
    """An agent of this relay in a session, wherever that is owned.

    owner: "" while nobody does. waits_until: on the clock of time.monotonic(), where the session
    has not begun yet; 0 once it has.
    """

    peer: LocalPeer
    place: Place
    end: str
    user: str
    name: str
    owner: str = ""
    waits_until: float = 0.0


class Sessions(Protocol):
    """What the cluster needs of the hub."""

    def join_remote(self, message: Joining) -> None: ...
    def hear_remote(self, message: Saying) -> None: ...
    def leave_remote(self, message: Leaving) -> None: ...
    def leave_all(self, relays: Iterable[str]) -> None:
        """These relays are dead, and their agents cut off."""

    def starving(self, place: Place) -> None: ...
    def yield_session(self, message: Yield) -> None:
        """Answer it with Cluster.answer()."""

    def yielded_late(self, saved: Saved) -> None:
        """A session has been given to us, and who asked for it no longer waits."""

    def owned_elsewhere(self, place: Place) -> None:
        """Another relay says that it owns a session."""

    def facts_here(self, place: Place) -> Facts | None: ...
    def watched(self, message: Watching) -> None: ...
    def list_remote(self, message: Listing) -> None: ...
    def reset(self) -> None:
        """Messages between relays may have been lost."""


class Cluster:
    """This relay among the others."""

    def __init__(self, broker: Broker, sessions: Sessions) -> None:
        self._broker, self._sessions = broker, sessions
        self._seats: dict[int, Seat] = {}
        self._seats_at: defaultdict[Place, dict[int, Seat]] = defaultdict(dict)
        self._asked: dict[int, asyncio.Future[Yielded]] = {}
        self._questions: dict[int, asyncio.Future[Facts | None]] = {}
        self._relays = {broker.relay}
        self._missed: set[str] = set()
        self._requests = 0

    @property
    def relay(self) -> str:
        return self._broker.relay

    async def open(self) -> None:
        """Raises: BrokerError."""
        await self._broker.open(self._deliver, self._sessions.reset)

    # -- seats -----------------------------------------------------------------------------------

    def sit(self, seat: Seat) -> None:
        """Join a session at its owner."""
        self._seats[seat.peer.number] = seat
        self._seats_at[seat.place][seat.peer.number] = seat
        if seat.owner and seat.owner != self.relay:
            seat.waits_until = 0.0
            number, place = seat.peer.number, seat.place
            joining = Joining(self.relay, number, place, seat.end, seat.user, seat.name)
            self._broker.send(seat.owner, _encode(joining))

    def say(self, seat: Seat, message: wire.FromSeat) -> None:
        if seat.owner:
            text = wire.encode(message)
            saying = Saying(self.relay, seat.peer.number, seat.place, text)
            self._broker.send(seat.owner, _encode(saying))

    def stand_up(self, seat: Seat, *, lost: bool) -> None:
        self._seats.pop(seat.peer.number, None)
        self._seats_at[seat.place].pop(seat.peer.number, None)
        if not self._seats_at[seat.place]:
            del self._seats_at[seat.place]
        if seat.owner and seat.owner != self.relay:
            leaving = Leaving(self.relay, seat.peer.number, seat.place, lost)
            self._broker.send(seat.owner, _encode(leaving))

    def seats_at(self, place: Place) -> list[Seat]:
        """Who sits there, without those who are being sent away: they were another session's."""
        seats = self._seats_at[place].values() if place in self._seats_at else ()
        return [seat for seat in seats if seat.peer.close_code is None]

    def move_seats(self, place: Place, owner: str) -> None:
        """The session of a place has another owner now; "" for none yet."""
        for seat in self.seats_at(place):
            seat.owner = owner
            self.sit(seat)

    # -- owners ----------------------------------------------------------------------------------

    def own(self, place: Place) -> None:
        """A session is owned here now: tell all, so that its agents come."""
        self._broker.send_all(_encode(Owned(self.relay, place)))
        for seat in self.seats_at(place):
            seat.owner, seat.waits_until = self.relay, 0.0

    async def take(
        self, owner: str, place: Place, visitor: str, secret: str | None
    ) -> Yielded | None:
        """Ask a session of its owner. None: no answer in time."""
        self._requests += 1
        request = self._requests
        answer = self._asked[request] = asyncio.get_running_loop().create_future()
        self._broker.send(owner, _encode(Yield(self.relay, request, place, visitor, secret)))
        try:
            async with asyncio.timeout(MOVE_TIMEOUT_S):
                yielded: Yielded = await answer
                return yielded
        except TimeoutError:
            return None
        finally:
            del self._asked[request]

    def answer(self, message: Yield, saved: Saved | None, *, denied: bool) -> None:
        self._broker.send(message.relay, _encode(Yielded(message.request, denied, saved)))

    async def facts(self, owner: str, place: Place) -> Facts | None:
        """What the owner knows of a session; None where it has none. Raises: TimeoutError."""
        self._requests += 1
        request = self._requests
        answer = self._questions[request] = asyncio.get_running_loop().create_future()
        self._broker.send(owner, _encode(Asking(self.relay, request, place)))
        try:
            async with asyncio.timeout(MOVE_TIMEOUT_S):
                facts: Facts | None = await answer
                return facts
        finally:
            del self._questions[request]

    async def look_around(self) -> bool:
        """Which relays there are. True when one has gone since the last look.

        Raises: BrokerError.
        """
        relays = await self._broker.alive()
        # Only who is missed twice is dead: after an outage of the broker all are missing at first.
        missing, self._relays = self._relays - relays, self._relays | relays
        dead = (missing & self._missed) - {self.relay}
        self._missed = missing
        if not dead:
            return False
        self._relays -= dead
        self._sessions.leave_all(dead)
        for seat in self._seats.values():
            if seat.owner in dead:
                seat.owner = ""
                seat.peer.tell(wire.encode(wire.StateChanged("away")))
        return True

    async def lost_seats(self) -> list[Seat]:
        """Find the owners of all seats again, and return the seats that have lost theirs.

        Raises: BrokerError.
        """
        for seat in list(self._seats.values()):
            if seat.owner != self.relay:
                seat.owner = await self._broker.owner(seat.place)
                if seat.peer.number in self._seats:
                    self.sit(seat)
        return [s for s in self._seats.values() if not s.owner and not s.waits_until]

    def overdue_seats(self, now: float) -> list[Seat]:
        """Those that have waited long enough for their session. now: time.monotonic()."""
        return [seat for seat in self._seats.values() if 0 < seat.waits_until <= now]

    # -- consoles --------------------------------------------------------------------------------

    def watch(self, group: str) -> None:
        self._broker.send_all(_encode(Watching(self.relay, group)))

    def list_for(self, relay: str, group: str, sessions: list[wire.Listed]) -> None:
        self._broker.send(relay, _encode(Listing(self.relay, group, sessions)))

    # -- what others say -------------------------------------------------------------------------

    def remote(self, number: int, message: Joining) -> RemotePeer:
        return RemotePeer(number, message.relay, message.number, self._broker.send)

    def refuse(self, message: Joining, code: Close, refusal: Refused | None = None) -> None:
        self.remote(0, message).shut(code, refusal)

    def _deliver(self, data: bytes) -> None:
        try:
            self._act(_decode(data))
        except (msgspec.MsgspecError, Malformed):
            logger.warning("another relay has sent what is not understood")
        except Exception:
            logger.exception("a message of another relay has failed")

    def _act(self, message: Message) -> None:
        match message:
            case Framing(number, keyframe, frame):
                if (seat := self._seats.get(number)) is not None:
                    if not seat.peer.forward(frame, keyframe=keyframe) and seat.owner:
                        self._broker.send(seat.owner, _encode(Starving(seat.place)))
            case Telling(number, text):
                if (seat := self._seats.get(number)) is not None:
                    seat.peer.tell(text)
            case Shutting(number, code, why):
                if (seat := self._seats.get(number)) is not None:
                    seat.peer.shut(close_of(code), None if why is None else Refused(*why))
            case Joining():
                self._sessions.join_remote(message)
            case Saying():
                self._sessions.hear_remote(message)
            case Leaving():
                self._sessions.leave_remote(message)
            case Starving(place):
                self._sessions.starving(place)
            case Yield():
                self._sessions.yield_session(message)
            case Yielded(request, _, saved):
                if (asked := self._asked.get(request)) is not None and not asked.done():
                    asked.set_result(message)
                elif saved is not None:
                    self._sessions.yielded_late(saved)
            case Asking(relay, request, place):
                facts = self._sessions.facts_here(place)
                self._broker.send(relay, _encode(Told(request, facts)))
            case Told(request, facts):
                if (question := self._questions.get(request)) is not None and not question.done():
                    question.set_result(facts)
            case Owned(_, place):
                self._sessions.owned_elsewhere(place)
            case Watching():
                self._sessions.watched(message)
            case Listing():
                self._sessions.list_remote(message)
