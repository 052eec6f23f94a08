"""One config file for both packages: the joined table of keys, and the first file of a newcomer."""

import difflib
import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

import proxy_addon.settings as proxy_conf
import relay.account as account_conf
import relay.settings as relay_conf
from relay.errors import SetupError


class ConfigError(Exception):
    """A config file that cannot be used; says which key and why."""


@dataclass(frozen=True)
class Key:
    """One key of cobrowse.toml, as docs/config.md shows it."""

    section: str
    name: str
    default: object
    description: str


# Where each section's keys come from. A key that both packages read stands in both.
_SECTIONS: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "": (proxy_conf.Settings, relay_conf.Settings),
    "proxy": (proxy_conf.ProxySettings,),
    "proxy.reverse": (proxy_conf.ReverseSettings,),
    "relay": (relay_conf.RelaySettings,),
    "relay.limits": (relay_conf.LimitSettings,),
    "groups.<groupid>": (proxy_conf.GroupSettings, relay_conf.GroupSettings),
    "groups.<groupid>.settings": (account_conf.AccountSettings,),
    "groups.<groupid>.settings.button": (account_conf.Button,),
    "groups.<groupid>.settings.terms": (account_conf.Terms,),
    "groups.<groupid>.cookies": (proxy_conf.CookieMapping,),
    "groups.<groupid>.cookies.<field>": (proxy_conf.CookieSource,),
}


def keys() -> list[Key]:
    """Every key, in the order of the docs; subsections are no keys."""
    found: dict[tuple[str, str], Key] = {}
    for section, structs in _SECTIONS.items():
        for struct in structs:
            hints = get_type_hints(struct, include_extras=True)
            for field in msgspec.structs.fields(struct):
                text = _description(hints[field.name])
                if text:
                    key = Key(section, field.name, _default(field), text)
                    found.setdefault((section, field.name), key)
    return list(found.values())


def load(path: str) -> tuple[proxy_conf.Settings, relay_conf.Settings]:
    """Read a config file for both packages. Raises: ConfigError, with the key's name."""
    try:
        raw = tomllib.loads(Path(path).expanduser().read_text("utf-8")) if path else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    try:
        _refuse_unknown(raw, "", "")
        return proxy_conf.parse(raw), relay_conf.parse(raw)
    except (proxy_conf.SettingsError, SetupError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _refuse_unknown(table: dict[str, Any], section: str, shown: str) -> None:
    """Raises: SetupError for the first key that nobody reads. shown: the section as written."""
    known = {f.name for struct in _SECTIONS[section] for f in msgspec.structs.fields(struct)}
    for name, value in table.items():
        below = f"{section}.{name}".lstrip(".")
        where = f"{shown}.{name}".lstrip(".")
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SetupError(f"{where}: unknown key{hint}")
        if not isinstance(value, dict):
            continue
        if below in _SECTIONS:
            _refuse_unknown(value, below, where)
        elif wild := next((s for s in _SECTIONS if _is_any_of(below, s)), ""):
            _refuse_unknown(value, wild, where)
        elif below == "groups":
            for group_id, group in value.items():
                if isinstance(group, dict):
                    _refuse_unknown(group, "groups.<groupid>", f"groups.{group_id}")


def _is_any_of(section: str, pattern: str) -> bool:
    """Whether a section is of the kind whose last part stands for any name."""
    above, _, last = pattern.rpartition(".")
    return last.startswith("<") and section.rpartition(".")[0] == above


def own_file(folder: str = "", cookies: Mapping[str, str] | None = None, settings: str = "") -> str:
    """The config file in the data folder, for who gives none. Made on the first run.

    Args:
        folder: below the data folder.
        cookies: field to cookie name, settings: lines of the account settings; for a new file.
    Raises: ConfigError.
    """
    path = relay_conf.Settings().data_dir() / folder / "cobrowse.toml"
    group = str(secrets.randbelow(90_000) + 10_000)
    lines = [
        "# Made on the first run. docs/config.md describes every key.",
        f"[groups.{group}]",
        f'api_key = "{secrets.token_hex(16)}"',
    ]
    if cookies:
        lines += ["", f"[groups.{group}.cookies]", *(f'{k} = "{v}"' for k, v in cookies.items())]
    if settings:
        lines += ["", f"[groups.{group}.settings]", settings]
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error}") from error
    return str(path)


def _description(hint: Any) -> str:
    if get_origin(hint) is not Annotated:
        return ""
    return next((m.description or "" for m in get_args(hint)[1:] if isinstance(m, Meta)), "")


def _default(field: "msgspec.structs.FieldInfo") -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return field.default_factory() if callable(field.default_factory) else None
