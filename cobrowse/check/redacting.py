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
_LEAST_CHARACTERS: Final = 6


class Secrets:
    """Leaves them out of texts."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: list[str] = []
        self.learn(values)

    def learn(self, values: Iterable[str]) -> None:
        """Args: values: of cookies and the like, as they are sent."""
        found = {form for value in values for form in (value, unquote(value))}
        found = {value for value in found if len(value) >= _LEAST_CHARACTERS}
        # The longest first: one may be part of another.
        self._values = sorted(found.union(self._values), key=len, reverse=True)

    def without(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, _LEFT_OUT)
            if text.endswith(_LEFT_OUT):  # a text that was cut may end in the middle of one
                text = _without_beginning(text, value)
        return _PARAMETER.sub(rf"\1{_LEFT_OUT}", text)

    def page(self, page: PageReport) -> PageReport:
        """The same without any."""
        findings = [self._finding(finding) for finding in page.findings]
        return msgspec.structs.replace(page, url=self.without(page.url), findings=findings)

    def _finding(self, finding: Finding) -> Finding:
        return msgspec.structs.replace(
            finding,
            text=self.without(finding.text),
            details=[self.without(line) for line in finding.details],
            proposal=[self.without(line) for line in finding.proposal],
        )


def _without_beginning(text: str, value: str) -> str:
    shown = text.removesuffix(_LEFT_OUT)
    for size in range(min(len(value), len(shown)), _LEAST_CHARACTERS - 1, -1):
        if shown.endswith(value[:size]):
            return shown[:-size] + _LEFT_OUT
    return text
