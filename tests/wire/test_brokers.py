"""Every broker does the same: one suite over both, and what only a shared one can do."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.broker import Broker, BrokerError
from relay.broker.memory import MemoryBroker
from relay.broker.redis import PRESENCE_S, RedisBroker
from tests.services import Service, running_redis

PLACE = ("12", "KEY")


class Ear:
    """What a broker delivers."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.resets = 0

    def hear(self, message: bytes) -> None:
        self.heard.append(message)

    def reset(self) -> None:
        self.resets += 1

    async def until(self, count: int) -> list[bytes]:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                await asyncio.sleep(0.005)
        return self.heard


async def opened(broker: Broker) -> tuple[Broker, Ear]:
    ear = Ear()
    await broker.open(ear.hear, ear.reset)
    return broker, ear


@pytest.fixture(params=["memory", "redis"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    made: Broker = MemoryBroker()
    if request.param == "redis":
        service: Service = request.getfixturevalue("redis")
        made = RedisBroker(service.url)
    await opened(made)
    yield made
    await made.give(PLACE, "")
    await made.close()


async def test_owning(broker: Broker) -> None:
    assert await broker.owner(PLACE) == ""
    assert await broker.claim(PLACE) == broker.relay
    assert await broker.claim(PLACE) == broker.relay
    assert await broker.owner(PLACE) == broker.relay
    await broker.give(PLACE, "")
    assert await broker.owner(PLACE) == ""
    assert broker.relay in await broker.alive()
    await broker.check()


async def test_a_token_counts_once(broker: Broker) -> None:
    assert await broker.spend("token-1", 60)
    assert not await broker.spend("token-1", 60)
    tries = [broker.spend("token-2", 60) for _ in range(20)]
    assert sum(await asyncio.gather(*tries)) == 1


@pytest.fixture
async def two(redis: Service) -> AsyncIterator[tuple[Broker, Ear, Broker, Ear]]:
    (a, ear_a), (b, ear_b) = (
        await opened(RedisBroker(redis.url)),
        await opened(RedisBroker(redis.url)),
    )
    yield a, ear_a, b, ear_b
    await a.give(PLACE, "")
    await b.give(PLACE, "")
    await a.close()
    await b.close()


async def test_messages_come_in_order_and_only_where_they_should(
    two: tuple[Broker, Ear, Broker, Ear],
) -> None:
    a, ear_a, b, ear_b = two
    messages = [bytes([n % 256]) * (n + 1) for n in range(500)]
    for message in messages:
        a.send(b.relay, message)
    a.send_all(b"to all")
    assert await ear_b.until(501) == [*messages, b"to all"]
    b.send(a.relay, b"back")
    assert await ear_a.until(1) == [b"back"]


async def test_a_session_has_one_owner_who_alone_gives_it_away(
    two: tuple[Broker, Ear, Broker, Ear],
) -> None:
    a, _, b, _ = two
    owners = await asyncio.gather(*(broker.claim(PLACE) for broker in (a, b) * 5))
    assert len(set(owners)) == 1
    owner, other = (a, b) if owners[0] == a.relay else (b, a)
    await other.give(PLACE, other.relay)
    assert await other.owner(PLACE) == owner.relay
    await owner.give(PLACE, other.relay)
    assert await owner.claim(PLACE) == other.relay


async def test_the_sessions_of_a_relay_that_is_gone_are_free(
    two: tuple[Broker, Ear, Broker, Ear], redis: Service
) -> None:
    a, _, b, _ = two
    third, _ = await opened(RedisBroker(redis.url))
    assert await third.claim(PLACE) == third.relay
    assert await a.claim(PLACE) == third.relay
    await third.close()
    assert await a.owner(PLACE) == ""
    assert await a.claim(PLACE) == a.relay
    assert await a.alive() == {a.relay, b.relay}


async def test_a_broker_that_goes_and_comes_back() -> None:
    with running_redis() as service:
        a, ear_a = await opened(RedisBroker(service.url))
        b, ear_b = await opened(RedisBroker(service.url))
        service.stop()
        with pytest.raises(BrokerError):
            await a.claim(PLACE)
        a.send(b.relay, b"lost")
        service.start()
        async with asyncio.timeout(PRESENCE_S + 10):
            while not (ear_a.resets and ear_b.resets):
                await asyncio.sleep(0.02)
            while await a.alive() != {a.relay, b.relay}:
                await asyncio.sleep(0.02)
        a.send(b.relay, b"found")
        assert (await ear_b.until(1))[-1] == b"found"
        await a.close()
        await b.close()


async def test_a_broker_that_says_nothing() -> None:
    with running_redis() as service:
        a, _ = await opened(RedisBroker(service.url))
        service.freeze()
        with pytest.raises(BrokerError):
            await a.owner(PLACE)
        service.thaw()
        async with asyncio.timeout(10):
            while True:
                try:
                    await a.check()
                    break
                except BrokerError:
                    await asyncio.sleep(0.05)
        await a.close()


async def test_what_waits_for_the_broker_is_capped() -> None:
    with running_redis() as service:
        a, ear = await opened(RedisBroker(service.url))
        service.stop()
        for _ in range(64):
            a.send("nobody", b"x" * 1024 * 1024)
        assert isinstance(a, RedisBroker)
        assert a._outgoing_bytes <= 17 * 1024 * 1024
        service.start()
        async with asyncio.timeout(10):
            while not ear.resets:
                await asyncio.sleep(0.02)
        await a.close()
