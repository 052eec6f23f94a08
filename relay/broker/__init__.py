"""How relays find each other's sessions. Every broker does the same; redis.py joins several."""

from collections.abc import Callable
from typing import Protocol

Place = tuple[str, str]  # the group and the key of a session


class BrokerError(Exception):
    """The broker cannot be reached."""


class Broker(Protocol):
    """Who owns which session, and a way to say something to another relay.

    Owning and asking raise BrokerError. What is sent may get lost while the broker is away: reset()
    tells when.
    """

    relay: str
    is_shared: bool

    async def open(self, deliver: Callable[[bytes], None], reset: Callable[[], None]) -> None:
        """Begin to listen.

        Args:
            deliver: called with each message for this relay, in the order of each sender.
            reset: called when messages may have been lost.
        """

    async def close(self) -> None:
        """Stop, and be known as gone."""

    def send(self, relay: str, message: bytes) -> None:
        """Say something to one relay. Never waits."""

    def send_all(self, message: bytes) -> None:
        """Say something to every other relay. Never waits."""

    async def claim(self, place: Place) -> str:
        """Own a session, unless a living relay does. Returns who owns it now."""

    async def owner(self, place: Place) -> str:
        """Which living relay owns a session; "" for none."""

    async def give(self, place: Place, relay: str) -> None:
        """Let another relay own a session of ours; "" for nobody."""

    async def alive(self) -> set[str]:
        """All relays, this one too."""

    async def spend(self, token_id: str, lifetime_s: int) -> bool:
        """Use a token once, whichever relay it is shown to: False the second time."""

    async def check(self) -> None:
        """Ask for a sign of life."""
