"""Who may use the settings page: by a password, a token, or an admin's login key."""

import hashlib
import hmac
import secrets
import time
from typing import Final

import anyio.to_thread
import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from relay.accounts.store import AccountStore, Entry
from relay.errors import Refused
from relay.logins import Logins

PASSWORD: Final = "password"
MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 1_000
TOKEN_LIFETIME_S: Final = 3600
LOGIN_LIFETIME_S: Final = 8 * 3600
FOR_EVER: Final = float(2**53)


class Admin(msgspec.Struct, frozen=True):
    """Somebody who is logged in.

    who: for the audit list. group: the only one they may change; "" for all. mark: of the password
    that let them in; "" where none did.
    """

    who: str
    group: str
    mark: str = ""

    def may(self, group: str) -> bool:
        return self.group in ("", group)


class Admins:
    def __init__(self, store: AccountStore, logins: Logins, secret: bytes) -> None:
        self._store, self._logins, self._secret = store, logins, secret
        # Who tries a password where there is none waits as long as where there is one.
        self._nobodys = PasswordHasher().hash("nobody has this password")

    async def by_password(self, address: str, password: str) -> Admin:
        """Raises: Refused, TooMuch, StoreError."""
        await self._logins.slow_down(address)
        kept = await self._store.secret(PASSWORD)
        right = await anyio.to_thread.run_sync(
            _is_right, kept or self._nobodys, password[:MAX_PASSWORD]
        )
        if not right or not kept:
            raise Refused("login", "This is not the password.")
        return await self._logged_in(address, Admin("password", "", _mark(kept)))

    async def by_token(self, address: str, token: str) -> Admin:
        """Raises: Refused, TooMuch, StoreError."""
        await self._logins.slow_down(address)
        if not await self._store.take_secret(_name("token", token)):
            raise Refused("login", "This token is not valid, or was used before.")
        return await self._logged_in(address, Admin("token", ""))

    async def by_login_key(self, address: str, group: str, user: str, loginkey: str) -> Admin:
        """Raises: Refused, TooMuch, StoreError."""
        await self._logins.log_in(address, group, user, loginkey, time.time())
        if self._logins.role(group, user) != "admin":
            raise Refused("login", "You are not among the administrators of this group.")
        return await self._logged_in(address, Admin(user, group))

    async def _logged_in(self, address: str, admin: Admin) -> Admin:
        self._logins.forgive(address)
        entry = Entry(group=admin.group, at=time.time(), who=admin.who, action="logged in")
        await self._store.note(entry)
        return admin

    # -- staying logged in -----------------------------------------------------------------------

    async def begin(self, admin: Admin) -> str:
        """The cookie of a new login, which counts until end() or for LOGIN_LIFETIME_S.

        Raises: StoreError.
        """
        cookie = secrets.token_urlsafe(24)
        text = msgspec.json.encode(admin).decode()
        await self._store.keep_secret(_name("login", cookie), text, time.time() + LOGIN_LIFETIME_S)
        return cookie

    async def end(self, cookie: str) -> None:
        """Raises: StoreError."""
        await self._store.take_secret(_name("login", cookie))

    async def read(self, cookie: str) -> Admin:
        """Raises: Refused for a cookie that counts no more, StoreError."""
        kept = await self._store.secret(_name("login", cookie)) if cookie else ""
        if not kept:
            raise Refused("login", "Log in to change settings.")
        admin = msgspec.json.decode(kept, type=Admin)
        if admin.mark and admin.mark != _mark(await self._store.secret(PASSWORD)):
            raise Refused("login", "The password was changed. Log in again.")
        if admin.group and (
            admin.group not in self._logins or self._logins.role(admin.group, admin.who) != "admin"
        ):
            raise Refused("login", "You are no more among the administrators of this group.")
        return admin

    def form_token(self, cookie: str) -> str:
        """What each form of a login carries: other sites cannot know it."""
        return hmac.digest(self._secret, b"form:" + cookie.encode(), hashlib.sha256).hex()[:32]


async def set_password(store: AccountStore, password: str, who: str) -> None:
    """Raises: ValueError for one that is too short or too long, StoreError."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ValueError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD:,} characters")
    await store.keep_secret(PASSWORD, PasswordHasher().hash(password), FOR_EVER)
    await store.note(Entry(group="", at=time.time(), who=who, action="set the password"))


async def make_token(store: AccountStore) -> str:
    """A token that opens the settings page once, within an hour. Raises: StoreError."""
    token = secrets.token_urlsafe(18)
    await store.keep_secret(_name("token", token), "once", time.time() + TOKEN_LIFETIME_S)
    return token


async def has_password(store: AccountStore) -> bool:
    return bool(await store.secret(PASSWORD))


def _is_right(kept: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def _name(kind: str, secret: str) -> str:
    """What is kept of a secret that somebody else has."""
    return f"{kind}:{hashlib.sha256(secret.encode()).hexdigest()}"


def _mark(kept: str) -> str:
    return hashlib.sha256(kept.encode()).hexdigest()[:16] if kept else ""
