"""Account settings as a form: its fields, and what is filled in. Pure."""

import math
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from relay.account import AccountSettings
from relay.accounts.texts import BadSettings, from_table

Kind = Literal["text", "area", "check", "choice", "number", "colour", "lines", "rows"]

# What people read, by key, in the order of the page.
SECTIONS: Final[dict[str, dict[str, str]]] = {
    "What agents see": {
        "mask": "Hide from agents",
        "masked_elements": "Hidden elements",
        "masked_pages": "Hidden pages",
        "mask_title": "Hide page titles",
        "mask_query": "Hide the query of addresses",
        "assets": "Show images, fonts and style sheets",
        "canvas_fps": "Canvas pictures a second",
        "share_interface": "Show our own button and bar",
    },
    "Start button": {
        "button.shown": "Show the button when a page loads",
        "button.text": "Text",
        "button.background": "Colour",
        "button.color": "Colour of the text",
        "button.corner": "Corner",
        "button.shape": "Shape",
        "terms_first": "Show the terms before a session starts",
        "language": "Language",
    },
    "Terms and conditions": {
        "terms.title": "Title",
        "terms.text": "Text",
        "terms.link": "Address of the whole terms",
        "terms.link_text": "Text of the link",
        "terms.accept": "Button that accepts",
        "terms.decline": "Button that declines",
    },
    "Who may do what": {
        "trusted_domains": "Trusted domains",
        "embed_origins": "Sites that may show the viewer",
        "agent_pointer": "Visitors see what agents point at",
    },
    "Timeouts (in seconds) and limits": {
        "waiting_s": "Waiting for an agent",
        "away_s": "Visitor is away",
        "idle_s": "Nothing happens",
        "longest_s": "Longest session",
        "max_sessions": "Sessions at once",
    },
}
_CHOICES: Final = {
    "inputs": "What is in form fields",
    "none": "Only passwords, cards and codes",
    "auto": "The page's, then the browser's",
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "pt": "Português",
    "ja": "日本語",
    "ar": "العربية",
}
_LONG: Final = 1_000  # characters from which a text has several lines


@dataclass(frozen=True)
class Field:
    """One setting in the form. value: text, bool, or rows of (selector, label)."""

    key: str
    label: str
    help: str
    kind: Kind
    value: Any
    choices: tuple[tuple[str, str], ...] = ()
    most: int = 0
    problem: str = ""

    @property
    def id(self) -> str:
        return self.key.replace(".", "-")


@dataclass(frozen=True)
class Filled:
    """A form that was sent. account: None if there are problems, which stand by key."""

    account: AccountSettings | None
    values: Mapping[str, Any]
    problems: Mapping[str, str]


def values_of(account: AccountSettings) -> dict[str, Any]:
    """What stands in each field."""
    table = msgspec.to_builtins(account)
    return {key: _written(kind, _get(table, key)) for key, (kind, _) in _FIELDS.items()}


def fields(values: Mapping[str, Any], problems: Mapping[str, str]) -> dict[str, list[Field]]:
    """The form, by heading."""
    return {
        heading: [
            Field(
                key,
                label,
                _FIELDS[key][1].description or "",
                _FIELDS[key][0],
                values[key],
                _choices(key),
                _FIELDS[key][1].max_length or 0,
                problems.get(key, ""),
            )
            for key, label in labels.items()
        ]
        for heading, labels in SECTIONS.items()
    }


def read(pairs: Iterable[tuple[str, str]]) -> Filled:
    """What somebody has filled in: names are keys, "masked_elements.selector" and ".label" come in
    turn. Fields that are missing are off, or empty.
    """
    sent: dict[str, list[str]] = {}
    for name, text in pairs:
        sent.setdefault(name, []).append(text.replace("\r\n", "\n"))
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    table: dict[str, Any] = {}
    for key, (kind, _) in _FIELDS.items():
        if kind == "rows":
            selectors, labels = (sent.get(f"{key}.{part}", []) for part in ("selector", "label"))
            rows = [(s.strip(), t.strip()) for s, t in zip(selectors, labels, strict=False)]
            values[key] = [row for row in rows if any(row)]
        elif kind == "check":
            values[key] = key in sent
        else:
            text = sent.get(key, [""])[-1]
            values[key] = text if kind in ("text", "area") else text.strip()
        try:
            value = _meant(kind, values[key])
            from_table(_table(key, value))
            _put(table, key, value)
        except ValueError as error:
            problems[key] = _plain(error)
    account = None if problems else from_table(table)
    return Filled(account, values, problems)


def _written(kind: Kind, value: Any) -> Any:
    if kind == "rows":
        return [(row["selector"], row["label"]) for row in value]
    if kind == "lines":
        return "\n".join(value)
    return repr(value).removesuffix(".0") if kind == "number" else value


def _meant(kind: Kind, value: Any) -> Any:
    """Raises: ValueError."""
    if kind == "rows":
        return [{"selector": selector, "label": label} for selector, label in value]
    if kind == "lines":
        return [line.strip() for line in value.splitlines() if line.strip()]
    if kind == "number":
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("could not convert string to float")
        return int(number) if number.is_integer() else number
    return value


def _plain(error: ValueError) -> str:
    """What is wrong, for who has filled in the form."""
    problem = error.problem if isinstance(error, BadSettings) else str(error)
    if "could not convert" in problem:
        return "This is no number."
    if "matching regex" in problem:
        return "This is not written as it must be. See what stands below."
    if "of length >=" in problem:
        return "A row without a selector hides nothing: fill it in, or remove the row."
    return f"{problem}."


def _table(key: str, value: Any) -> dict[str, Any]:
    above, dot, name = key.rpartition(".")
    return {above: {name: value}} if dot else {name: value}


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    above, dot, name = key.rpartition(".")
    (table.setdefault(above, {}) if dot else table)[name] = value


def _get(table: Mapping[str, Any], key: str) -> Any:
    above, dot, name = key.rpartition(".")
    return table[above][name] if dot else table[name]


def _choices(key: str) -> tuple[tuple[str, str], ...]:
    hint = _hints(key)
    options = get_args(hint) if get_origin(hint) is Literal else ()
    shown = {**_CHOICES, "text": "All text"} if key == "mask" else _CHOICES
    return tuple((o, shown.get(o, o.replace("-", " ").capitalize())) for o in options)


def _hints(key: str) -> Any:
    return get_args(_ANNOTATIONS[key])[0]


def _annotations() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(AccountSettings, include_extras=True).items():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            inner = get_type_hints(hint, include_extras=True)
            found |= {f"{name}.{one}": inner[one] for one in inner}
        else:
            found[name] = hint
    return found


def _kind(hint: Any, meta: Meta) -> Kind:
    if get_origin(hint) is Literal:
        return "choice"
    if hint is bool:
        return "check"
    if hint in (int, float):
        return "number"
    if get_origin(hint) is list:
        of = get_args(hint)[0]
        return "rows" if isinstance(of, type) and issubclass(of, msgspec.Struct) else "lines"
    if (meta.pattern or "").startswith("^(?:#"):
        return "colour"
    return "area" if (meta.max_length or 0) >= _LONG and not meta.pattern else "text"


def _described() -> dict[str, tuple[Kind, Meta]]:
    found = {}
    for key, annotation in _ANNOTATIONS.items():
        assert get_origin(annotation) is Annotated, key
        hint, *metas = typing.get_args(annotation)
        meta = next(m for m in metas if isinstance(m, Meta))
        found[key] = _kind(hint, meta), meta
    return found


_ANNOTATIONS: Final = _annotations()
_FIELDS: Final = _described()
