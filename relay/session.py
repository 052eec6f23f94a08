"""One session: a visitor, any agents, one key. Pure: events and a clock in, actions out.

The edge (hub.py) runs the actions and decides nothing. Peers are numbers that the edge hands out.
"""

import hmac
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypedDict

from relay import wire
from relay.errors import Close
from relay.replay import ReplayBuffer

KEYFRAME_GAP_S: Final = 10.0
_TICKETS_KEPT: Final = 8


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
    """How long a session waits, in seconds."""

    waiting_s: float = 15 * 60
    away_s: float = 10 * 60


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


Action = Send | Forward | Shut


class _Running(TypedDict):
    """What the messages that start and continue a session have in common."""

    key: str
    ticket: str
    rules: wire.Rules
    away_s: float
    handover: str


@dataclass
class Session:
    """The rules of one session.

    Args:
        visitor: digest of the visitor's own cookie; a ticket is worth nothing without it. On
            another site behind the same proxy, the visitor has another one.
        began: seconds, on a clock that never goes back.
    """

    group: str
    key: str
    visitor: str
    person: wire.Person
    began: float
    limits: Limits = Limits()
    rules: wire.Rules = wire.Rules()
    state: State = State.WAITING
    page: wire.Page = wire.Page()
    agents: dict[int, str] = field(default_factory=dict)
    _visitor_peer: int | None = None
    _page_is_new: bool = False
    # By the visitor's digest on each site: the first is confirmed, the rest offered.
    _tickets: dict[str, list[str]] = field(default_factory=dict)
    _handover: str = ""
    _visitor_digest: str = ""
    _replay: ReplayBuffer = field(default_factory=ReplayBuffer)
    _keyframe_asked_at: float = float("-inf")
    _keyframe_wanted: bool = False

    def __post_init__(self) -> None:
        self._state_since = self.began

    # -- the visitor -----------------------------------------------------------------------------

    def knows(self, visitor: str) -> bool:
        """Whether a digest is that of this session's visitor, on one of the sites."""
        return visitor in self._tickets

    def accepts(self, visitor: str, secret: str) -> bool:
        """Whether a ticket's secret part still opens this session for that visitor."""
        asked = secret.encode()
        known = [*self._tickets.get(visitor, ()), *filter(None, [self._handover])]
        return any(hmac.compare_digest(asked, ticket.encode()) for ticket in known)

    def visitor_starts(self, peer: int, ticket: str, handover: str) -> list[Action]:
        """The page that starts the session. ticket, handover: fresh random text."""
        self._visitor_peer, self._visitor_digest, self._handover = peer, self.visitor, handover
        self._tickets = {self.visitor: [ticket]}
        return [Send((peer,), wire.Started(**self._running(ticket)))]

    def visitor_resumes(
        self, peer: int, visitor: str, ticket: str, handover: str, now: float
    ) -> list[Action]:
        """A page that goes on: the next one, or the same after a cut. It sends its own keyframe."""
        actions: list[Action] = []
        if self._visitor_peer is not None:
            actions.append(Shut(self._visitor_peer, Close.TAKEN_OVER))
        self._visitor_peer, self._page_is_new = peer, True
        self._replay.clear()  # of the old page; this one begins with its own keyframe
        # Until the new holder confirms, the old ticket stays good: its page may never have loaded.
        self._visitor_digest, self._handover = visitor, handover
        confirmed, *offered = self._tickets.get(visitor) or [ticket]
        self._tickets[visitor] = [confirmed, *offered[2 - _TICKETS_KEPT :], ticket]
        self._keyframe_wanted = False
        came = Change.VISITOR_CAME_TO_AGENTS if self.agents else Change.VISITOR_CAME_TO_NOBODY
        continued = wire.Continued(**self._running(ticket))
        actions += [Send((peer,), continued), *self._tell_agents()]
        return actions + self._change(came, now)

    def _running(self, ticket: str) -> _Running:
        return {
            "key": self.key,
            "ticket": f"{self.key}.{ticket}",
            "rules": self.rules,
            "away_s": self.limits.away_s,
            "handover": f"{self.key}.{self._handover}",
        }

    def visitor_confirms(self, peer: int, ticket: str) -> None:
        """The page has its new ticket: the older ones are worth nothing from now on."""
        secret = ticket.partition(".")[2]
        if peer == self._visitor_peer and secret in self._tickets[self._visitor_digest]:
            self._tickets[self._visitor_digest] = [secret]

    def page_changed(self, peer: int, page: wire.Page) -> list[Action]:
        """What page the visitor sees. Another address is a navigation, loaded or not."""
        if peer != self._visitor_peer:
            return []
        loaded, self._page_is_new = self._page_is_new, False
        moved = loaded or page.url != self.page.url
        self.page = page
        message = wire.Navigate(page, loaded) if moved else wire.PageChanged(page)
        return [Send(tuple(self.agents), message)]

    def visitor_says(self, peer: int, message: wire.Said) -> list[Action]:
        """A session message for the agents who are there."""
        if peer != self._visitor_peer:
            return []
        if not self.agents:
            return [Send((peer,), wire.Undelivered(message.name))]
        return [Send(tuple(self.agents), message)]

    def visitor_leaves(self, peer: int, now: float) -> list[Action]:
        """The visitor's socket is gone. A socket that was taken over before changes nothing."""
        if peer != self._visitor_peer:
            return []
        self._visitor_peer = None
        if not self.agents:
            self._replay.clear()
        return self._change(Change.VISITOR_LEFT, now)

    def frame(self, peer: int, frame: bytes, now: float) -> list[Action]:
        """A capture frame. Raises: Malformed."""
        if peer != self._visitor_peer or self.state is State.ENDED:
            return []
        keyframe = wire.is_keyframe(frame)
        self._replay.add(frame, keyframe=keyframe)
        if keyframe:
            self._keyframe_wanted = False
        actions: list[Action] = [Forward(tuple(self.agents), frame, keyframe)]
        # With no agent there is nobody to spare the wait; who joins asks for a keyframe then.
        if self.agents and self._replay.wants_keyframe:
            actions += self.needs_keyframe(now)
        return actions

    # -- agents ----------------------------------------------------------------------------------

    def agent_joins(self, peer: int, name: str, now: float) -> list[Action]:
        self.agents[peer] = name
        changed = self._change(Change.AGENT_CAME, now)
        actions: list[Action] = [
            Send((peer,), wire.Joined(self.key, self.state.value, self.page, self.person))
        ]
        if self._visitor_peer is not None:
            actions.append(Send((self._visitor_peer,), wire.AgentJoined(name)))
        actions += self._tell_agents()
        frames = self._replay.frames
        actions += [Forward((peer,), f, keyframe=i == 0) for i, f in enumerate(frames)]
        return actions + changed + ([] if frames else self.needs_keyframe(now))

    def agent_leaves(self, peer: int, now: float) -> list[Action]:
        if self.agents.pop(peer, None) is None:
            return []
        told = self._tell_agents()
        return told if self.agents else told + self._change(Change.LAST_AGENT_LEFT, now)

    def agent_says(self, peer: int, message: wire.Said) -> list[Action]:
        """A session message for the visitor."""
        if peer not in self.agents:
            return []
        if self._visitor_peer is None:
            return [Send((peer,), wire.Undelivered(message.name))]
        return [Send((self._visitor_peer,), message)]

    def _tell_agents(self) -> list[Action]:
        if self._visitor_peer is None:
            return []
        return [Send((self._visitor_peer,), wire.Agents(list(self.agents.values())))]

    # -- both ------------------------------------------------------------------------------------

    def needs_keyframe(self, now: float) -> list[Action]:
        """Ask the visitor for a keyframe, at most one per KEYFRAME_GAP_S; else remember to."""
        if self._visitor_peer is None:
            return []  # the page that comes next sends one by itself
        if now < self._keyframe_asked_at + KEYFRAME_GAP_S:
            self._keyframe_wanted = True
            return []
        self._keyframe_wanted, self._keyframe_asked_at = False, now
        return [Send((self._visitor_peer,), wire.SendKeyframe())]

    def end(self, reason: str, now: float) -> list[Action]:
        if self.state is State.ENDED:
            return []
        peers = [*self.agents, *([] if self._visitor_peer is None else [self._visitor_peer])]
        self._change(Change.END, now)
        return [
            Send(tuple(peers), wire.Ended(reason)),
            *(Shut(peer, Close.ENDED) for peer in peers),
        ]

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        waits_s = {State.WAITING: self.limits.waiting_s, State.AWAY: self.limits.away_s}
        if now - self._state_since >= waits_s.get(self.state, float("inf")):
            return self.end("timeout", now)
        return self.needs_keyframe(now) if self._keyframe_wanted else []

    def listed(self, now: float) -> wire.Listed:
        """The row of this session in a console."""
        return wire.Listed(
            key=self.key,
            state=self.state.value,
            age_s=round(now - self.began, 1),
            agents=len(self.agents),
            page=self.page,
            person=self.person,
        )

    def _change(self, change: Change, now: float) -> list[Action]:
        following = TRANSITIONS.get((self.state, change))
        if following is None:
            return []
        self.state, self._state_since = following, now
        return [Send(tuple(self.agents), wire.StateChanged(following.value))]
