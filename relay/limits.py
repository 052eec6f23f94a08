"""How much one peer, or one address, may ask of the relay. Pure: the clock is an argument."""

import ipaddress
from typing import Final

from relay.errors import TooMuch

FORGET_S: Final = 3600.0
MAX_ADDRESSES: Final = 50_000
FIRST_DELAY_S: Final = 0.25
LAST_DELAY_S: Final = 8.0


class Allowance:
    """So much at once, and so much in each second after that (a token bucket)."""

    __slots__ = ("_at", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._left, self._at = burst, now

    def take(self, amount: float, now: float) -> float:
        """Use some of it. Returns how long to wait before more is asked, in seconds; 0 for none."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - amount
        self._at = now
        return 0.0 if self._left >= 0 else -self._left / self._per_s

    def spare(self, amount: float, now: float) -> bool:
        """Use some of it if there is enough left; whether there was."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < amount:
            return False
        self._left -= amount
        return True


class Connections:
    """Sockets that are open, in all and from one address."""

    def __init__(self, most: int, most_from_one: int) -> None:
        self._most, self._most_from_one = most, most_from_one
        self._by_address: dict[str, int] = {}
        self._open = 0

    def __len__(self) -> int:
        return self._open

    def add(self, address: str) -> None:
        """Raises: TooMuch."""
        address = network(address)
        count = self._by_address.get(address, 0)
        if self._open >= self._most or count >= self._most_from_one:
            raise TooMuch
        self._by_address[address] = count + 1
        self._open += 1

    def remove(self, address: str) -> None:
        address = network(address)
        self._open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class WrongKeys:
    """Credentials that were wrong, by address: each makes the next answer wait longer.

    A try counts as wrong from the moment it is made, so that many at once are not better off.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tries: dict[str, tuple[int, float]] = {}

    def add(self, address: str, now: float) -> float:
        """A try. Returns how long its answer has to wait, in seconds.

        Raises: TooMuch after the most that are allowed.
        """
        if len(self._tries) >= MAX_ADDRESSES:
            self._tries = {a: t for a, t in self._tries.items() if now - t[1] <= FORGET_S}
            if len(self._tries) >= MAX_ADDRESSES:
                self._tries.clear()
        address = network(address)
        count, at = self._tries.get(address, (0, now))
        if now - at > FORGET_S:
            count = 0
        if count >= self._most:
            raise TooMuch
        self._tries[address] = (count + 1, now)
        return min(LAST_DELAY_S, FIRST_DELAY_S * 2.0 ** (count - 1)) if count else 0.0

    def forgive(self, address: str) -> None:
        """The try was right after all."""
        address = network(address)
        count, at = self._tries.get(address, (0, 0.0))
        if count > 1:
            self._tries[address] = (count - 1, at)
        else:
            self._tries.pop(address, None)


def network(address: str) -> str:
    """What counts as one address: of IPv6 the network that one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address)
