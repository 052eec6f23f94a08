"""What no report may hold: values of cookies, and of parameters that could be keys. Pure."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

import msgspec

from cobrowse.check.findings import Finding, PageReport

_LEFT_OUT: Final = "…"
# Shorter ones are words and numbers, which tell pages apart.
_PARAMETER: Final = re.compile(r"""([?&;#][^\s?&;#="'<>]{1,64}=)[^\s?&;#"'<>]{9,}""")
# What is given on purpose is hidden from this length on; what a page's cookies hold, and may be a
# word that pages use, from that one on.
_LEAST_GIVEN: Final = 3
_LEAST_LEARNED: Final = 8
# Shorter ones count only where they stand alone.
_LEAST_INSIDE: Final = 6


class Secrets:
    """Leaves them out of texts."""

    def __init__(self, given: Iterable[str] = ()) -> None:
        """Args: given: passwords and cookies of a login."""
        self._given = _forms(given, _LEAST_GIVEN)
        self._learned: list[str] = []

    def learn(self, values: Iterable[str]) -> None:
        """Args: values: of a page's cookies, as they are sent."""
        self._learned = _forms([*self._learned, *values], _LEAST_LEARNED)

    def without(self, text: str, *, of_page: bool = False) -> str:
        """Nothing that was given, and no long parameter. of_page: nor what was learned."""
        values = _sorted([*self._given, *self._learned]) if of_page else self._given
        return _PARAMETER.sub(rf"\1{_LEFT_OUT}", _without(text, values))

    def page(self, page: PageReport) -> PageReport:
        """The same without any."""
        findings = [self._finding(finding) for finding in page.findings]
        return msgspec.structs.replace(page, url=self.without(page.url), findings=findings)

    def _finding(self, finding: Finding) -> Finding:
        return msgspec.structs.replace(
            finding,
            text=self.without(finding.text),
            # What pages say stands here; the rest is our own wording.
            details=[self.without(line, of_page=True) for line in finding.details],
            proposal=[_without(line, self._given) for line in finding.proposal],
        )


def _forms(values: Iterable[str], least: int) -> list[str]:
    forms = (form for value in values for form in (value, unquote(value)))
    return _sorted(form for form in forms if len(form) >= least)


def _sorted(values: Iterable[str]) -> list[str]:
    """The longest first: one may be part of another."""
    return sorted(set(values), key=len, reverse=True)


def _without(text: str, values: Iterable[str]) -> str:
    for value in values:
        if len(value) >= _LEAST_INSIDE:
            text = text.replace(value, _LEFT_OUT)
        elif value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _LEFT_OUT, text)
        if text.endswith(_LEFT_OUT):  # a text that was cut may end in the middle of one
            text = _without_beginning(text, value)
    return text


def _without_beginning(text: str, value: str) -> str:
    shown = text.removesuffix(_LEFT_OUT)
    for size in range(min(len(value), len(shown)), _LEAST_INSIDE - 1, -1):
        if shown.endswith(value[:size]):
            return shown[:-size] + _LEFT_OUT
    return text
