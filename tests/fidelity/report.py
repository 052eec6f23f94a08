"""docs/fidelity.md, of the cases and of what rrweb made of them when it was last run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.fidelity.case import Case

ROOT: Final = Path(__file__).resolve().parent.parent.parent
DOCS: Final = ROOT / "docs" / "fidelity.md"
RRWEB: Final = Path(__file__).parent / "rrweb.json"

INTRO: Final = """\
# Fidelity

Does the agent see what the visitor sees? Small pages, one for each thing that a page can do, most
of them with something that happens while the agent watches. `python -m bench.fidelity` plays them
all to this engine and to rrweb {version} and writes this page; `pytest tests/fidelity` plays them
to this engine alone, `pytest tests/fidelity -k popover` those with that in their names.

- **Ours** is the whole: a real Chromium as visitor, mitmproxy with the addon, the relay, and the
  agent's viewer in a window of its own, in one session that goes on from page to page. Nothing is
  masked by the group's settings.
- **Plain rrweb** is the npm package as its guide for live mirroring has it: the recorder in the
  visitor's page, the `Replayer` in live mode in another window, which may load what the site has
  from the site.
- **The same** means, within six seconds: each node of both documents, of shadow trees and frames
  has the same tag, text and namespace, a box within one pixel, the same {styles} computed styles,
  values, ticks, selected options and scroll offsets; and of the pixels of the viewport at most
  0.2 % differ by more than 48 of 255 levels in any colour. Where the browser itself draws another
  thing (a scrollbar, another scale), or what is to be seen is as thin as a caret, a case says
  how many.
- What happens must be seen: where a page looks the same before and after, the case fails.

| | cases | plain rrweb | ours |
| --- | --- | --- | --- |
| all | {cases} | {rrweb} | {ours} |
| those that rrweb is known to fail | {listed} | {listed_rrweb} | {listed_ours} |
"""


@dataclass(frozen=True)
class Peer:
    """What rrweb shows as it is, by slug."""

    version: str
    passes: Mapping[str, bool]

    @classmethod
    def read(cls) -> "Peer":
        found = json.loads(RRWEB.read_text())
        return cls(found["version"], found["passes"])

    def write(self) -> None:
        passes = dict(sorted(self.passes.items()))
        text = json.dumps({"version": self.version, "passes": passes}, indent=1)
        RRWEB.write_text(text + "\n")


def report(cases: Mapping[str, Case], peer: Peer, styles: int) -> str:
    """The page. styles: how many computed styles are compared."""
    listed = [slug for slug, case in cases.items() if case.listed]
    lines = [
        INTRO.format(
            version=peer.version,
            styles=styles,
            cases=len(cases),
            rrweb=_passes(peer, cases),
            ours=sum(not case.why for case in cases.values()),
            listed=len(listed),
            listed_rrweb=_passes(peer, listed),
            listed_ours=sum(not cases[slug].why for slug in listed),
        )
    ]
    for feature, group in groupby(cases.items(), lambda item: item[1].feature):
        lines += [f"## {feature}", "", "| case | plain rrweb | ours |", "| --- | --- | --- |"]
        for slug, case in group:
            theirs = "yes" if peer.passes[slug] else "no"
            ours = f"no: {case.why}" if case.why else "yes"
            lines.append(f"| {_escaped(case.name)} | {theirs} | {_escaped(ours)} |")
        lines.append("")
    return "\n".join(lines)


def _passes(peer: Peer, slugs: Iterable[str]) -> int:
    return sum(peer.passes[slug] for slug in slugs)


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|")
