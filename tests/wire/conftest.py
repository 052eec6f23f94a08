"""Servers that several tests share."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from relay.store import Store
from relay.store.memory import MemoryStore
from relay.store.sql import SqlStore
from tests.services import Service, running_postgres, running_redis


@pytest.fixture(scope="session")
def redis() -> Iterator[Service]:
    with running_redis() as service:
        yield service


@pytest.fixture(scope="session")
def postgres() -> Iterator[Service]:
    with running_postgres() as service:
        yield service


@pytest.fixture
def peers() -> Iterator[contextlib.ExitStack]:
    """Sockets that are closed when the test ends."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = SqlStore(f"sqlite:///{tmp_path}/sessions.db")
    else:
        service: Service = request.getfixturevalue("postgres")
        made = SqlStore(service.url)
    await made.open()
    await _empty(made)  # of what other tests' relays have left
    yield made
    await _empty(made)
    await made.close()


async def _empty(store: Store) -> None:
    await store.erase([r.saved.id async for r in store.find()])
    await store.expire(1e12)
