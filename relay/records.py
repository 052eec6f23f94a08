"""Writes sessions down in the background. While the store is away, sessions go on."""

import asyncio
import logging
import time
from typing import Final

import msgspec

from relay.session import Session, State
from relay.store import BadRecord, Record, Store, StoreError

logger = logging.getLogger(__name__)

# How long a visitor's page waits for its ticket to be written down, before it gets it all the same.
PATIENCE_S: Final = 1.0
RETRY_S: Final = 1.0
EXPIRE_EVERY_S: Final = 3600.0
BATCH: Final = 200


class Records:
    """Args: keep_s: how long ended sessions are kept, in seconds."""

    def __init__(self, store: Store, keep_s: float) -> None:
        self._store, self._keep_s = store, keep_s
        self._waiting: dict[str, Record] = {}
        self._wake = asyncio.Event()
        self._written: list[asyncio.Future[None]] = []
        self.problem = ""

    def note(self, session: Session) -> None:
        """Write down what a session is now, soon."""
        ended = time.time() if session.state is State.ENDED else None
        session.saved.revision += 1
        saved = msgspec.structs.replace(
            session.saved,
            tickets={v: list(t) for v, t in session.saved.tickets.items()},
            attendances=[msgspec.structs.replace(a) for a in session.saved.attendances],
        )
        self._waiting[saved.id] = Record(
            saved=saved, seen=time.time(), ended=ended, reason=session.reason
        )
        self._wake.set()

    async def written(self, patience_s: float = PATIENCE_S) -> None:
        """Until all that was noted is written down, or patience_s have passed."""
        if not self._waiting and not self._written:
            return
        done = asyncio.get_running_loop().create_future()
        self._written.append(done)
        self._wake.set()
        try:
            async with asyncio.timeout(patience_s):
                await done
        except TimeoutError:
            pass

    async def write(self) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or self._written:
                if not await self.write_once():
                    await asyncio.sleep(RETRY_S)

    async def expire(self) -> None:
        """Forget what is older than it may be kept, until cancelled."""
        while True:
            try:
                await self._store.expire(time.time() - self._keep_s)
            except StoreError as error:
                self._tell(str(error))
            await asyncio.sleep(EXPIRE_EVERY_S)

    async def write_once(self) -> bool:
        """False when the store is away."""
        waiters, self._written = self._written, []
        while self._waiting:
            batch = dict(list(self._waiting.items())[:BATCH])
            try:
                await self._put(list(batch.values()))
            except StoreError as error:
                self._tell(str(error))
                self._written = [w for w in waiters if not w.done()] + self._written
                return False
            for key, record in batch.items():
                if self._waiting.get(key) is record:
                    del self._waiting[key]
        self._tell("")
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        return True

    async def _put(self, records: list[Record]) -> None:
        try:
            await self._store.put(records)
        except BadRecord as error:
            if len(records) == 1:
                logger.error("a record cannot be written and is left out: %s", error)
                return
            for record in records:
                await self._put([record])

    def _tell(self, problem: str) -> None:
        if problem and not self.problem:
            logger.error("session records cannot be written: %s", problem)
        elif self.problem and not problem:
            logger.warning("session records are written again")
        self.problem = problem
