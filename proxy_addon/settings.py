"""The keys of cobrowse.toml that the proxy reads. The relay's sections are skipped.

Each key's default and meaning stand here once: docs/config.md and the errors are made from them.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta


def _check_url(key: str, url: str, schemes: tuple[str, ...]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{key} must be a URL that starts with {wanted}, not {url!r}")


class SettingsError(Exception):
    """A config file that cannot be used. key: where, in the file's own words."""

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" if self.key else self.problem


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [proxy]."""

    listen: Annotated[
        str, Meta(description="host:port that visitors reach. `cobrowse up --listen` overrides it.")
    ] = "127.0.0.1:8080"
    origin: Annotated[
        str, Meta(description="URL of the site. `cobrowse up --origin` overrides it.")
    ] = ""
    origins: Annotated[
        dict[str, str],
        Meta(description="Several sites: a table of visitor-facing host = URL of its origin."),
    ] = {}
    prefix: Annotated[
        str, Meta(description="Path reserved for the visitor scripts on every site.")
    ] = "/.cobrowse/"
    relay: Annotated[str, Meta(description="URL at which the proxy reaches the relay.")] = (
        "http://127.0.0.1:8081"
    )
    direct_url: Annotated[
        str,
        Meta(
            description="Public ws:// or wss:// address of the relay's visitor socket. "
            "Empty: the socket goes through the prefix."
        ),
    ] = ""
    trusted_peers: Annotated[
        list[str],
        Meta(description="Addresses of load balancers whose X-Forwarded-* headers count."),
    ] = []

    def __post_init__(self) -> None:
        if not (self.prefix.startswith("/") and self.prefix.endswith("/") and len(self.prefix) > 2):
            raise ValueError("prefix must begin and end with / and have a name between")
        _check_url("relay", self.relay, ("http", "https"))
        if self.direct_url:
            _check_url("direct_url", self.direct_url, ("ws", "wss"))
        for name, url in {"origin": self.origin, **self.origins}.items():
            if url:
                _check_url(name, url, ("http", "https"))


class CookieSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cookie as a table, for what a bare name cannot say."""

    cookie: str


class CookieMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [groups.<groupid>.cookies]."""

    visitorid: Annotated[
        str | CookieSource, Meta(description="Cookie that holds the visitor id.")
    ] = ""
    name: Annotated[str | CookieSource, Meta(description="Cookie that holds the name.")] = ""
    email: Annotated[str | CookieSource, Meta(description="Cookie that holds the address.")] = ""
    phone: Annotated[str | CookieSource, Meta(description="Cookie that holds the number.")] = ""

    def names(self) -> dict[str, str]:
        """field to cookie name, without the fields that have none."""
        found = {}
        for field in self.__struct_fields__:
            source = getattr(self, field)
            name = source.cookie if isinstance(source, CookieSource) else source
            if name:
                found[field] = name
        return found


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section [groups.<groupid>], as far as the proxy reads it."""

    site: Annotated[
        Literal["production", "staging"],
        Meta(description="Which copy of the group's settings visitors get."),
    ] = "production"
    hosts: Annotated[
        list[str],
        Meta(description="Visitor-facing hosts of the group. Empty: every host."),
    ] = []
    cookies: CookieMapping = CookieMapping()


class RelayFolder(msgspec.Struct, frozen=True, kw_only=True):
    """Section [relay], for the one key that decides where both find the secret by default."""

    data_dir: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the addon needs, read once."""

    relay: RelayFolder = RelayFolder()
    proxy: ProxySettings = ProxySettings()
    groups: dict[str, GroupSettings] = {}
    token_secret_file: Annotated[
        str,
        Meta(description="File with the secret that proxy and relay share. The relay makes it."),
    ] = ""

    def group_for(self, host: str) -> tuple[str, GroupSettings] | None:
        """The first group whose hosts hold this one (no port), or that names none."""
        for group_id, group in self.groups.items():
            if not group.hosts or host in group.hosts:
                return group_id, group
        return None

    def secret_path(self) -> Path:
        if self.token_secret_file:
            return Path(self.token_secret_file).expanduser()
        if self.relay.data_dir:
            return Path(self.relay.data_dir).expanduser() / "token_secret"
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return Path(base).expanduser() / "cobrowse" / "token_secret"


def load(path: str) -> Settings:
    """Read a config file; "" gives the defaults. Raises: SettingsError, with the key's name."""
    if not path:
        return Settings()
    try:
        return parse(tomllib.loads(Path(path).expanduser().read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError("", f"cannot read {path}: {error}") from error


def parse(raw: dict[str, Any]) -> Settings:
    """Check a config file's content. Raises: SettingsError."""
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `")
        raise SettingsError(where.rstrip("`").removeprefix("$").lstrip("."), problem) from error
