"""The two WebSocket endpoints, as plain ASGI: read, hand to the hub, write what the hub has."""

import asyncio
import contextlib
import logging
import time
from typing import Final, NoReturn
from urllib.parse import urlsplit

from starlette.types import Message, Receive, Scope, Send

from relay import auth, wire
from relay.broker import Broker, BrokerError
from relay.cluster import Seat
from relay.errors import Close, Malformed, PeerError, Refused, TooMuch
from relay.hub import Hub
from relay.limits import Allowance, Connections, network
from relay.logins import Logins
from relay.metrics import CLOSED, LATENCY, PEERS, REFUSED
from relay.peer import LocalPeer
from relay.protocol import FrameProtocol
from relay.session import Session
from relay.settings import LimitSettings

logger = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 10.0
# An agent's page sends a few words; a visitor's sends what happens on it.
AGENT_MESSAGES_PER_S: Final = 50.0
AGENT_BURST: Final = 200.0
# Past this, what an agent points at is not shown.
GESTURES_PER_S: Final = 40.0
GESTURE_FLOOD_PER_S: Final = 400.0
LONGEST_WAIT_S: Final = 5.0
# Closed in order: who goes so does not come back.
_LEFT: Final = frozenset({1000, 1001})


class _Gone(Exception):
    """The peer's socket is closed. lost: cut, so that it may come back."""

    def __init__(self, lost: bool) -> None:
        self.lost = lost


class Socket:
    """One endpoint: subclasses say what the messages mean."""

    kind = ""

    def __init__(
        self, hub: Hub, secret: bytes, limits: LimitSettings, connections: Connections
    ) -> None:
        self._hub, self._secret = hub, secret
        self._limits, self._connections = limits, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        address = _address(scope)
        if wire.SUBPROTOCOL not in scope["subprotocols"] or self._hub.is_draining:
            await send({"type": "websocket.close", "code": int(Close.MALFORMED)})
            return
        try:
            self._connections.add(address)
        except TooMuch as error:
            CLOSED.labels(error.close.name.lower()).inc()
            # Accepted first: a browser tells a page no more than 1006 of a refused upgrade.
            await send({"type": "websocket.accept", "subprotocol": wire.SUBPROTOCOL})
            await send({"type": "websocket.close", "code": int(error.close)})
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": wire.SUBPROTOCOL})
            await self._serve(scope, receive, send)
        finally:
            self._connections.remove(address)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = self._hub.add_peer()
        if (protocol := FrameProtocol.of(receive)) is not None:
            peer.write = protocol.write_frame
        PEERS.labels(self.kind).inc()
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(scope, receive, peer), name="read")
                writing = tasks.create_task(self._write(peer, send), name="write")
                writing.add_done_callback(lambda _: reading.cancel())
                peer.cut = writing.cancel
        finally:
            PEERS.labels(self.kind).dec()
            self._hub.remove_peer(peer)

    async def _read(self, scope: Scope, receive: Receive, peer: LocalPeer) -> None:
        try:
            await self._converse(scope, receive, peer)
        except _Gone:
            peer.gone()
        except Refused as refusal:
            REFUSED.labels(refusal.code).inc()
            peer.shut(refusal.close, refusal)
        except PeerError as error:
            peer.shut(error.close)
        except TimeoutError:
            peer.shut(Close.NO_HELLO)
        except Exception:
            logger.exception("a socket is closed after an error of ours")
            peer.shut(Close.FAULT)

    async def _write(self, peer: LocalPeer, send: Send) -> None:
        # A peer that is gone makes send() raise; one that takes nothing makes it wait, until it is
        # cut. Either way the socket's tasks end, and with them the peer's part in its session.
        with contextlib.suppress(OSError):
            while (message := await peer.next_message()) is not None:
                kind = "text" if isinstance(message, str) else "bytes"
                peer.is_sending, peer.sending_since = True, time.monotonic()
                await send({"type": "websocket.send", kind: message})
                peer.is_sending = False
                if peer.probe is not None and peer.probe[0] is message:
                    LATENCY.observe(time.perf_counter() - peer.probe[1])
                    peer.probe = None
            if peer.close_code is not None:
                CLOSED.labels(peer.close_code.name.lower()).inc()
                peer.is_sending, peer.sending_since = True, time.monotonic()
                await send({"type": "websocket.close", "code": int(peer.close_code)})

    async def _converse(self, scope: Scope, receive: Receive, peer: LocalPeer) -> None:
        raise NotImplementedError

    async def _hello(self, receive: Receive) -> str:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            return _text(await _next(receive))


class VisitorSocket(Socket):
    """Start or resume, then capture frames and a few words."""

    kind = "visitor"

    def __init__(
        self,
        hub: Hub,
        secret: bytes,
        limits: LimitSettings,
        connections: Connections,
        broker: Broker,
    ) -> None:
        super().__init__(hub, secret, limits, connections)
        self._broker = broker

    async def _converse(self, scope: Scope, receive: Receive, peer: LocalPeer) -> None:
        hello = wire.decode_from_visitor(await self._hello(receive))
        if not isinstance(hello, wire.Start | wire.Resume):
            raise Malformed("the first message must be start or resume")
        token = auth.read_visitor_token(hello.token, self._secret, time.time())
        if _header(scope, b"origin") != token.origin:
            raise Refused("token", "The token belongs to another site.")
        if not await self._is_fresh(token):
            raise Refused("token", "The token was used before.")
        if isinstance(hello, wire.Start):
            session = await self._hub.start(peer, hello, token, network(_address(scope)))
        else:
            session = await self._hub.resume(peer, hello, token)
        try:
            await self._follow(receive, peer, session)
        finally:
            self._hub.visitor_left(session, peer)

    async def _is_fresh(self, token: auth.VisitorToken) -> bool:
        lifetime_s = max(1, token.exp - int(time.time()) + 1)
        try:
            return await self._broker.spend(token.jti, lifetime_s)
        except BrokerError:
            # It lives a minute and is worth nothing in another browser or on another site: visitors
            # may go on while the relays cannot ask each other.
            return True

    async def _follow(self, receive: Receive, peer: LocalPeer, session: Session) -> None:
        limits, now = self._limits, time.monotonic()
        messages = Allowance(limits.messages_per_s, 2 * limits.messages_per_s, now)
        size = Allowance(limits.bytes_per_s, 8 * limits.bytes_per_s, now)

        def wait_s(length: int) -> float:
            # Not read, it waits at the visitor, where capture gathers what happens meanwhile.
            now = time.monotonic()
            return min(LONGEST_WAIT_S, max(messages.take(1, now), size.take(length, now)))

        def take(frame: bytes) -> float:
            try:
                self._hub.frame(session, peer, frame)
            except PeerError as error:
                peer.shut(error.close)
            except Exception:
                logger.exception("a socket is closed after an error of ours")
                peer.shut(Close.FAULT)
            return wait_s(len(frame))

        if (protocol := FrameProtocol.of(receive)) is not None:
            protocol.take_frames(take)
        while True:
            message = await _next(receive)
            frame = message.get("bytes")
            if frame is not None:
                waits_s = take(frame)
            else:
                text = _text(message)
                self._hub.hear_visitor(session, peer, wire.decode_from_visitor(text))
                waits_s = wait_s(len(text))
            if waits_s:
                await asyncio.sleep(waits_s)


class AgentSocket(Socket):
    """Join or watch; after that an agent listens, and may send session messages.

    Args: own_url: where agents reach the relay; "" where any address will do.
    """

    kind = "agent"

    def __init__(
        self,
        hub: Hub,
        secret: bytes,
        limits: LimitSettings,
        connections: Connections,
        logins: Logins,
        own_url: str,
    ) -> None:
        super().__init__(hub, secret, limits, connections)
        self._logins, self._own_url = logins, own_url

    async def _converse(self, scope: Scope, receive: Receive, peer: LocalPeer) -> None:
        # Browsers always say where a page is from; programs have no page that could be a trap.
        origin = _header(scope, b"origin")
        own = {_host(self._own_url), _header(scope, b"host").lower()}
        if origin and _host(origin) not in own:
            raise Refused("origin", "Agents connect from the relay's own pages.")
        hello = wire.decode_from_agent(await self._hello(receive))
        if not isinstance(hello, wire.Join | wire.Watch):
            raise Malformed("the first message must be join or watch")
        agent = auth.read_agent_token(hello.token, self._secret, time.time())
        self._logins.admit(agent.group, agent.user)
        if isinstance(hello, wire.Watch):
            self._hub.watch(peer, agent.group)
            await _next(receive)
            raise Malformed("a console only listens")
        place = (agent.group, hello.key)
        # Two agents are two, whatever they say of their ends, and visitors learn nothing of it.
        end = auth.end_of(agent, hello.end, self._secret)
        if (protocol := FrameProtocol.of(receive)) is not None:
            protocol.forget_handshake()
        seat = Seat(peer, place, end, agent.user, agent.name or agent.user)
        lost = True
        try:
            await self._hub.join(seat, waits=hello.wait)
            await self._follow(receive, seat)
        except _Gone as gone:
            lost = gone.lost
            raise
        finally:
            self._hub.agent_left(seat, lost=lost)

    async def _follow(self, receive: Receive, seat: Seat) -> NoReturn:
        now = time.monotonic()
        messages = Allowance(AGENT_MESSAGES_PER_S, AGENT_BURST, now)
        gestures = Allowance(GESTURES_PER_S, GESTURES_PER_S, now)
        floods = Allowance(GESTURE_FLOOD_PER_S, GESTURE_FLOOD_PER_S, now)
        while True:
            message = wire.decode_from_agent(_text(await _next(receive)))
            if not isinstance(message, wire.FromSeat):
                raise Malformed("join and watch come first and only once")
            if isinstance(message, wire.Gesture):
                now = time.monotonic()
                if floods.take(1, now):
                    raise TooMuch
                if gestures.spare(1, now):
                    self._hub.hear_agent(seat, message)
                continue
            if messages.take(1, time.monotonic()):
                raise TooMuch
            self._hub.hear_agent(seat, message)


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "websocket.disconnect":
        raise _Gone(lost=message.get("code") not in _LEFT)
    return message


def _text(message: Message) -> str:
    text = message.get("text")
    if not isinstance(text, str):
        raise Malformed("a control message must be text")
    return text


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _header(scope: Scope, name: bytes) -> str:
    values = [v for k, v in scope["headers"] if k == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
