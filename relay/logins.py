"""Agents' login keys, wherever they are shown: one count of wrong ones, one list of used ones."""

import asyncio
import re
import time
from typing import Final, Literal

from relay import auth
from relay.errors import Refused, Unavailable
from relay.limits import WrongKeys
from relay.settings import Settings
from relay.store import Store, StoreError
from relay.wire import PRINTABLE

# A user id is kept with each session that the agent joins.
MAX_USER_CHARACTERS: Final = 255
_SPENT: Final = "loginkey"
# Keys made for one agent differ by the second in which they expire: so many at once.
_KEYS_AT_ONCE: Final = 120


class Logins:
    """Who may log in, as the config file said when the relay started."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._groups, self._store = settings.groups, store
        self._skew_s = settings.relay.clock_skew_s
        self._wrong_keys = WrongKeys(settings.relay.limits.wrong_keys)
        self._api_keys = {group: values.api_keys() for group, values in settings.groups.items()}

    def admit(self, group: str, user: str) -> None:
        """Raises: Refused for an agent who may not log in, whatever key or token they have."""
        if not self._api_keys.get(group):
            raise Refused("login", "Agents of this group cannot log in.")
        if not self._groups[group].admits(user):
            raise Refused("shutout", "You are not among the agents of this group.")

    def __contains__(self, group: str) -> bool:
        return group in self._groups

    def role(self, group: str, user: str) -> Literal["agent", "admin"]:
        return "admin" if user in self._groups[group].admins else "agent"

    async def log_in(self, address: str, group: str, user: str, loginkey: str, now: float) -> None:
        """Accept a login key, and where keys count once, use it up. now: Unix seconds.

        Raises: Refused; TooMuch for an address with too many wrong ones.
        """
        expiry = await self._check(address, group, user, loginkey, now)
        if not self._groups[group].loginkey_single_use:
            return
        try:
            fresh = await self._store.spend(_SPENT, loginkey, self._kept_until(expiry))
        except StoreError as error:
            raise Refused("unavailable", "Your login key cannot be checked now.") from error
        if not fresh:
            raise Refused("used", "The login key was used before. Ask for a new one.")

    async def look_in(self, address: str, group: str, user: str, loginkey: str, now: float) -> int:
        """Accept a login key without using it up; one that is used up already opens nothing.

        Returns: when it expires, in Unix seconds. Raises: Refused, TooMuch, Unavailable.
        """
        expiry = await self._check(address, group, user, loginkey, now)
        if self._groups[group].loginkey_single_use:
            try:
                if await self._store.is_spent(_SPENT, loginkey):
                    raise Refused("used", "The login key was used before. Ask for a new one.")
            except StoreError as error:
                raise Unavailable from error
        return expiry

    async def fresh_key(
        self, group: str, user: str, lifetime_s: int, expiry: int, now: float
    ) -> str:
        """A login key to join with, for an agent whose own key was accepted.

        Args: expiry: of that key, which the new one does not outlive. now: Unix seconds.
        Raises: Refused, Unavailable.
        """
        api_key = self._groups[group].api_key
        last = min(int(now) + lifetime_s, expiry - 1)
        for ends in range(last, last - _KEYS_AT_ONCE, -1):
            if ends + self._skew_s <= now:
                break
            key = auth.make_login_key(group, user, api_key, ends)
            if not self._groups[group].loginkey_single_use:
                return key
            try:
                # Two who ask in the same second must not get the same key, which opens one page.
                if await self._store.spend("fresh", key, self._kept_until(ends)):
                    return key
            except StoreError as error:
                raise Unavailable from error
        raise Refused("expired", "The login key has expired. Ask for a new one.")

    async def _check(self, address: str, group: str, user: str, loginkey: str, now: float) -> int:
        if not re.match(PRINTABLE, user) or len(user) > MAX_USER_CHARACTERS:
            raise Refused("login", "The user's id is too long, or cannot be printed.")
        await self.slow_down(address)
        try:
            expiry = auth.check_login_key(group, user, loginkey, self._api_keys, now, self._skew_s)
        except Refused as refusal:
            if refusal.code != "login":
                self.forgive(address)
            raise
        self.forgive(address)
        self.admit(group, user)
        return expiry

    async def slow_down(self, address: str) -> None:
        """Count a try to log in, and wait as long as the wrong ones before it deserve.

        Raises: TooMuch.
        """
        if delay_s := self._wrong_keys.add(address, time.monotonic()):
            await asyncio.sleep(delay_s)

    def forgive(self, address: str) -> None:
        """The try was right."""
        self._wrong_keys.forgive(address)

    def _kept_until(self, expiry: int) -> int:
        return expiry + int(self._skew_s) + 1
