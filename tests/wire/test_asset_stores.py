"""Every asset store does the same: one suite over both."""

from collections.abc import AsyncIterator

import pytest

from relay.assets import Asset, AssetError, AssetStore
from relay.assets.memory import MemoryAssets
from relay.assets.redis import RedisAssets
from tests.services import Service

CAP_BYTES = 100_000
PNG = Asset("image/png", b"\x89PNG")


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[AssetStore]:
    made: AssetStore = MemoryAssets(session_cap_bytes=CAP_BYTES)
    if request.param == "redis":
        service: Service = request.getfixturevalue("redis")
        made = RedisAssets(service.url, CAP_BYTES)
    yield made
    await made.drop("one")
    await made.drop("two")
    await made.close()


async def test_files_are_kept_by_session_and_id(store: AssetStore) -> None:
    assert await store.put("one", "a", PNG)
    assert await store.put("two", "a", Asset("text/css", b"two"))
    assert await store.get("one", "a") == PNG
    assert await store.get("one", "b") is None
    assert await store.missing("one", ["a", "b", "c"]) == ["b", "c"]
    assert await store.missing("one", []) == []
    await store.drop("one")
    assert await store.get("one", "a") is None
    assert await store.get("two", "a") == Asset("text/css", b"two")


async def test_the_newest_takes_the_place_of_the_older(store: AssetStore) -> None:
    await store.put("one", "a", Asset("image/png", None))
    assert await store.get("one", "a") == Asset("image/png", None)
    await store.put("one", "a", PNG)
    assert await store.get("one", "a") == PNG


async def test_a_session_has_only_so_much_room(store: AssetStore) -> None:
    large = Asset("image/png", bytes(60_000))
    assert await store.put("one", "a", large)
    assert not await store.put("one", "b", large)
    assert await store.get("one", "b") is None
    for _ in range(10):
        assert await store.put("one", "a", large)  # in the place of itself
    assert await store.put("two", "b", large)
    assert await store.put("one", "b", PNG)


async def test_in_memory_all_sessions_have_only_so_much() -> None:
    store = MemoryAssets(cap_bytes=200_000, session_cap_bytes=CAP_BYTES)
    for session in ("one", "two", "three"):
        assert await store.put(session, "a", Asset("image/png", bytes(90_000)))
    assert [await store.get(session, "a") is None for session in ("one", "two", "three")] == [
        True,
        False,
        False,
    ]


async def test_a_redis_that_is_away_is_an_error() -> None:
    store = RedisAssets("redis://127.0.0.1:1")
    for asking in (store.put("one", "a", PNG), store.get("one", "a"), store.drop("one")):
        with pytest.raises(AssetError):
            await asking
    await store.close()
