"""Consoles: agents who watch the list of their group's sessions, whichever relays these are at."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from relay import wire
from relay.cluster import Cluster, Listing, Watching
from relay.registry import Registry

ANNOUNCE_S: Final = 0.25
# Consoles elsewhere are told of for so long after they were last heard of, and say so this often.
WATCHING_S: Final = 15.0
REMIND_S: Final = 5.0
# The newest sessions, as many as a page of them is good for.
MAX_LISTED: Final = 500


class Consoles:
    """Args: tell: gives text to a peer of this relay."""

    def __init__(
        self, registry: Registry, cluster: Cluster, tell: Callable[[int, str], None]
    ) -> None:
        self._registry, self._cluster, self._tell = registry, cluster, tell
        self._watchers: defaultdict[str, set[int]] = defaultdict(set)
        # By relay and group: until when it wants to be told, and what it has told us.
        self._far_watchers: dict[tuple[str, str], float] = {}
        self._far_sessions: dict[tuple[str, str], list[wire.Listed]] = {}
        self._changed: set[str] = set()

    def watch(self, number: int, group: str) -> None:
        self._watchers[group].add(number)
        self._cluster.watch(group)
        self._tell(number, self._text(group))

    def leave(self, number: int) -> None:
        for group in [g for g, watchers in self._watchers.items() if number in watchers]:
            self._watchers[group].discard(number)
            if not self._watchers[group]:
                del self._watchers[group]
                self._far_sessions = {k: v for k, v in self._far_sessions.items() if k[1] != group}

    def changed(self, group: str) -> None:
        """Something is to be told about a group's sessions, soon."""
        self._changed.add(group)

    def watched(self, message: Watching) -> None:
        """There are consoles at another relay."""
        self._changed.add(message.group)
        self._far_watchers[message.relay, message.group] = time.monotonic() + WATCHING_S

    def listed(self, message: Listing) -> None:
        """Another relay tells of its sessions."""
        if message.group in self._watchers:
            self._far_sessions[message.relay, message.group] = message.sessions
            self._changed.add(message.group)

    def gone(self, relays: Iterable[str]) -> None:
        """These relays are dead."""
        dead = set(relays)
        self._far_sessions = {k: v for k, v in self._far_sessions.items() if k[0] not in dead}
        self._far_watchers = {k: t for k, t in self._far_watchers.items() if k[0] not in dead}
        self._changed |= self._watchers.keys()

    async def announce(self) -> None:
        """Tell what has changed, a few times a second at most, until cancelled."""
        reminded_at = 0.0
        while True:
            await asyncio.sleep(ANNOUNCE_S)
            now = time.monotonic()
            groups, self._changed = self._changed, set()
            for group in groups & self._watchers.keys():
                text = self._text(group)
                for number in self._watchers[group]:
                    self._tell(number, text)
            self._far_watchers = {k: t for k, t in self._far_watchers.items() if t > now}
            for relay, group in self._far_watchers:
                if group in groups:
                    self._cluster.list_for(relay, group, self._own(group))
            if now - reminded_at > REMIND_S:
                reminded_at = now
                for group in self._watchers:
                    self._cluster.watch(group)

    def _text(self, group: str) -> str:
        far = [s for (_, g), listed in self._far_sessions.items() if g == group for s in listed]
        newest = sorted(self._own(group) + far, key=lambda session: session.age_s)
        return wire.encode(wire.Sessions(newest[:MAX_LISTED], max(0, len(newest) - MAX_LISTED)))

    def _own(self, group: str) -> list[wire.Listed]:
        now = time.monotonic()
        own = sorted(self._registry.of(group), key=lambda session: -session.began)
        return [session.listed(now) for session in own[:MAX_LISTED]]
