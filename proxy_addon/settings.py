"""The keys of cobrowse.toml that the proxy reads. The relay's sections are skipped.

Each key's default and meaning stand here once: docs/config.md and the errors are made from them.
"""

import os
import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr


def _check_url(key: str, url: str, schemes: tuple[str, ...]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{key} must be a URL that starts with {wanted}, not {url!r}")


def split_address(key: str, address: str) -> tuple[str, int]:
    """host and port of host:port. Raises: ValueError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{key} must be host:port, not {address!r}")
    return host.strip("[]"), int(port)


class SettingsError(Exception):
    """A config file that cannot be used. key: where, in the file's own words."""

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" if self.key else self.problem


class ReverseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [proxy.reverse]: what is said about addresses where the site has another one."""

    links: Annotated[
        bool,
        Meta(
            description="Location, Content-Location, Refresh, Link, SourceMap, "
            "Access-Control-Allow-Origin and Timing-Allow-Origin name the visitor-facing address "
            "where the site names its own."
        ),
    ] = True
    referrers: Annotated[
        bool,
        Meta(description="Origin and Referer name the site's own address to the site."),
    ] = True
    cookie_domain: Annotated[
        bool,
        Meta(description="A cookie's Domain that does not cover the visitor-facing host goes."),
    ] = True
    cookie_secure: Annotated[
        bool,
        Meta(
            description="Where visitors come by http, Secure, SameSite=None and Partitioned go, "
            "except from cookies named `__Secure-` and `__Host-`."
        ),
    ] = True
    csp: Annotated[
        bool,
        Meta(
            description="Policies that name the site's host name the visitor-facing one too; "
            "where visitors come by http, upgrade-insecure-requests goes."
        ),
    ] = True
    keep_hsts: Annotated[
        bool, Meta(description="Strict-Transport-Security, said for the site's host, stays.")
    ] = False
    keep_alt_svc: Annotated[
        bool, Meta(description="Alt-Svc, which leads around the proxy, stays.")
    ] = False


class AssetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [proxy.assets]: images, fonts and style sheets that visitors got, kept for agents."""

    memory_mb: Annotated[
        int,
        Meta(
            ge=0,
            le=65_536,
            description="Memory for all of them. 0: none are kept, and agents see only what the "
            "visitor's page can read itself.",
        ),
    ] = 256
    file_mb: Annotated[int, Meta(ge=1, le=64, description="Larger files are not kept.")] = 8
    keep_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="How long a file is kept for a session to start."),
    ] = 900


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
    cert: Annotated[
        str,
        Meta(
            description="PEM file with the visitor-side certificate, its chain and its key, in "
            "front of a site. Empty: mitmproxy signs one itself where visitors come by https."
        ),
    ] = ""
    origin_ca: Annotated[
        str,
        Meta(
            description="PEM file of the authorities that sites are trusted by, and no others. "
            "Empty: the public ones."
        ),
    ] = ""
    origin_tls_min: Annotated[
        Literal["", "1.0", "1.1", "1.2", "1.3"],
        Meta(
            description="Oldest TLS that is spoken with sites. `1.0` and `1.1` take the ciphers of "
            "their time, too. Empty: mitmproxy's default."
        ),
    ] = ""
    forward: Annotated[
        bool,
        Meta(
            description="Forward or transparent mode: only the hosts of `include` are opened, all "
            "others pass unread, and private addresses are refused unless they are in it. "
            "`cobrowse up --forward` sets it."
        ),
    ] = False
    auth: Annotated[
        str,
        Meta(
            description="`user:password` that browsers must give in forward mode. Needed where "
            "the proxy listens on more than this machine."
        ),
    ] = ""
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
    include: Annotated[
        list[str],
        Meta(
            description="Pages that get the script, as `host/path` with `*` for any characters: "
            '`"shop.test/account/*"`. Empty: every page.'
        ),
    ] = []
    exclude: Annotated[list[str], Meta(description="Pages that do not, over `include`.")] = []
    ignore_no_transform: Annotated[
        bool,
        Meta(description="Splice pages marked `Cache-Control: no-transform` too."),
    ] = False
    metrics_listen: Annotated[
        str,
        Meta(description="Loopback host:port that serves counters for Prometheus. Empty: none."),
    ] = ""
    debug_header: Annotated[
        bool,
        Meta(description="Tell in an `X-Cobrowse` header what happened to a page, and why."),
    ] = False
    reverse: ReverseSettings = ReverseSettings()
    assets: AssetSettings = AssetSettings()

    def __post_init__(self) -> None:
        if not (self.prefix.startswith("/") and self.prefix.endswith("/") and len(self.prefix) > 2):
            raise ValueError("prefix must begin and end with / and have a name between")
        _check_url("relay", self.relay, ("http", "https"))
        if self.auth and not re.fullmatch(r"[^:\s]+:\S+", self.auth):
            raise ValueError("auth must be user:password")
        if self.metrics_listen:
            host, _ = split_address("metrics_listen", self.metrics_listen)
            if not ip_address("127.0.0.1" if host == "localhost" else host).is_loopback:
                raise ValueError(f"metrics_listen must be a loopback address, not {host}")
        if self.direct_url:
            _check_url("direct_url", self.direct_url, ("ws", "wss"))
        force_setattr(self, "origins", {host.lower(): u for host, u in self.origins.items()})
        for name, url in {"origin": self.origin, **self.origins}.items():
            if url:
                _check_url(name, url, ("http", "https"))


class CookieSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cookie as a table, for what a bare name cannot say."""

    cookie: Annotated[str, Meta(description="The cookie's name.")]
    decode: Annotated[
        tuple[Literal["percent", "base64", "hmac", "json", "jwt"], ...],
        Meta(
            description="What is undone, in this order; `json` and `jwt` only as the last. `hmac` "
            "is `value.signature`, by HMAC-SHA256 in hex or base64, as Express signs cookies."
        ),
    ] = ("percent",)
    field: Annotated[
        str,
        Meta(description="Path of the value in the JSON or among the JWT's claims: `user.email`."),
    ] = ""
    key: Annotated[
        str,
        Meta(
            description="Secret, or public key as PEM, that the signature must fit. Empty: a "
            "JWT is not verified."
        ),
    ] = ""
    algorithms: Annotated[
        tuple[Literal["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"], ...],
        Meta(description="Signatures that are accepted."),
    ] = ("HS256",)
    charset: Annotated[str, Meta(description="Of the cookie's text, as Python names it.")] = "utf-8"

    def __post_init__(self) -> None:
        structured = self.decode[-1:] in (("json",), ("jwt",))
        if {"json", "jwt"} & set(self.decode[:-1]):
            raise ValueError("decode: json and jwt can only be the last step")
        if self.field and not structured:
            raise ValueError("field needs json or jwt as the last step of decode")
        if structured and not self.field and self.decode[-1] == "jwt":
            raise ValueError("field must say which of the JWT's claims is meant")
        if self.key and not {"jwt", "hmac"} & set(self.decode):
            raise ValueError("key needs jwt or hmac in decode")
        if "hmac" in self.decode and not self.key:
            raise ValueError("hmac needs a key")
        try:
            "".encode(self.charset)
        except LookupError as error:
            raise ValueError(f"charset {self.charset!r} is not known") from error

    @property
    def is_signed(self) -> bool:
        """Whether a visitor cannot forge it."""
        return bool(self.key)


class CookieMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section [groups.<groupid>.cookies]."""

    visitorid: Annotated[
        str | CookieSource, Meta(description="Cookie that holds the visitor id.")
    ] = ""
    name: Annotated[str | CookieSource, Meta(description="Cookie that holds the name.")] = ""
    email: Annotated[str | CookieSource, Meta(description="Cookie that holds the address.")] = ""
    phone: Annotated[str | CookieSource, Meta(description="Cookie that holds the number.")] = ""

    def sources(self) -> dict[str, CookieSource]:
        """field to where it comes from, without the fields that have no cookie."""
        found = {}
        for field in self.__struct_fields__:
            source = getattr(self, field)
            if isinstance(source, str):
                source = CookieSource(cookie=source)
            if source.cookie:
                found[field] = source
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

    def __post_init__(self) -> None:
        force_setattr(self, "hosts", [host.lower() for host in self.hosts])


class RelayFolder(msgspec.Struct, frozen=True, kw_only=True):
    """Section [relay], as far as the proxy of the same machine reads it.

    data_dir decides where both find the secret by default; by cert the relay is known.
    """

    data_dir: str = ""
    cert: str = ""


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
