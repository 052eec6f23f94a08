"""How findings are put: numbers, addresses and what pages say, short and printable. Pure."""

import json
from collections.abc import Sequence
from typing import Final

from cobrowse.check.findings import printable

_MAX_DETAILS: Final = 20
_MAX_CHARACTERS: Final = 160


def count(of: Sequence[object] | int, what: str) -> str:
    number = of if isinstance(of, int) else len(of)
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def short(text: str, most: int = _MAX_CHARACTERS) -> str:
    whole = printable(" ".join(text.split()))
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def cut(lines: Sequence[str], most: int = _MAX_CHARACTERS) -> list[str]:
    """As many as a reader looks at, none of them long. most: characters of each."""
    shown = [short(line, most) for line in lines[:_MAX_DETAILS]]
    more = len(lines) - len(shown)
    return [*shown, f"and {more:,} more"] if more else shown


def toml(text: str) -> str:
    # JSON's escapes are TOML's, too.
    is_plain = "'" not in text and text.isprintable()
    return f"'{text}'" if is_plain else json.dumps(text, ensure_ascii=False)
