"""Account settings as TOML, and what differs between two of them. Pure."""

import tomllib
from typing import Any, Final

import msgspec
import tomli_w

from relay.account import AccountSettings

MAX_TEXT_CHARACTERS: Final = 400_000
MAX_ROWS: Final = 500


class BadSettings(ValueError):
    """Settings that cannot be used. key: which one, dotted; "" for the whole text."""

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" if self.key else self.problem


class Change(msgspec.Struct, frozen=True):
    """One key that differs; old, new: as TOML would write them."""

    key: str
    old: str
    new: str


def to_toml(account: AccountSettings) -> str:
    """What is not by default, so that a newer version's defaults count. from_toml() reads it."""
    table = _set_only(account)
    # In strings of several lines a carriage return would be lost.
    return tomli_w.dumps(table, multiline_strings=not _has_returns(table))


def _has_returns(table: dict[str, Any]) -> bool:
    return b"\\r" in msgspec.json.encode(table)


def from_toml(text: str) -> AccountSettings:
    """Raises: BadSettings."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise BadSettings("", f"longer than {MAX_TEXT_CHARACTERS:,} characters")
    try:
        return from_table(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadSettings("", f"this is no TOML: {error}") from error


def from_table(table: dict[str, Any]) -> AccountSettings:
    """Raises: BadSettings, also for keys that nobody knows."""
    _refuse_unknown(table, _KNOWN, "")
    try:
        account = msgspec.convert(table, AccountSettings)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `")
        raise BadSettings(where.rstrip("`").removeprefix("$").lstrip("."), problem) from error
    for name in ("masked_elements", "masked_pages", "trusted_domains", "embed_origins"):
        if len(getattr(account, name)) > MAX_ROWS:
            raise BadSettings(name, f"more than {MAX_ROWS} rows")
    return account


def changes(old: AccountSettings, new: AccountSettings) -> list[Change]:
    """What differs, in the order of the keys."""
    before, after = _flat(msgspec.to_builtins(old)), _flat(msgspec.to_builtins(new))
    return [
        Change(key, _shown(before[key]), _shown(after[key]))
        for key in before
        if before[key] != after[key]
    ]


def _set_only(account: AccountSettings) -> dict[str, Any]:
    whole: dict[str, Any] = msgspec.to_builtins(account)
    default: dict[str, Any] = msgspec.to_builtins(AccountSettings())
    found: dict[str, Any] = {}
    for name, value in whole.items():
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if v != default[name][k]}
            if value:
                found[name] = value
        elif value != default[name]:
            found[name] = value
    return found


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat


def _shown(value: object) -> str:
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


_KNOWN: Final[dict[str, dict[str, Any]]] = {
    field.name: (
        {inner.name: {} for inner in msgspec.structs.fields(type(field.default))}
        if isinstance(field.default, msgspec.Struct)
        else {}
    )
    for field in msgspec.structs.fields(AccountSettings)
}


def _refuse_unknown(table: dict[str, Any], known: dict[str, Any], above: str) -> None:
    for name, value in table.items():
        if name not in known:
            raise BadSettings(f"{above}{name}", "unknown key")
        if isinstance(value, dict) and known[name]:
            _refuse_unknown(value, known[name], f"{name}.")
