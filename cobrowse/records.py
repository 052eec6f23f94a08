"""Session records at the command line: list, export, erase."""

import asyncio
import csv
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from relay.errors import SetupError
from relay.settings import Settings
from relay.store import Record, Store, StoreError

COLUMNS: Final = (
    "id",
    "group",
    "key",
    "visitorid",
    "name",
    "email",
    "phone",
    "levels",
    "terms",
    "started",
    "seen",
    "ended",
    "reason",
    "pages",
    "agents",
)
LIST_ROWS: Final = 100


def show(settings: Settings, group: str, visitorid: str, limit: int = LIST_ROWS) -> None:
    """Print the newest records as a table. Raises: SetupError."""

    async def work(store: Store) -> None:
        head = ("started", "group", "key", "visitor", "state", "pages", "agents")
        rows: list[tuple[str, ...]] = [head]
        async for record in store.find(group, visitorid):
            if len(rows) > limit:
                break
            rows.append(_line(record))
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        for row in rows:
            print("  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip())

    _with_store(settings, work)


def export(settings: Settings, group: str, visitorid: str, form: str) -> None:
    """Print all records, as csv or as json: one array of objects. Raises: SetupError."""

    async def work(store: Store) -> None:
        records = store.find(group, visitorid)
        await (_csv(records) if form == "csv" else _json(records))

    _with_store(settings, work)


def erase(settings: Settings, group: str, visitorid: str) -> None:
    """Forget all that is known of a visitor. Raises: SetupError."""

    async def work(store: Store) -> None:
        found = [record async for record in store.find(group, visitorid)]
        live = [record for record in found if record.ended is None]
        erased = await store.erase([record.saved.id for record in found if record.ended])
        print(f"Erased {erased} {'session' if erased == 1 else 'sessions'}.")
        if live:
            raise SetupError(
                f"{len(live)} of the visitor's sessions still run: end them, and erase again"
            )

    _with_store(settings, work)


def _with_store(settings: Settings, work: Any) -> None:
    async def run() -> None:
        # Databases are slow to load, and other commands need none.
        from relay.server import make_store

        store = make_store(settings)
        try:
            await store.open()
            await work(store)
        finally:
            await store.close()

    if settings.relay.store == "memory:":
        raise SetupError("the relay of this config keeps no records: its store is memory:")
    try:
        asyncio.run(run())
    except StoreError as error:
        raise SetupError(f"the store cannot be read: {error}") from error


def _line(record: Record) -> tuple[str, ...]:
    saved = record.saved
    state = record.reason if record.ended else "running"
    return (
        time.strftime("%Y-%m-%d %H:%M", time.localtime(saved.started)),
        saved.group,
        saved.key,
        saved.person.visitorid or saved.person.name or "–",
        state,
        str(saved.pages),
        ", ".join(dict.fromkeys(a.name for a in saved.attendances)) or "–",
    )


def _fields(record: Record) -> dict[str, Any]:
    saved = record.saved
    return {
        "id": saved.id,
        "group": saved.group,
        "key": saved.key,
        "visitorid": saved.person.visitorid,
        "name": saved.person.name,
        "email": saved.person.email,
        "phone": saved.person.phone,
        "levels": saved.person.levels,
        "terms": saved.terms,
        "started": _time(saved.started),
        "seen": _time(record.seen),
        "ended": _time(record.ended),
        "reason": record.reason,
        "pages": saved.pages,
        "agents": [
            {**msgspec.structs.asdict(a), "joined": _time(a.joined), "left": _time(a.left)}
            for a in saved.attendances
        ],
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


async def _json(records: AsyncIterator[Record]) -> None:
    before = "[\n"
    async for record in records:
        print(f"{before}{json.dumps(_fields(record), ensure_ascii=False)}", end="")
        before = ",\n"
    print("\n]" if before != "[\n" else "[]")


async def _csv(records: AsyncIterator[Record]) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    async for record in records:
        fields = _fields(record)
        for name in ("levels", "agents"):
            fields[name] = json.dumps(fields[name], ensure_ascii=False)
        writer.writerow({name: _plain(value) for name, value in fields.items()})


def _plain(value: Any) -> Any:
    """What a spreadsheet would take for a formula is text: visitors choose their names."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
