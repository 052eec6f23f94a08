"""One relay by itself."""

import secrets
import time
from collections.abc import Callable

from relay.broker import Place


class MemoryBroker:
    is_shared = False

    def __init__(self) -> None:
        self.relay = secrets.token_hex(8)
        self._owned: set[Place] = set()
        self._spent: dict[str, float] = {}

    async def open(self, deliver: Callable[[bytes], None], reset: Callable[[], None]) -> None:
        pass

    async def close(self) -> None:
        pass

    def send(self, relay: str, message: bytes) -> None:
        pass

    def send_all(self, message: bytes) -> None:
        pass

    async def claim(self, place: Place) -> str:
        self._owned.add(place)
        return self.relay

    async def owner(self, place: Place) -> str:
        return self.relay if place in self._owned else ""

    async def give(self, place: Place, relay: str) -> None:
        self._owned.discard(place)

    async def alive(self) -> set[str]:
        return {self.relay}

    async def spend(self, token_id: str, lifetime_s: int) -> bool:
        now = time.monotonic()
        if token_id in self._spent:
            return False
        if len(self._spent) % 1024 == 1023:
            self._spent = {t: until for t, until in self._spent.items() if until > now}
        self._spent[token_id] = now + lifetime_s
        return True

    async def check(self) -> None:
        pass
