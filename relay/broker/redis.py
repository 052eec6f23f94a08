"""Several relays that share one Redis or Valkey."""

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from relay.broker import BrokerError, Place

logger = logging.getLogger(__name__)

PREFIX: Final = "cobrowse:"
# A relay that gives no sign of life for so long is taken for dead, and its sessions are free.
PRESENCE_S: Final = 3.0
PRESENCE_EVERY_S: Final = 0.75
ASK_TIMEOUT_S: Final = 2.0
SILENCE_S: Final = 5.0
RETRY_S: Final = 0.25
# What is said in this time goes in one message: to say it costs more than to carry it.
GATHER_S: Final = 0.002
# What waits for Redis; past it the oldest goes, and reset() is called when Redis is back.
BACKLOG_CAP_BYTES: Final = 16 * 1024 * 1024

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode

# Owned by whom: by ARGV[1] now, if by nobody or by a relay without a presence.
_CLAIM: Final = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and redis.call('EXISTS', ARGV[2] .. owner) == 1 then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
return ARGV[1]
"""
# Given to ARGV[2], or to nobody, if it is ARGV[1]'s.
_GIVE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
return 1
"""
_OWNED_S: Final = 86_400


class RedisBroker:
    """Args: url: redis://[user:password@]host[:port][/db], or rediss://."""

    is_shared = True

    def __init__(self, url: str) -> None:
        self.relay = secrets.token_hex(8)
        options: dict[str, Any] = {
            "socket_connect_timeout": ASK_TIMEOUT_S,
            "socket_keepalive": True,
            "protocol": 2,
        }
        self._redis = redis.asyncio.from_url(url, socket_timeout=ASK_TIMEOUT_S, **options)
        # Listening waits for as long as nobody says anything.
        self._listener = redis.asyncio.from_url(url, socket_timeout=None, **options)
        self._claim = self._redis.register_script(_CLAIM)
        self._give = self._redis.register_script(_GIVE)
        self._outgoing: list[tuple[str, bytes]] = []
        self._outgoing_bytes = 0
        self._heard_at = 0.0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._was_lost = False
        self._reset: Callable[[], None] = lambda: None

    async def open(self, deliver: Callable[[bytes], None], reset: Callable[[], None]) -> None:
        self._reset = reset
        async with _asking():
            await self._tell_presence()
        listening = asyncio.Event()
        for name, work in (
            ("broker presence", self._keep_presence()),
            ("broker sending", self._send_what_waits()),
            ("broker listening", self._listen(deliver, listening)),
        ):
            self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))
        async with asyncio.timeout(ASK_TIMEOUT_S):
            await listening.wait()

    async def close(self) -> None:
        await self._flush_once()
        await end(self._tasks)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._redis.delete(f"{PREFIX}relay:{self.relay}")
        await self._redis.aclose()
        await self._listener.aclose()

    # -- saying something ------------------------------------------------------------------------

    def send(self, relay: str, message: bytes) -> None:
        self._put(f"{PREFIX}to:{relay}", message)

    def send_all(self, message: bytes) -> None:
        self._put(f"{PREFIX}all", message)

    def _put(self, channel: str, message: bytes) -> None:
        if self._outgoing_bytes > BACKLOG_CAP_BYTES:
            self._lose()
        self._outgoing.append((channel, message))
        self._outgoing_bytes += len(message)
        self._wake.set()

    def _lose(self) -> None:
        self._outgoing.clear()
        self._outgoing_bytes = 0
        self._was_lost = True

    async def _send_what_waits(self) -> None:
        """One message to Redis for all that has gathered for one relay meanwhile."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            if not await self._flush_once():
                self._was_lost = True
                await asyncio.sleep(RETRY_S)

    async def _flush_once(self) -> bool:
        outgoing, self._outgoing = self._outgoing, []
        self._outgoing_bytes = 0
        if not outgoing:
            return True
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                # In their order, also across channels.
                for channel, run in itertools.groupby(outgoing, key=lambda item: item[0]):
                    messages = [message for _, message in run]
                    pipeline.publish(channel, _encode([self.relay.encode(), *messages]))
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def _listen(self, deliver: Callable[[bytes], None], listening: asyncio.Event) -> None:
        own = self.relay.encode()
        while True:
            try:
                async with self._listener.pubsub(ignore_subscribe_messages=False) as channel:
                    await channel.subscribe(f"{PREFIX}to:{self.relay}", f"{PREFIX}all")
                    if listening.is_set() or self._was_lost:
                        self._was_lost = False
                        self._reset()
                    async for item in channel.listen():
                        self._heard_at = time.monotonic()
                        if item["type"] == "subscribe":
                            listening.set()
                        elif item["type"] == "message":
                            sender, *messages = _decode(item["data"])
                            if sender != own:
                                for message in messages:
                                    deliver(message)
            except (RedisError, OSError, TimeoutError, msgspec.MsgspecError) as error:
                logger.warning("the broker is gone: %s", type(error).__name__)
                self._was_lost = True
            await asyncio.sleep(RETRY_S)

    # -- owning ----------------------------------------------------------------------------------

    async def claim(self, place: Place) -> str:
        async with _asking():
            owner = await self._claim(
                keys=[_owner_key(place)], args=[self.relay, f"{PREFIX}relay:", _OWNED_S]
            )
            return owner.decode() if isinstance(owner, bytes) else str(owner)

    async def owner(self, place: Place) -> str:
        async with _asking():
            owner = await self._redis.get(_owner_key(place))
            if owner is None:
                return ""
            name = owner.decode() if isinstance(owner, bytes) else str(owner)
            return name if await self._redis.exists(f"{PREFIX}relay:{name}") else ""

    async def give(self, place: Place, relay: str) -> None:
        async with _asking():
            await self._give(keys=[_owner_key(place)], args=[self.relay, relay, _OWNED_S])

    async def alive(self) -> set[str]:
        async with _asking():
            start = f"{PREFIX}relay:"
            names = [key async for key in self._redis.scan_iter(match=f"{start}*", count=1000)]
            return {name.decode().removeprefix(start) for name in names}

    async def _tell_presence(self) -> None:
        await self._redis.set(f"{PREFIX}relay:{self.relay}", "1", px=int(PRESENCE_S * 1000))

    async def _keep_presence(self) -> None:
        told_at = time.monotonic()
        while True:
            await asyncio.sleep(PRESENCE_EVERY_S)
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                await self._tell_presence()
                # To ourselves, so that a line that is dead without telling is found.
                await self._redis.publish(f"{PREFIX}to:{self.relay}", _encode([b""]))
                now = time.monotonic()
                if self._was_lost or now - told_at > PRESENCE_S:
                    # Stopped for so long, this relay has been taken for dead.
                    self._was_lost = False
                    self._reset()
                told_at = now
                if now - self._heard_at > SILENCE_S:
                    await self._listener.connection_pool.disconnect()
                    self._heard_at = now

    async def spend(self, token_id: str, lifetime_s: int) -> bool:
        async with _asking():
            name = f"{PREFIX}token:{token_id}"
            return bool(await self._redis.set(name, "1", nx=True, ex=lifetime_s))

    async def check(self) -> None:
        async with _asking():
            await self._redis.ping()


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks that ask Redis, until they have ended."""
    pending = set(tasks)
    while pending:
        # Again and again: redis-py takes a cancellation for a timeout of its own now and then.
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)


def _owner_key(place: Place) -> str:
    return f"{PREFIX}owner:{place[0]}:{place[1]}"


@contextlib.asynccontextmanager
async def _asking() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise BrokerError(type(error).__name__) from error
