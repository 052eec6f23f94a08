"""One session: a visitor, any agents, one key. Pure: events and a clock in, actions out.

The edge (hub.py) runs the actions and decides nothing. Peers are numbers that the edge hands out.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypedDict

import msgspec

from relay import wire
from relay.account import Site
from relay.errors import Close
from relay.replay import ReplayBuffer

KEYFRAME_GAP_S: Final = 10.0
# An agent whose line was cut is taken for gone after this long: messages still wait for it.
AGENT_GRACE_S: Final = 10.0
MAX_AGENTS: Final = 50
# Stands for the key of a session's files where it is written down.
ASSETS_GIVEN: Final = "given"
_TICKETS_KEPT: Final = 8
_ATTENDANCES_KEPT: Final = 200


class State(Enum):
    WAITING = "waiting"  # for an agent
    ACTIVE = "active"
    AWAY = "away"  # the visitor is between two pages, or lost
    ENDED = "ended"


class Change(Enum):
    """What moves a session from one state to another."""

    AGENT_CAME = "agent came"
    LAST_AGENT_LEFT = "last agent left"
    VISITOR_LEFT = "visitor left"
    VISITOR_CAME_TO_AGENTS = "visitor came, agents are there"
    VISITOR_CAME_TO_NOBODY = "visitor came, no agent is there"
    END = "end"


# The whole life of a session. A pair that is not here changes nothing.
TRANSITIONS: Final[dict[tuple[State, Change], State]] = {
    (State.WAITING, Change.AGENT_CAME): State.ACTIVE,
    (State.WAITING, Change.VISITOR_LEFT): State.AWAY,
    (State.WAITING, Change.END): State.ENDED,
    (State.ACTIVE, Change.LAST_AGENT_LEFT): State.WAITING,
    (State.ACTIVE, Change.VISITOR_LEFT): State.AWAY,
    (State.ACTIVE, Change.END): State.ENDED,
    (State.AWAY, Change.VISITOR_CAME_TO_AGENTS): State.ACTIVE,
    (State.AWAY, Change.VISITOR_CAME_TO_NOBODY): State.WAITING,
    (State.AWAY, Change.END): State.ENDED,
}


@dataclass(frozen=True)
class Limits:
    """How long a session may last, in seconds: without an agent, without its visitor, without a
    sign of life, and at all."""

    waiting_s: float = 15 * 60
    away_s: float = 10 * 60
    idle_s: float = 60 * 60
    longest_s: float = 8 * 3600


# -- what is kept --------------------------------------------------------------------------------


class Attendance(msgspec.Struct):
    """One agent's part in a session; times in Unix seconds, left is None for who is there."""

    end: str
    user: str
    name: str
    joined: float
    left: float | None = None


class Saved(msgspec.Struct, kw_only=True):
    """What a session is when its relay has died: enough for another to go on with it.

    tickets: digests of secrets, by the visitor's digest on each site: the first is confirmed, the
    rest are offered. started: Unix seconds. revision: counted up each time it is kept. site: which
    copy of the group's settings it began with; rules: what these hid, and what pages added since;
    of the assets only whether (ASSETS_GIVEN), as their key must not be written down.
    """

    id: str
    group: str
    key: str
    visitor: str
    revision: int = 0
    person: wire.KnownPerson
    started: float
    page: wire.Page = wire.Page()
    pages: int = 0
    terms: str = ""
    tickets: dict[str, list[str]] = {}
    handover: str = ""
    attendances: list[Attendance] = []
    site: Site = "production"
    rules: wire.Rules | None = None

    @property
    def place(self) -> tuple[str, str]:
        """The group and the key, under which a live session is found."""
        return self.group, self.key


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What may be told of a session to its group's agents. Times in Unix seconds.

    state: one of State. agents: who are there now.
    """

    id: str
    group: str
    key: str
    state: str
    started: float
    ended: float | None = None
    reason: str = ""
    person: wire.KnownPerson
    page: wire.Page
    agents: list[Attendance]


def facts_of(saved: Saved, state: State, *, ended: float | None = None, reason: str = "") -> Facts:
    here = [msgspec.structs.replace(a) for a in saved.attendances if a.left is None]
    return Facts(
        id=saved.id,
        group=saved.group,
        key=saved.key,
        state=state.value,
        started=saved.started,
        ended=ended,
        reason=reason,
        person=saved.person,
        page=saved.page,
        agents=here,
    )


# -- actions -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Send:
    """Give a control message to some peers."""

    peers: tuple[int, ...]
    message: wire.ToPeer


@dataclass(frozen=True)
class Forward:
    """Give a capture frame to some peers, as it is."""

    peers: tuple[int, ...]
    frame: bytes
    keyframe: bool


@dataclass(frozen=True)
class Shut:
    """Close a peer's socket."""

    peer: int
    code: Close


@dataclass(frozen=True)
class Hint:
    """Give a peer a control message if nothing waits before it; else it is worth nothing."""

    peer: int
    message: wire.Gesture


Action = Send | Forward | Shut | Hint


class _Running(TypedDict):
    """What the messages that start and continue a session have in common."""

    key: str
    ticket: str
    rules: wire.Rules
    away_s: float
    handover: str


@dataclass
class _Agent:
    """One agent's end, over all its connections. since: when its present state began."""

    attendance: Attendance
    peer: int | None
    since: float


@dataclass
class Session:
    """The rules of one session.

    Args:
        saved: what it was when it was kept last; kept up to date.
        began: when it started, in seconds on a clock that never goes back.
        rules: as the group's settings say, with this session's upload key.
        assets: where agents find what was uploaded.
        pointer: whether the visitor's page shows what agents point at.
    """

    saved: Saved
    began: float
    limits: Limits = Limits()
    rules: wire.Rules = wire.Rules()
    assets: str = ""
    pointer: bool = True
    state: State = State.WAITING
    reason: str = ""
    _agents: dict[str, _Agent] = field(default_factory=dict)
    _ends: dict[int, str] = field(default_factory=dict)
    _watching: tuple[int, ...] = ()
    _visitor_peer: int | None = None
    _page_is_new: bool = False
    _visitor_digest: str = ""
    _replay: ReplayBuffer = field(default_factory=ReplayBuffer)
    _keyframe_asked_at: float = float("-inf")
    _keyframe_wanted: bool = False

    def __post_init__(self) -> None:
        self._state_since = self._alive_at = self.began
        self.tighten(self.rules)

    @classmethod
    def restored(
        cls,
        saved: Saved,
        seen: float,
        now: float,
        unix: float,
        limits: Limits,
        rules: wire.Rules,
        assets: str,
        pointer: bool,
    ) -> "Session":
        """A session whose relay is gone: everybody is away, and may come back.

        Args:
            seen: when it was alive last, in Unix seconds.
            now, unix: the same moment on the clock of `began` and in Unix seconds.
        """
        began = now - max(0.0, unix - saved.started)
        session = cls(saved, began, limits, rules, assets, pointer, State.AWAY)
        session._state_since = session._alive_at = now - max(0.0, unix - seen)
        for attendance in saved.attendances:
            if attendance.left is None:
                session._agents[attendance.end] = _Agent(attendance, None, now)
        return session

    def tighten(self, rules: wire.Rules) -> None:
        """Hide what these rules hide, and what was hidden before as well.

        Nothing that the visitor began the session without becomes visible in it.
        """
        if self.saved.rules is not None:
            rules = self.saved.rules.and_also(rules)
        self.rules = rules
        given = ASSETS_GIVEN if rules.assets else ""
        self.saved.rules = msgspec.structs.replace(rules, assets=given)

    @property
    def place(self) -> tuple[str, str]:
        return self.saved.place

    @property
    def peers(self) -> tuple[int, ...]:
        """All who are connected."""
        return (
            self._watching if self._visitor_peer is None else (*self._watching, self._visitor_peer)
        )

    # -- the visitor -----------------------------------------------------------------------------

    def knows(self, visitor: str) -> bool:
        """Whether a digest is that of this session's visitor, on one of the sites."""
        return visitor in self.saved.tickets

    def accepts(self, visitor: str, secret: str) -> bool:
        """Whether a ticket's secret part still opens this session for that visitor."""
        asked = _digest(secret)
        known = [*self.saved.tickets.get(visitor, ()), *filter(None, [self.saved.handover])]
        return any([hmac.compare_digest(asked, ticket) for ticket in known])

    def offer(self, visitor: str, ticket: str, handover: str) -> None:
        """Make a ticket good, which visitor_resumes() hands out once it is kept.

        Until the new holder confirms it, the old one stays good: its page may never have loaded.
        """
        self.saved.handover = _digest(handover)
        offered = _digest(ticket)
        confirmed, *others = self.saved.tickets.get(visitor) or [offered]
        self.saved.tickets[visitor] = [confirmed, *others[2 - _TICKETS_KEPT :], offered]

    def visitor_starts(self, peer: int, ticket: str, handover: str) -> list[Action]:
        """The page that starts the session. Agents who have waited for it are there already.

        Args: ticket, handover: fresh random text.
        """
        visitor = self.saved.visitor
        self._visitor_peer, self._visitor_digest = peer, visitor
        self.saved.tickets = {visitor: [_digest(ticket)]}
        self.saved.handover = _digest(handover)
        actions: list[Action] = [Send((peer,), wire.Started(**self._running(ticket, handover)))]
        if here := self._here():
            actions.append(Send((peer,), self._agents_shown()))
            actions += [Send((peer,), wire.AgentJoined(a.attendance.name)) for a in here]
        return actions

    def visitor_resumes(
        self, peer: int, visitor: str, ticket: str, handover: str, now: float
    ) -> list[Action]:
        """A page that goes on: the next one, or the same after a cut. It sends its own keyframe.

        Args: ticket, handover: as offered before.
        """
        actions: list[Action] = []
        if self._visitor_peer is not None:
            actions.append(Shut(self._visitor_peer, Close.TAKEN_OVER))
        self._visitor_peer, self._page_is_new = peer, True
        self._replay.clear()  # of the old page; this one begins with its own keyframe
        self._visitor_digest = visitor
        # It sends one by itself: nobody needs to ask for another so soon.
        self._keyframe_wanted, self._keyframe_asked_at = False, now
        self._alive_at = now
        came = Change.VISITOR_CAME_TO_AGENTS if self._here() else Change.VISITOR_CAME_TO_NOBODY
        continued = wire.Continued(**self._running(ticket, handover))
        actions += [Send((peer,), continued), Send((peer,), self._agents_shown())]
        return actions + self._change(came, now)

    def _running(self, ticket: str, handover: str) -> _Running:
        key = self.saved.key
        return {
            "key": key,
            "ticket": f"{key}.{ticket}",
            "rules": self.rules,
            "away_s": self.limits.away_s,
            "handover": f"{key}.{handover}",
        }

    def visitor_confirms(self, peer: int, ticket: str) -> None:
        """The page has its new ticket: the older ones are worth nothing from now on."""
        secret = _digest(ticket.partition(".")[2])
        if peer == self._visitor_peer and secret in self.saved.tickets[self._visitor_digest]:
            self.saved.tickets[self._visitor_digest] = [secret]

    def page_changed(self, peer: int, page: wire.Page) -> list[Action]:
        """What page the visitor sees. Another address is a navigation, loaded or not."""
        if peer != self._visitor_peer:
            return []
        loaded, self._page_is_new = self._page_is_new, False
        moved = loaded or page.url != self.saved.page.url
        self.saved.page = page
        self.saved.pages += moved
        message = wire.Navigate(page, loaded) if moved else wire.PageChanged(page)
        return [Send(self._watching, message)]

    def visitor_says(self, peer: int, message: wire.Said, now: float) -> list[Action]:
        """A session message for one agent. While that one is cut off, the page keeps it."""
        if peer != self._visitor_peer:
            return []
        self._alive_at = now
        agent = self._agents.get(message.end)
        if agent is None:
            lost = wire.Undelivered(message.stream, message.seq, message.name, message.end)
            return [Send((peer,), lost)]
        return [] if agent.peer is None else [Send((agent.peer,), message)]

    def visitor_acknowledges(self, peer: int, ack: wire.Acknowledged) -> list[Action]:
        agent = self._agents.get(ack.end) if peer == self._visitor_peer else None
        return [Send((agent.peer,), ack)] if agent and agent.peer is not None else []

    def visitor_leaves(self, peer: int, now: float) -> list[Action]:
        """The visitor's socket is gone. A socket that was taken over before changes nothing."""
        if peer != self._visitor_peer:
            return []
        self._visitor_peer = None
        if not self._watching:
            self._replay.clear()
        return self._change(Change.VISITOR_LEFT, now)

    def frame(self, peer: int, frame: bytes, now: float) -> list[Action]:
        """A capture frame. Raises: Malformed."""
        if peer != self._visitor_peer or self.state is State.ENDED:
            return []
        keyframe = wire.is_keyframe(frame)
        self._alive_at = now
        self._replay.add(frame, keyframe=keyframe)
        if keyframe:
            self._keyframe_wanted = False
        if not self._watching:
            # With no agent there is nobody to spare the wait; who joins asks for a keyframe then.
            return []
        actions: list[Action] = [Forward(self._watching, frame, keyframe)]
        return actions + self.needs_keyframe(now) if self._replay.wants_keyframe else actions

    # -- agents ----------------------------------------------------------------------------------

    def agent_joins(self, peer: int, end: str, user: str, name: str, now: float) -> list[Action]:
        """An agent's viewer comes, or comes back. end: the same on all its connections."""
        actions: list[Action] = []
        known = self._agents.get(end)
        if known is None:
            attendance = self._attendance(end, user, name, now)
            self._agents[end] = _Agent(attendance, peer, now)
        else:
            if known.peer is not None:
                actions.append(Shut(known.peer, Close.TAKEN_OVER))
                del self._ends[known.peer]
            known.peer, known.since, known.attendance.left = peer, now, None
        self._ends[peer] = end
        self._watching = tuple(self._ends)
        self._alive_at = now
        changed = self._change(Change.AGENT_CAME, now)
        saved = self.saved
        actions.append(
            Send(
                (peer,),
                wire.Joined(
                    saved.key,
                    self.state.value,
                    saved.page,
                    saved.person,
                    self.assets,
                    end,
                    self.pointer,
                ),
            )
        )
        actions += self._tell_agents()
        if known is None and self._visitor_peer is not None:
            # Last: a page that hears of it may say something to all agents at once.
            actions.append(Send((self._visitor_peer,), wire.AgentJoined(name)))
        # Where a fresh keyframe is quicker than what has gathered, and may be asked for.
        is_quicker = self._replay.wants_keyframe and self._may_ask(now)
        frames = [] if is_quicker else self._replay.frames
        actions += [Forward((peer,), f, keyframe=i == 0) for i, f in enumerate(frames)]
        return actions + changed + ([] if frames else self.needs_keyframe(now))

    def _attendance(self, end: str, user: str, name: str, now: float) -> Attendance:
        """That of an end that has been here before goes on."""
        for known in self.saved.attendances:
            if known.end == end:
                known.left = None
                return known
        made = Attendance(end, user, name, self._unix(now))
        self.saved.attendances = [*self.saved.attendances[-_ATTENDANCES_KEPT:], made]
        return made

    def agent_leaves(self, peer: int, now: float, *, lost: bool = False) -> list[Action]:
        """An agent's socket is gone. lost: it was cut, so that the agent may come back."""
        end = self._ends.pop(peer, None)
        if end is None:
            return []
        self._watching = tuple(self._ends)
        agent = self._agents[end]
        agent.peer, agent.since = None, now
        points_no_more = self._gesture(wire.Gesture("none", end=end))
        return points_no_more if lost else points_no_more + self._forget([end], now)

    def agent_says(self, peer: int, message: wire.Said, now: float) -> list[Action]:
        """A session message for the visitor. While that one is away, the agent's page keeps it."""
        end = self._ends.get(peer)
        if end is None:
            return []
        self._alive_at = now
        if self._visitor_peer is None:
            return []
        return [Send((self._visitor_peer,), msgspec.structs.replace(message, end=end))]

    def agent_acknowledges(self, peer: int, ack: wire.Acknowledged) -> list[Action]:
        end = self._ends.get(peer)
        if end is None or self._visitor_peer is None:
            return []
        return [Send((self._visitor_peer,), msgspec.structs.replace(ack, end=end))]

    def agent_points(self, peer: int, gesture: wire.Gesture) -> list[Action]:
        """Something to be seen on the visitor's page now, if the group's settings allow that."""
        end = self._ends.get(peer)
        if end is None:
            return []
        name = self._agents[end].attendance.name
        return self._gesture(msgspec.structs.replace(gesture, end=end, name=name))

    def _gesture(self, gesture: wire.Gesture) -> list[Action]:
        if not self.pointer or self._visitor_peer is None:
            return []
        return [Hint(self._visitor_peer, gesture)]

    def _here(self) -> list[_Agent]:
        """Who is there, or was so a moment ago."""
        return [a for a in self._agents.values() if a.attendance.left is None]

    def _tell_agents(self, gone: list[str] | None = None) -> list[Action]:
        """The visitor and the agents are told who is there."""
        return [Send(self.peers, self._agents_shown(gone))] if self.peers else []

    def _agents_shown(self, gone: list[str] | None = None) -> wire.Agents:
        shown = [wire.AgentShown(a.attendance.end, a.attendance.name) for a in self._here()]
        return wire.Agents(shown, gone or [])

    def _forget(self, ends: list[str], now: float) -> list[Action]:
        """These agents will not come back."""
        for end in ends:
            agent = self._agents.pop(end)
            agent.attendance.left = agent.attendance.left or self._unix(now)
        told = self._tell_agents(ends)
        return told if self._here() else told + self._change(Change.LAST_AGENT_LEFT, now)

    def let_go(self) -> tuple[int | None, tuple[int, ...]]:
        """The session goes on at another relay: whoever is connected here has no part in it.

        Returns: the visitor's peer and the agents'.
        """
        visitor, agents = self._visitor_peer, self._watching
        self._visitor_peer, self._watching = None, ()
        self._ends.clear()
        self._replay.clear()
        return visitor, agents

    # -- both ------------------------------------------------------------------------------------

    def needs_keyframe(self, now: float) -> list[Action]:
        """Ask the visitor for a keyframe, at most one per KEYFRAME_GAP_S; else remember to."""
        if self._visitor_peer is None:
            return []  # the page that comes next sends one by itself
        if not self._may_ask(now):
            self._keyframe_wanted = True
            return []
        self._keyframe_wanted, self._keyframe_asked_at = False, now
        return [Send((self._visitor_peer,), wire.SendKeyframe())]

    def _may_ask(self, now: float) -> bool:
        """Whether the visitor's page may be asked for a keyframe."""
        return self._visitor_peer is not None and now >= self._keyframe_asked_at + KEYFRAME_GAP_S

    def end(self, reason: str, now: float) -> list[Action]:
        if self.state is State.ENDED:
            return []
        self._change(Change.END, now)
        self.reason = reason
        for agent in self._agents.values():
            agent.attendance.left = agent.attendance.left or self._unix(now)
        peers = self.peers
        return [
            Send(peers, wire.Ended(reason)),
            *(Shut(peer, Close.ENDED) for peer in peers),
        ]

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        limits = self.limits
        waits_s = {State.WAITING: limits.waiting_s, State.AWAY: limits.away_s}
        if (
            now - self._state_since >= waits_s.get(self.state, float("inf"))
            or now - self._alive_at >= limits.idle_s
            or now - self.began >= limits.longest_s
        ):
            return self.end("timeout", now)
        actions = self.needs_keyframe(now) if self._keyframe_wanted else []
        away = {e: now - a.since for e, a in self._agents.items() if a.peer is None}
        gone = [end for end, away_s in away.items() if away_s >= limits.away_s]
        late = [self._agents[e].attendance for e, s in away.items() if s >= AGENT_GRACE_S]
        newly = [attendance for attendance in late if attendance.left is None]
        for attendance in newly:
            attendance.left = self._unix(now)
        if gone:
            return actions + self._forget(gone, now)
        if newly:
            actions += self._tell_agents()
            actions += [] if self._here() else self._change(Change.LAST_AGENT_LEFT, now)
        return actions

    def listed(self, now: float) -> wire.Listed:
        """The row of this session in a console."""
        return wire.Listed(
            key=self.saved.key,
            state=self.state.value,
            age_s=round(now - self.began, 1),
            agents=len(self._here()),
            page=wire.Page(self.saved.page.url[:300], self.saved.page.title[:200]),
            person=self.saved.person,
        )

    def _change(self, change: Change, now: float) -> list[Action]:
        following = TRANSITIONS.get((self.state, change))
        if following is None:
            return []
        self.state, self._state_since = following, now
        return [Send(self._watching, wire.StateChanged(following.value))]

    def _unix(self, now: float) -> float:
        return self.saved.started + now - self.began


def merged(
    claimed: wire.Person, proven: wire.Person, levels: Mapping[str, wire.Level]
) -> wire.KnownPerson:
    """What is known of a visitor. What the page says comes first; what it leaves out, cookies tell.

    Args: proven: from cookies. levels: how well each of them is known; cookie where it is not told.
    """
    values, known = {}, {}
    for name in wire.Person.__struct_fields__:
        said, cookie = getattr(claimed, name), getattr(proven, name)
        if not said and not cookie:
            continue
        values[name] = said or cookie
        level = levels.get(name, "cookie")
        known[name] = level if values[name] == cookie else "claimed"
    return wire.KnownPerson(**values, levels=known)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
