"""The two WebSocket endpoints, as plain ASGI: read, hand to the hub, write what the hub has."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection
from typing import Final, NoReturn

from starlette.types import Message, Receive, Scope, Send

from relay import auth, wire
from relay.errors import Close, Malformed, PeerError, Refused
from relay.hub import Hub, Peer
from relay.session import Session

logger = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 10.0
SEND_TIMEOUT_S: Final = 15.0


class _Gone(Exception):
    """The peer has closed its socket."""


class Socket:
    """One endpoint: subclasses say what the messages mean."""

    def __init__(self, hub: Hub, secret: bytes) -> None:
        self._hub, self._secret = hub, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if wire.SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.close", "code": Close.MALFORMED})
            return
        await send({"type": "websocket.accept", "subprotocol": wire.SUBPROTOCOL})
        peer = self._hub.add_peer()
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(scope, receive, peer), name="read")
                await self._write(peer, send)
                reading.cancel()
        finally:
            self._hub.remove_peer(peer)

    async def _read(self, scope: Scope, receive: Receive, peer: Peer) -> None:
        try:
            await self._converse(scope, receive, peer)
        except _Gone:
            peer.is_gone = True
            peer.wake()
        except Refused as refusal:
            self._hub.refuse(peer, refusal.close, refusal)
        except PeerError as error:
            self._hub.refuse(peer, error.close)
        except TimeoutError:
            self._hub.refuse(peer, Close.NO_HELLO)
        except Exception:
            logger.exception("a socket is closed after an error of ours")
            self._hub.refuse(peer, Close.FAULT)

    async def _write(self, peer: Peer, send: Send) -> None:
        # A peer that is gone makes send() raise; one that takes nothing makes it wait. Either way
        # the socket's task ends, and with it the peer's part in its session.
        with contextlib.suppress(OSError, TimeoutError):
            while (message := await peer.next_message()) is not None:
                kind = "text" if isinstance(message, str) else "bytes"
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "websocket.send", kind: message})
            if peer.close_code is not None:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "websocket.close", "code": int(peer.close_code)})

    async def _converse(self, scope: Scope, receive: Receive, peer: Peer) -> None:
        raise NotImplementedError

    async def _hello(self, receive: Receive) -> str:
        async with asyncio.timeout(HELLO_TIMEOUT_S):
            return _text(await _next(receive))


class VisitorSocket(Socket):
    """Start or resume, then capture frames and a few words."""

    async def _converse(self, scope: Scope, receive: Receive, peer: Peer) -> None:
        hello = wire.decode_from_visitor(await self._hello(receive))
        if not isinstance(hello, wire.Start | wire.Resume):
            raise Malformed("the first message must be start or resume")
        token = auth.read_visitor_token(hello.token, self._secret, time.time())
        if _header(scope, b"origin") != token.origin:
            raise Refused("token", "The token belongs to another site.")
        self._hub.spend_token(token)
        if isinstance(hello, wire.Start):
            session = self._hub.start(peer, hello, token)
        else:
            session = self._hub.resume(peer, hello, token)
        try:
            await self._follow(receive, peer, session)
        finally:
            self._hub.visitor_left(session, peer)

    async def _follow(self, receive: Receive, peer: Peer, session: Session) -> None:
        while True:
            message = await _next(receive)
            frame = message.get("bytes")
            if frame is not None:
                self._hub.frame(session, peer, frame)
                continue
            match wire.decode_from_visitor(_text(message)):
                case wire.Confirm(ticket):
                    self._hub.confirm(session, peer, ticket)
                case wire.PageChanged(page):
                    self._hub.page_changed(session, peer, page)
                case wire.Said() as said:
                    self._hub.visitor_says(session, peer, said)
                case wire.Stop():
                    self._hub.stop(session)
                case _:
                    raise Malformed("start and resume come first and only once")


class AgentSocket(Socket):
    """Join or watch; after that an agent listens, and may send session messages.

    Args: groups: ids of the groups whose agents may log in.
    """

    def __init__(self, hub: Hub, secret: bytes, groups: Collection[str]) -> None:
        super().__init__(hub, secret)
        self._groups = groups

    async def _converse(self, scope: Scope, receive: Receive, peer: Peer) -> None:
        hello = wire.decode_from_agent(await self._hello(receive))
        if isinstance(hello, wire.Said):
            raise Malformed("the first message must be join or watch")
        agent = auth.read_agent_token(hello.token, self._secret, time.time())
        if agent.group not in self._groups:
            raise Refused("login", "Agents of this group cannot log in.")
        match hello:
            case wire.Watch():
                self._hub.watch(peer, agent.group)
                await _next(receive)
                raise Malformed("a console only listens")
            case wire.Join(_, key):
                session = self._hub.join(peer, agent.group, key, agent.name or agent.user)
                try:
                    await self._follow(receive, peer, session)
                finally:
                    self._hub.agent_left(session, peer)

    async def _follow(self, receive: Receive, peer: Peer, session: Session) -> NoReturn:
        while True:
            said = wire.decode_from_agent(_text(await _next(receive)))
            if not isinstance(said, wire.Said):
                raise Malformed("join and watch come first and only once")
            self._hub.agent_says(session, peer, said)


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "websocket.disconnect":
        raise _Gone
    return message


def _text(message: Message) -> str:
    text = message.get("text")
    if not isinstance(text, str):
        raise Malformed("a control message must be text")
    return text


def _header(scope: Scope, name: bytes) -> str:
    values = [v for k, v in scope["headers"] if k == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""
