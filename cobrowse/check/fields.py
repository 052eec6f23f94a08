"""Form fields that look sensitive, from a page's HTML. Pure."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
from bs4 import BeautifulSoup, Tag

# What it may be, and the words that tell it in names, labels and placeholders. Passwords, cards and
# codes are masked whatever the settings say, and are looked for all the same.
_KINDS: Final[dict[str, re.Pattern[str]]] = {
    kind: re.compile(words, re.IGNORECASE)
    for kind, words in {
        "password": r"passw(or)?d|passphrase|kennwort|mot de passe|contraseña|senha",
        "card": r"card ?n(o|um)|cvv|cvc|kartennummer|numero de carte|tarjeta",
        "account number": r"\biban\b|account ?n(o\b|um)|sort ?code|routing|kontonummer|\bbic\b",
        "tax or social security number": r"\bssn\b|social ?security|\btax\b|\btin\b|\bnino\b"
        r"|steuer|sozialversicherung|sécurité sociale|\bcpf\b|\bdni\b|personnummer",
        "identity document": r"passport|id ?card|licen[cs]e ?n|identity ?n|ausweis|passeport",
        "date of birth": r"birth|\bdob\b|geburt|naissance|nacimiento",
        "security answer": r"maiden|security ?(question|answer)|secret ?(question|answer)",
        "income": r"salary|income|net ?worth|gehalt|einkommen|salaire|revenu\b",
        "health": r"diagnos|allerg|medication|symptom|blood ?type|health ?insurance"
        r"|krankenvers|krankheit",
    }.items()
}
_AUTOCOMPLETE: Final = {
    "bday": "date of birth",
    "cc": "card",
    "current-password": "password",
    "new-password": "password",
    "one-time-code": "password",
}
# Types whose text is the visitor's own.
_NO_TEXT: Final = frozenset(
    {"hidden", "file", "checkbox", "radio", "button", "submit", "reset", "image", "color", "range"}
)
_PROBES: Final = {
    "number": "731910",
    "tel": "731910",
    "email": "check@check.test0",
    "url": "https://check.test/0",
    "date": "1913-07-10",
    "month": "1913-00",
    "time": "19:10",
    "datetime-local": "1913-07-10T19:10",
}
_INERT: Final = ["template", "noscript", "iframe", "noembed", "noframes"]
_PROBE: Final = "probe-of-check-0"
_WORD_END: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-.\[\]:]+")
_PLAIN_ID: Final = re.compile(r"[A-Za-z][\w-]*")
_MAX_FIELDS: Final = 40
_MAX_VALUE: Final = 200
# What cannot stand in a string of CSS as it is.
_UNQUOTED: Final = re.compile(r"""[\x00-\x1f\x7f"\\]""")


class Field(msgspec.Struct, frozen=True):
    """selector: of CSS, for the settings. kind: what it seems to ask for. probe: a text for it.

    number: of the inputs and textareas of its document or shadow root, from 0.
    """

    selector: str
    label: str
    kind: str
    probe: str
    number: int = 0


def sensitive(html: str) -> list[Field]:
    """The fields of a document or shadow root that should be masked, in its order."""
    tree = BeautifulSoup(html, "lxml")
    # What stands in these is no element of the document.
    for inert in tree.find_all(_INERT):
        inert.decompose()
    labels = _labels(tree)
    found: list[Field] = []
    for number, tag in enumerate(tree.find_all(["input", "textarea"])):
        kind_of_input = _text_of(tag, "type").lower()
        if tag.name == "input" and kind_of_input in _NO_TEXT:
            continue
        label = labels.get(id(tag), "") or _text_of(tag, "aria-label") or _text_of(tag, "title")
        kind = _kind(tag, label)
        if kind and len(found) < _MAX_FIELDS:
            selector = _selector(tag)
            probe = _PROBES.get(kind_of_input, _PROBE)
            shown = " ".join((label or _text_of(tag, "placeholder")).split())[:60]
            found.append(Field(selector, shown, kind, probe, number))
    return found


def _labels(tree: BeautifulSoup) -> dict[int, str]:
    """Texts of labels, by the identity of what they label."""
    found = {}
    named = {_text_of(tag, "id"): tag for tag in reversed(tree.find_all(id=True))}
    for label in tree.find_all("label"):
        target = named.get(_text_of(label, "for")) if label.get("for") else None
        target = target or label.find(["input", "textarea"])
        if isinstance(target, Tag):
            found[id(target)] = label.get_text(" ", strip=True)
    return found


def _kind(tag: Tag, label: str) -> str:
    if _text_of(tag, "type").lower() == "password":
        return "password"
    for token in _text_of(tag, "autocomplete").lower().split():
        for beginning, kind in _AUTOCOMPLETE.items():
            if token == beginning or token.startswith(f"{beginning}-"):
                return kind
    for words in _words(tag, label):
        for kind, pattern in _KINDS.items():
            if pattern.search(words):
                return kind
    return ""


def _words(tag: Tag, label: str) -> Iterator[str]:
    for text in (_text_of(tag, "name"), _text_of(tag, "id")):
        yield " ".join(_WORD_END.split(text))
    yield label
    yield _text_of(tag, "placeholder")


def _selector(tag: Tag) -> str:
    """As short as it can be, and still of this field alone where the page lets it."""
    if _PLAIN_ID.fullmatch(_text_of(tag, "id")):
        return f"#{_text_of(tag, 'id')}"
    for name in ("name", "id", "aria-label", "placeholder", "title", "autocomplete"):
        value = _text_of(tag, name)
        if 0 < len(value) <= _MAX_VALUE:
            return f'{tag.name}[{name}="{_UNQUOTED.sub(_escaped, value)}"]'
    kind = _text_of(tag, "type")
    return (
        f'{tag.name}[type="{_UNQUOTED.sub(_escaped, kind)}"]' if kind else f"{tag.name}:not([type])"
    )


def _escaped(character: re.Match[str]) -> str:
    """As CSS writes it in a string."""
    return f"\\{ord(character[0]):x} "


def _text_of(tag: Tag, name: str) -> str:
    value = tag.get(name, "")
    return " ".join(value) if isinstance(value, list) else str(value or "")
