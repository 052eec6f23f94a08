"""The keys of cobrowse.toml that the relay reads. The proxy's section is skipped.

Each key's default and meaning stand here once: docs/config.md and the errors are made from them.
"""

import contextlib
import os
import secrets
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from relay.account import AccountSettings, Site
from relay.errors import SetupError


def split_listen(listen: str) -> tuple[str, int]:
    """host and port of "host:port" or "[v6]:port". Raises: ValueError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"listen must be host:port, not {listen!r}")
    return host.strip("[]"), int(port)


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [relay.limits]. An address is the visitor's or agent's own, not a trusted peer's."""

    connections: Annotated[
        int, Meta(ge=1, description="Sockets open at once, in all. Each needs a file descriptor.")
    ] = 20_000
    connections_per_address: Annotated[
        int, Meta(ge=1, description="Sockets open at once from one address, or one IPv6 /64.")
    ] = 200
    sessions: Annotated[int, Meta(ge=1, description="Sessions at once, in all.")] = 10_000
    sessions_per_address: Annotated[
        int, Meta(ge=1, description="Sessions at once that were started from one address.")
    ] = 100
    wrong_keys: Annotated[
        int,
        Meta(
            ge=1,
            description="Wrong login keys from one address in an hour, each answered later than "
            "the one before; after that the address must wait.",
        ),
    ] = 30
    messages_per_s: Annotated[
        float,
        Meta(gt=0, description="Messages of one visitor's page in a second; more is read later."),
    ] = 300
    bytes_per_s: Annotated[
        float, Meta(gt=0, description="Their bytes in a second, averaged over eight.")
    ] = 4 * 1024 * 1024


class RelaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [relay]."""

    listen: Annotated[
        str,
        Meta(description="host:port of the relay. `cobrowse up --relay-listen` overrides it."),
    ] = "127.0.0.1:8081"
    cert: Annotated[
        str,
        Meta(
            description="PEM file with the relay's certificate, its chain and its key, for https "
            "and wss. Empty: plain http, for a load balancer in front, or this machine alone."
        ),
    ] = ""
    settings_listen: Annotated[
        str,
        Meta(
            description="host:port of the settings page, to have it apart from what visitors and "
            "agents reach. Empty: `/settings` at `listen`; `off`: nowhere."
        ),
    ] = ""
    public_url: Annotated[
        str,
        Meta(description="URL at which agents reach the relay. Empty: made from `listen`."),
    ] = ""
    store: Annotated[
        str,
        Meta(
            pattern=r"^(?:|memory:|sqlite:///.+|postgres(?:ql)?://.+)\Z",
            description="Where session records are kept: `sqlite:///path`, "
            "`postgresql://user:password@host/name`, or `memory:`, which forgets them when the "
            "relay stops. Empty: a SQLite file in the data folder.",
        ),
    ] = ""
    broker: Annotated[
        str,
        Meta(
            pattern=r"^(?:memory:|rediss?://.+)\Z",
            description="How relays share sessions: `memory:` for one relay by itself, or "
            "`redis://[user:password@]host[:port][/db]` (`rediss://` by TLS) for several.",
        ),
    ] = "memory:"
    keep_days: Annotated[
        float,
        Meta(gt=0, le=36_500, description="How long records of ended sessions are kept, in days."),
    ] = 90
    clock_skew_s: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="How far the clocks of those who make login keys may be off, in seconds.",
        ),
    ] = 30
    metrics_from: Annotated[
        list[str],
        Meta(description="Addresses that may read `/metrics`."),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])
    log: Annotated[Literal["text", "json"], Meta(description="How log lines are written.")] = "text"
    limits: LimitSettings = LimitSettings()
    data_dir: Annotated[
        str,
        Meta(
            description="Folder for what is generated: secrets, a first config file, mitmproxy's "
            "certificates. Empty: `$XDG_DATA_HOME/cobrowse` or `~/.local/share/cobrowse`."
        ),
    ] = ""
    trusted_peers: Annotated[
        list[str],
        Meta(
            description="Addresses of proxies whose X-Forwarded-* headers count, and of Forwarded "
            "the host and scheme where there are none of these."
        ),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])

    def __post_init__(self) -> None:
        split_listen(self.listen)
        if self.settings_listen not in ("", "off"):
            split_listen(self.settings_listen)

    def url(self) -> str:
        """Where agents reach the relay, without a slash at the end."""
        scheme = "https" if self.cert else "http"
        return self.public_url.rstrip("/") or f"{scheme}://{self.listen}"


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section [groups.<groupid>], as far as the relay reads it."""

    api_key: Annotated[
        str,
        Meta(description="Secret that signs the agents' login keys. Empty: no agent can log in."),
    ] = ""
    previous_api_key: Annotated[
        str,
        Meta(
            description="The `api_key` before this one: login keys that it signed count as well, "
            "until all who make them have the new one."
        ),
    ] = ""
    agents: Annotated[
        list[str],
        Meta(description="User ids of the agents who may log in. Empty: all with a login key."),
    ] = msgspec.field(default_factory=list)
    admins: Annotated[
        list[str],
        Meta(
            description="User ids of agents who are administrators; they need not be in `agents`."
        ),
    ] = msgspec.field(default_factory=list)
    loginkey_single_use: Annotated[
        bool, Meta(description="A login key opens one page, once; a page that is open stays open.")
    ] = False
    key_conflict: Annotated[
        Literal["refuse", "replace"],
        Meta(
            description="What a start with the key of another visitor's live session does: "
            "`refuse` gives the error `dupkey`, `replace` ends the other session."
        ),
    ] = "refuse"
    max_sessions: Annotated[int, Meta(ge=1, description="Sessions of the group at once.")] = 5_000
    site: Annotated[
        Site,
        Meta(description="Which copy of the group's settings visitors get."),
    ] = "production"
    tags: Annotated[
        bool,
        Meta(
            description="Sites may carry the script tag themselves, with no proxy in front. What "
            "their pages say of a visitor is then only claimed."
        ),
    ] = True
    # None: they are in the store, where the settings page changes them.
    settings: AccountSettings | None = None

    def api_keys(self) -> tuple[str, ...]:
        """Those that login keys may be signed with. Without api_key none counts."""
        return tuple(filter(None, (self.api_key, self.previous_api_key))) if self.api_key else ()

    def admits(self, user: str) -> bool:
        """Whether an agent with a good login key may log in."""
        return not self.agents or user in self.agents or user in self.admins


class FrontedSites(msgspec.Struct, frozen=True, kw_only=True):
    """Section [proxy], as far as the relay reads it: the proxy describes its keys."""

    origin: str = ""
    origins: dict[str, str] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the relay needs, read once."""

    relay: RelaySettings = RelaySettings()
    proxy: FrontedSites = FrontedSites()
    groups: dict[str, GroupSettings] = {}
    token_secret_file: Annotated[
        str,
        Meta(description="File with the secret that proxy and relay share. The relay makes it."),
    ] = ""

    def data_dir(self) -> Path:
        if self.relay.data_dir:
            return Path(self.relay.data_dir).expanduser()
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return Path(base).expanduser() / "cobrowse"

    def secret(self) -> bytes:
        """The shared secret, made on first use. Raises: SetupError."""
        path = Path(self.token_secret_file or self.data_dir() / "token_secret").expanduser()
        try:
            if not path.exists():
                _make_secret(path)
            secret = path.read_bytes().strip()
        except OSError as error:
            raise SetupError(f"cannot read or make the token secret {path}: {error}") from error
        if len(secret) < 32:
            raise SetupError(f"the token secret {path} is too short: delete it to get a new one")
        return secret


def _make_secret(path: Path) -> None:
    """Whole at once: of relays that start together all have the first one's. Raises: OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as made:
        made.write(secrets.token_hex(32) + "\n")
        made.flush()
        with contextlib.suppress(FileExistsError):
            os.link(made.name, path)


def load(path: str) -> Settings:
    """Read a config file; "" gives the defaults. Raises: SetupError, with the key's name."""
    if not path:
        return Settings()
    try:
        return parse(tomllib.loads(Path(path).expanduser().read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"cannot read {path}: {error}") from error


def parse(raw: dict[str, Any]) -> Settings:
    """Check a config file's content. Raises: SetupError, with the key's name."""
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `")
        key = where.rstrip("`").removeprefix("$").lstrip(".")
        raise SetupError(f"{key}: {problem}" if key else problem) from error
