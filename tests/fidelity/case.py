"""One small page, what happens on it, and what the agent is to see the same of."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from playwright.sync_api import Page

from tests.browser.pages import respond

# Each kind is a browser context of its own: classic scrollbars of 15 pixels, two device pixels
# per CSS pixel, a telephone.
Kind = Literal["plain", "scrollbars", "retina", "mobile"]
# A response, by the head of its request.
Answer = Callable[[bytes], bytes]

STYLE = "body { margin: 8px; font: 16px/20px sans-serif; caret-color: transparent }"


@dataclass(frozen=True)
class Case:
    """
    Args:
        name: says what is shown; names of files and tests are made from it.
        page: a whole document, or the body of one; "{other}" is another origin that serves it, too.
        before: a script at the end of the page, run before the session sees the page.
        act: what happens while the agent watches: a script (may await), or real input.
        files: what the page loads, by name: content type and content; or an answer.
        media, agent_media: how their browsers are set, as Page.emulate_media takes it.
        share: how many of the pixels may differ clearly, 0 to 1.
        listed: whether rrweb is known to fail it.
        why: why ours does not pass, in one sentence.
    """

    name: str
    page: str
    before: str = ""
    act: str | Callable[[Page], object] = ""
    files: Mapping[str, "tuple[str, bytes | str] | Answer"] = field(default_factory=dict)
    media: Mapping[str, str] = field(default_factory=dict)
    agent_media: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = "plain"
    share: float = 0.002
    listed: bool = False
    why: str = ""
    feature: str = ""

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def path(self) -> str:
        return f"/fidelity/{self.slug}/"

    def responses(self, other: str) -> dict[str, bytes | Answer]:
        """What a site answers, by path. other: another origin that serves this site."""
        found: dict[str, bytes | Answer] = {
            self.path: respond(self.document().replace("{other}", other + self.path.rstrip("/")))
        }
        for name, file in self.files.items():
            if callable(file):
                found[self.path + name] = file
                continue
            kind, content = file
            if isinstance(content, str):
                content = content.replace("{other}", other + self.path.rstrip("/"))
            found[self.path + name] = respond(content, content_type=kind)
        return found

    def document(self) -> str:
        script = f"<script>{self.before}</script>" if self.before else ""
        if re.match(r"\s*<(?:!doctype|html|frameset)", self.page, re.IGNORECASE):
            return self.page.replace("{before}", script)
        return (
            f"<!doctype html><html><head><meta charset=utf-8><title>{self.name}</title>"
            f"<style>{STYLE}</style></head><body>{self.page}{script}</body></html>"
        )


def group(feature: str, *cases: Case) -> tuple[Case, ...]:
    return tuple(replace(case, feature=feature) for case in cases)


def by_name(cases: Iterable[Case]) -> dict[str, Case]:
    """By slug; each is there once."""
    found: dict[str, Case] = {}
    for case in cases:
        if case.slug in found:
            raise ValueError(f"two cases are called {case.slug}")
        found[case.slug] = case
    return found
