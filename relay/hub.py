"""All sessions of this relay, and the peers that take part: runs what the pure rules decide."""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from relay import wire
from relay.auth import VisitorToken
from relay.errors import Close, Refused
from relay.outbox import Outbox
from relay.session import Action, Forward, Limits, Send, Session, Shut, State

RANDOM_KEY_DIGITS: Final = 7
SWEEP_S: Final = 1.0
ANNOUNCE_S: Final = 0.25
# One browser has one session; a few more for tabs that start anew before the old one has ended.
MAX_SESSIONS_PER_VISITOR: Final = 3
MAX_SESSIONS: Final = 10_000


class Peer:
    """One socket, as the hub sees it: an outbox, and the wish to be closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.outbox = Outbox()
        self.close_code: Close | None = None
        self.is_gone = False
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def next_message(self) -> str | bytes | None:
        """What to send next; None when the peer is gone or to be closed with close_code."""
        while not (self.is_gone or self.outbox.stuck):
            message = self.outbox.pop()
            if message is not None:
                return message
            if self.close_code is not None:
                return None
            self._wake.clear()
            await self._wake.wait()
        return None


class Hub:
    """The sessions by group and key, and who is connected to them.

    Args: limits: how long sessions wait, rules: what agents must not see; by group.
    """

    def __init__(
        self,
        limits: Mapping[str, Limits] | None = None,
        rules: Mapping[str, wire.Rules] | None = None,
    ) -> None:
        self._limits = limits or {}
        self._rules = rules or {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self._peers: dict[int, Peer] = {}
        self._watchers: defaultdict[str, set[int]] = defaultdict(set)
        self._changed: set[str] = set()
        self._used_tokens: dict[str, int] = {}
        self._next_peer = 0

    # -- peers -----------------------------------------------------------------------------------

    def add_peer(self) -> Peer:
        self._next_peer += 1
        peer = self._peers[self._next_peer] = Peer(self._next_peer)
        return peer

    def remove_peer(self, peer: Peer) -> None:
        self._peers.pop(peer.number, None)
        for watchers in self._watchers.values():
            watchers.discard(peer.number)

    def refuse(self, peer: Peer, code: Close, refusal: Refused | None = None) -> None:
        """Tell a peer why, when there is more to say than the close code does, and close it."""
        if refusal is not None:
            peer.outbox.push(wire.encode(wire.RefusedMessage(refusal.code, refusal.message)))
        peer.close_code = code
        peer.wake()

    def close_all(self) -> None:
        for peer in self._peers.values():
            self.refuse(peer, Close.RESTARTING)

    # -- visitors --------------------------------------------------------------------------------

    def spend_token(self, token: VisitorToken) -> None:
        """Take a token once. Raises: Refused the second time."""
        now = time.time()
        if token.jti in self._used_tokens:
            raise Refused("token", "The token was used before.")
        self._used_tokens[token.jti] = token.exp
        if len(self._used_tokens) % 1024 == 0:
            self._used_tokens = {j: exp for j, exp in self._used_tokens.items() if exp > now}

    def start(self, peer: Peer, hello: wire.Start, token: VisitorToken) -> Session:
        """A new session. Raises: Refused where the key is somebody else's."""
        now = time.monotonic()
        person = _merged(hello.person, token.identity)
        key = hello.key or self._random_key(token.group)
        session = self._sessions.get((token.group, key))
        if session is not None:
            if not session.knows(token.visitor):
                raise Refused("dupkey", f"Another session with the key {key} is running.")
            self._run(session, self._resumed(session, peer, token))
            return session
        own = sum(s.knows(token.visitor) for s in self._sessions.values())
        if own >= MAX_SESSIONS_PER_VISITOR or len(self._sessions) >= MAX_SESSIONS:
            raise Refused("limit", "Too many sessions are running.")
        rules = self._rules.get(token.group, wire.Rules())
        limits = self._limits.get(token.group, Limits())
        session = Session(token.group, key, token.visitor, person, now, limits, rules)
        self._sessions[token.group, key] = session
        ticket, handover = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self._run(session, session.visitor_starts(peer.number, ticket, handover))
        return session

    def resume(self, peer: Peer, hello: wire.Resume, token: VisitorToken) -> Session:
        """Go on with a session. Raises: Refused."""
        key, _, secret = hello.ticket.partition(".")
        session = self._sessions.get((token.group, key))
        if session is None or not session.accepts(token.visitor, secret):
            raise Refused("ticket", "The session is over.")
        self._run(session, self._resumed(session, peer, token))
        return session

    @staticmethod
    def _resumed(session: Session, peer: Peer, token: VisitorToken) -> list[Action]:
        ticket, handover = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        now = time.monotonic()
        return session.visitor_resumes(peer.number, token.visitor, ticket, handover, now)

    def frame(self, session: Session, peer: Peer, frame: bytes) -> None:
        """Raises: Malformed."""
        for action in session.frame(peer.number, frame, time.monotonic()):
            self._do(session, action)

    def confirm(self, session: Session, peer: Peer, ticket: str) -> None:
        session.visitor_confirms(peer.number, ticket)

    def page_changed(self, session: Session, peer: Peer, page: wire.Page) -> None:
        self._run(session, session.page_changed(peer.number, page))

    def visitor_says(self, session: Session, peer: Peer, message: wire.Said) -> None:
        self._run(session, session.visitor_says(peer.number, message))

    def stop(self, session: Session) -> None:
        self._run(session, session.end("visitor", time.monotonic()))

    def visitor_left(self, session: Session, peer: Peer) -> None:
        self._run(session, session.visitor_leaves(peer.number, time.monotonic()))

    # -- agents ----------------------------------------------------------------------------------

    def join(self, peer: Peer, group: str, key: str, name: str) -> Session:
        """Raises: Refused. That a key of another group exists is never told."""
        session = self._sessions.get((group, key))
        if session is None:
            raise Refused("nosession", f"There is no session with the key {key}.")
        self._run(session, session.agent_joins(peer.number, name, time.monotonic()))
        return session

    def agent_says(self, session: Session, peer: Peer, message: wire.Said) -> None:
        self._run(session, session.agent_says(peer.number, message))

    def agent_left(self, session: Session, peer: Peer) -> None:
        self._run(session, session.agent_leaves(peer.number, time.monotonic()))

    def watch(self, peer: Peer, group: str) -> None:
        self._watchers[group].add(peer.number)
        self._tell(peer.number, self._sessions_of(group))

    # -- time ------------------------------------------------------------------------------------

    async def announce(self) -> None:
        """Tell consoles what has changed, a few times a second at most, until cancelled."""
        while True:
            await asyncio.sleep(ANNOUNCE_S)
            groups, self._changed = self._changed, set()
            for group in groups & self._watchers.keys():
                listed = self._sessions_of(group)
                for number in self._watchers[group]:
                    self._tell(number, listed)

    async def sweep(self) -> None:
        """Let time pass for every session, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for session in list(self._sessions.values()):
                if actions := session.tick(now):
                    self._run(session, actions)

    # -- running actions -------------------------------------------------------------------------

    def _run(self, session: Session, actions: Iterable[Action]) -> None:
        for action in actions:
            self._do(session, action)
        place = (session.group, session.key)
        # The key may be another session's by now: an agent can outlive the one it was in.
        if session.state is State.ENDED and self._sessions.get(place) is session:
            del self._sessions[place]
        self._changed.add(session.group)

    def _do(self, session: Session, action: Action) -> None:
        match action:
            case Forward(peers, frame, keyframe):
                lost = False
                for number in peers:
                    if peer := self._peers.get(number):
                        lost |= not peer.outbox.push_frame(frame, keyframe=keyframe)
                        self._wake(peer)
                if lost:
                    for wish in session.needs_keyframe(time.monotonic()):
                        self._do(session, wish)
            case Send(peers, message):
                for number in peers:
                    self._tell(number, message)
            case Shut(number, code):
                if peer := self._peers.get(number):
                    self.refuse(peer, code)

    def _tell(self, number: int, message: wire.ToPeer) -> None:
        if peer := self._peers.get(number):
            peer.outbox.push(wire.encode(message))
            self._wake(peer)

    def _wake(self, peer: Peer) -> None:
        if peer.outbox.stuck:
            peer.close_code = Close.TOO_SLOW
        peer.wake()

    def _sessions_of(self, group: str) -> wire.Sessions:
        now = time.monotonic()
        return wire.Sessions([s.listed(now) for (g, _), s in self._sessions.items() if g == group])

    def _random_key(self, group: str) -> str:
        while True:
            # No leading zero: people read the key aloud and type it into number fields.
            low = 10 ** (RANDOM_KEY_DIGITS - 1)
            key = str(low + secrets.randbelow(9 * low))
            if (group, key) not in self._sessions:
                return key


def _merged(page: wire.Person, cookies: wire.Person) -> wire.Person:
    """What the page said at the start, and for what it left out the site's cookies."""
    said = {name: v for name, v in msgspec.structs.asdict(page).items() if v}
    return wire.Person(**{**msgspec.structs.asdict(cookies), **said})
