"""Servers that several tests share."""

import contextlib
from collections.abc import Iterator

import pytest

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
