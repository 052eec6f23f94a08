"""Finds the session that an agent asks for, after a look at the agent's login key."""

import time

from relay.hub import Hub
from relay.logins import Logins
from relay.service.lookup import (
    JOIN_KEY_LIFETIME_S,
    SESSION_ID,
    SESSION_KEY,
    Asked,
    CobrowseSession,
    join_url,
    told,
)
from relay.session import Facts


class Finder:
    """Args: public_url: where agents reach the relay; "" for where the one who asks reaches it."""

    def __init__(self, hub: Hub, logins: Logins, public_url: str) -> None:
        self._hub, self._logins, self._public_url = hub, logins, public_url

    async def by_key(self, asked: Asked, address: str, base: str) -> CobrowseSession | None:
        """The live session with a key, or None: that another group has one is never told.

        Args: address: of the one who asks. base: URL by which they reach the relay.
        Raises: Refused, TooMuch, Unavailable.
        """
        expiry = await self._look_in(asked, address)
        if not SESSION_KEY.fullmatch(asked.ssnkey):
            return None
        facts = await self._hub.facts((asked.partnerid, asked.ssnkey))
        return await self._told(asked, facts, expiry, base)

    async def by_id(
        self, asked: Asked, session_id: str, address: str, base: str
    ) -> CobrowseSession | None:
        """The group's session with an id, ended ones as well. Otherwise as by_key()."""
        expiry = await self._look_in(asked, address)
        if not SESSION_ID.fullmatch(session_id):
            return None
        facts = await self._hub.facts_by_id(asked.partnerid, session_id)
        return await self._told(asked, facts, expiry, base)

    async def _look_in(self, asked: Asked, address: str) -> int:
        group, user = asked.partnerid, asked.partneruserid
        return await self._logins.look_in(address, group, user, asked.loginkey, time.time())

    async def _told(
        self, asked: Asked, facts: Facts | None, expiry: int, base: str
    ) -> CobrowseSession | None:
        if facts is None:
            return None
        if facts.ended is not None:
            return told(facts, "")
        group, user = asked.partnerid, asked.partneruserid
        key = await self._logins.fresh_key(group, user, JOIN_KEY_LIFETIME_S, expiry, time.time())
        return told(facts, join_url(self._public_url or base, group, user, facts.key, key))
