"""Account settings at the command line: export, import, publish, and who may change them."""

import asyncio
import getpass
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from relay.account import Site
from relay.accounts.admins import make_token, set_password
from relay.accounts.live import Accounts, Conflict, Fixed
from relay.accounts.store import AccountStore
from relay.accounts.texts import BadSettings, from_toml, to_toml
from relay.errors import SetupError
from relay.settings import Settings
from relay.store import StoreError

LIST_ROWS = 50


def export(settings: Settings, group: str, site: Site) -> None:
    """Print a group's settings as TOML. Raises: SetupError."""

    async def work(accounts: Accounts, _: AccountStore) -> None:
        print(to_toml(accounts.of(_group(settings, group), site)), end="")

    _run(settings, work, reads_file=True)


def take_in(settings: Settings, group: str, file: str, *, publish: bool) -> None:
    """Make a file's settings the staging copy, or publish them. Raises: SetupError."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        account = from_toml(text)
    except (OSError, UnicodeDecodeError, BadSettings) as error:
        raise SetupError(f"{file}: {error}") from error

    async def work(accounts: Accounts, _: AccountStore) -> None:
        of = _group(settings, group)
        await accounts.save(of, account, accounts.current(of).revision, _who(), "imported")
        if publish:
            await _publish(accounts, of, f"imported from {Path(file).name}")
        else:
            print("Imported for staging. `cobrowse settings publish` lets visitors have it.")

    _run(settings, work)


def show(settings: Settings, group: str) -> None:
    """Print the newest versions. Raises: SetupError."""

    async def work(_: Accounts, store: AccountStore) -> None:
        versions = await store.versions(_group(settings, group), LIST_ROWS)
        if not versions:
            print("Nothing was published yet: visitors get the defaults.")
        for version in versions:
            at = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.at))
            print(f"{version.number:>4}  {at}  {version.who}  {version.note}".rstrip())

    _run(settings, work)


def publish(settings: Settings, group: str, note: str) -> None:
    """Let visitors have the staging copy. Raises: SetupError."""

    async def work(accounts: Accounts, _: AccountStore) -> None:
        await _publish(accounts, _group(settings, group), note)

    _run(settings, work)


def restore(settings: Settings, group: str, number: int) -> None:
    """Publish an earlier version again. Raises: SetupError."""

    async def work(accounts: Accounts, _: AccountStore) -> None:
        of = _group(settings, group)
        try:
            await accounts.bring_back(of, number, accounts.current(of).revision, _who())
        except KeyError:
            raise SetupError(f"group {of} has no version {number}") from None
        await _publish(accounts, of, f"version {number} again")

    _run(settings, work)


def password(settings: Settings) -> None:
    """Ask for the settings page's password twice, or read it from a pipe. Raises: SetupError."""
    if sys.stdin.isatty():
        chosen = getpass.getpass("New password: ")
        if getpass.getpass("Once more: ") != chosen:
            raise SetupError("the two are not the same; nothing was changed")
    else:
        chosen = sys.stdin.readline().rstrip("\n")

    async def work(_: Accounts, store: AccountStore) -> None:
        await set_password(store, chosen, _who())
        print("The password is set. Who was logged in by the one before is logged out.")

    _run(settings, work)


def token(settings: Settings) -> None:
    """Print a token that opens the settings page once, within an hour. Raises: SetupError."""

    async def work(_: Accounts, store: AccountStore) -> None:
        print(await make_token(store))

    _run(settings, work)


def _who() -> str:
    """For the audit list: who is at the command line."""
    try:
        return f"command ({getpass.getuser()[:100]})"
    except (KeyError, OSError):  # a user id without a name
        return "command"


async def _publish(accounts: Accounts, group: str, note: str) -> None:
    number = await accounts.publish(group, accounts.current(group).revision, _who(), note)
    print(f"Published as version {number}.")


def _group(settings: Settings, group: str) -> str:
    """The group that is meant. Raises: SetupError."""
    if group in settings.groups:
        return group
    names = ", ".join(settings.groups) or "none"
    if group:
        raise SetupError(f"there is no group {group} in the config file, but {names}")
    if len(settings.groups) == 1:
        return next(iter(settings.groups))
    raise SetupError(f"which group? Say --group ID: {names}")


def _run(
    settings: Settings,
    work: Callable[[Accounts, AccountStore], Awaitable[None]],
    *,
    reads_file: bool = False,
) -> None:
    """Args: reads_file: the store need not last for this."""
    if settings.relay.store == "memory:" and not reads_file:
        raise SetupError("the store is memory: only the settings page of the relay can change it")

    async def opened() -> None:
        # Databases are slow to load, and other commands need none.
        from relay.server import make_store

        store = make_store(settings)
        fixed = {group: values.settings for group, values in settings.groups.items()}
        accounts = Accounts(fixed, store.accounts)
        try:
            await store.open()
            await accounts.look()
            await work(accounts, store.accounts)
        finally:
            await store.close()

    try:
        asyncio.run(opened())
    except Fixed:
        raise SetupError("the settings of this group stand in the config file") from None
    except Conflict:
        raise SetupError("somebody else has changed the settings meanwhile; try again") from None
    except (BadSettings, StoreError) as error:
        raise SetupError(f"the store: {error}") from error
