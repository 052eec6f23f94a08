"""The account settings that count now: from the config file, or published in the store."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from relay.account import AccountSettings, Site
from relay.accounts.store import AccountStore, Draft, Entry, Version
from relay.accounts.texts import (
    MAX_TEXT_CHARACTERS,
    BadSettings,
    Change,
    changes,
    from_toml,
    to_toml,
)
from relay.store import StoreError

logger = logging.getLogger(__name__)

# Visitors get what is published within a second, from whichever relay.
LOOK_EVERY_S: Final = 0.5
MAX_NOTE: Final = 200


class Conflict(Exception):
    """Somebody else has changed the same settings meanwhile."""


class Fixed(Exception):
    """The group's settings stand in the config file."""


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """A group's settings. number: of the published version; revision: of the draft; 0 for none."""

    published: AccountSettings = AccountSettings()
    staging: AccountSettings = AccountSettings()
    number: int = 0
    revision: int = 0


class Accounts:
    """Args: fixed: settings by group as the config file has them; None leaves them to the store."""

    def __init__(self, fixed: Mapping[str, AccountSettings | None], store: AccountStore) -> None:
        self._fixed, self._store = fixed, store
        self._current = {
            group: Current() if account is None else Current(published=account, staging=account)
            for group, account in fixed.items()
        }

    def __contains__(self, group: str) -> bool:
        return group in self._current

    def groups(self) -> list[str]:
        return list(self._current)

    def of(self, group: str, site: Site = "production") -> AccountSettings:
        """What visitors of a group get. Raises: KeyError for a group that there is not."""
        current = self._current[group]
        return current.staging if site == "staging" else current.published

    def current(self, group: str) -> Current:
        return self._current[group]

    def is_fixed(self, group: str) -> bool:
        """Whether the config file has them, and nothing else changes them."""
        return self._fixed[group] is not None

    # -- reading ---------------------------------------------------------------------------------

    async def look(self) -> None:
        """Read what others have changed.

        Raises: StoreError; BadSettings for a group's that cannot be read, after all the others.
        """
        if all(map(self.is_fixed, self._fixed)):
            return
        bad: BadSettings | None = None
        for group, (number, revision) in (await self._store.heads()).items():
            known = self._current.get(group)
            if known is None or self.is_fixed(group):
                continue
            if (known.number, known.revision) != (number, revision):
                try:
                    self._current[group] = await self._read(group)
                except BadSettings as error:
                    bad = error
        if bad:
            raise bad

    async def keep_current(self) -> None:
        """Look for ever. What was known counts on while the store is away."""
        failed = ""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
                failed = ""
            except (StoreError, BadSettings) as error:
                if failed != str(error):
                    logger.error("account settings cannot be read: %s", error)
                failed = str(error)

    async def _read(self, group: str) -> Current:
        newest = await self._store.versions(group, 1)
        draft = await self._store.draft(group)
        published = _parse(group, newest[0].text) if newest else AccountSettings()
        return Current(
            published=published,
            staging=_parse(group, draft.text) if draft else published,
            number=newest[0].number if newest else 0,
            revision=draft.revision if draft else 0,
        )

    # -- changing --------------------------------------------------------------------------------

    async def save(
        self, group: str, account: AccountSettings, revision: int, who: str, action: str = "saved"
    ) -> None:
        """Make these the staging copy. revision: of the draft that they were made from.

        Raises: BadSettings for more than can be read again, Conflict, Fixed, StoreError.
        """
        before = await self._fresh(group)
        if before.revision != revision:
            raise Conflict
        await self._save(group, before, account, who, action)

    async def publish(self, group: str, revision: int, who: str, note: str = "") -> int:
        """Let visitors have the staging copy. Returns the version's number.

        Raises: Conflict, Fixed, StoreError.
        """
        before = await self._fresh(group)
        if before.revision != revision:
            raise Conflict
        version = Version(
            group=group,
            number=before.number + 1,
            at=time.time(),
            who=who,
            note=_line(note)[:MAX_NOTE],
            text=to_toml(before.staging),
        )
        differs = changes(before.published, before.staging)
        entry = _entry(group, who, f"published version {version.number}", differs)
        if not await self._store.publish(version, entry):
            raise Conflict
        self._current[group] = await self._read(group)
        return version.number

    async def bring_back(self, group: str, number: int, revision: int, who: str) -> None:
        """Make an earlier version the staging copy.

        Raises: Conflict, Fixed, KeyError for a version that there is not, StoreError.
        """
        version = await self._store.version(group, number)
        if version is None:
            raise KeyError(number)
        account = _parse(group, version.text)
        await self.save(group, account, revision, who, f"brought back version {number}")

    async def _save(
        self, group: str, before: Current, account: AccountSettings, who: str, action: str
    ) -> None:
        text = to_toml(account)
        if len(text) > MAX_TEXT_CHARACTERS:
            raise BadSettings("", f"longer than {MAX_TEXT_CHARACTERS:,} characters in all")
        draft = Draft(group=group, revision=before.revision + 1, at=time.time(), who=who, text=text)
        entry = _entry(group, who, action, changes(before.staging, account))
        if not await self._store.save(draft, entry):
            raise Conflict
        self._current[group] = await self._read(group)

    async def _fresh(self, group: str) -> Current:
        """Raises: Fixed, StoreError."""
        if self.is_fixed(group):
            raise Fixed
        self._current[group] = await self._read(group)
        return self._current[group]


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _entry(group: str, who: str, action: str, differs: list[Change]) -> Entry:
    return Entry(group=group, at=time.time(), who=who, action=action, changes=differs)


def _parse(group: str, text: str) -> AccountSettings:
    """Settings of a newer version may have keys that this one does not know.

    Raises: BadSettings: a rule about masking that is not understood must not be passed over.
    """
    try:
        return from_toml(text)
    except BadSettings as error:
        raise BadSettings(f"group {group}: {error.key}", error.problem) from error
