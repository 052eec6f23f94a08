"""What the agent sees of what the visitor sees, beside plain rrweb; writes docs/fidelity.md.

    python -m bench.fidelity [--only ours|rrweb] [name ...]

Plays the cases of tests/fidelity to both engines, in the same Chromium, with the same judge. With
names only cases with one of them in theirs, and nothing is written. rrweb is installed from npm
into .bench. Ends with 1 where ours and the reasons in the cases contradict each other.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Error, FloatRect, Page, sync_playwright

from bench.capture import PACKAGES, bundle, install_peers
from tests.browser.pages import Pages
from tests.fidelity.case import Case, Kind
from tests.fidelity.cases import ALL
from tests.fidelity.compare import STYLES, picture
from tests.fidelity.judge import Engine, judge
from tests.fidelity.ours import Ours, serving_cases
from tests.fidelity.report import DOCS, Peer, report
from tests.fidelity.visitors import Visitors, rest_mouse, set_media

FRAME = 'document.querySelector(".replayer-wrapper iframe")'
COPY = f"{FRAME}.contentDocument"
REPLAY_PAGE = """<!doctype html><title>replay</title><style>
.replayer-wrapper iframe { position: fixed; top: 0; left: 0; border: 0; background: #fff }
.replayer-mouse, .replayer-mouse-tail { display: none }
</style>"""
WAIT_S = 5.0


@dataclass
class Pair:
    page: Page
    agent: Page


class Rrweb:
    """Visitors of the site itself, whose pages record, and agents who see them replayed."""

    def __init__(self, visitors: Visitors, site: Pages, script: str) -> None:
        self._visitors = visitors
        self._site = site
        self._script = script
        self._pairs: dict[Kind, Pair] = {}
        self._now: Pair | None = None
        self._port = site.direct.rpartition(":")[2]
        site.put("/replay", REPLAY_PAGE)

    def open(self, case: Case) -> Page:
        self._site.responses.update(case.responses(f"http://localhost:{self._port}"))
        if case.kind not in self._pairs:
            new = Pair(self._visitors.new_page(case.kind), self._visitors.new_agent_page(case.kind))
            self._pairs[case.kind] = new
        pair = self._now = self._pairs[case.kind]
        set_media(pair.page, dict(case.media))
        set_media(pair.agent, dict(case.agent_media))
        rest_mouse(pair.page)
        pair.agent.goto(self._site.direct + "/replay")
        pair.agent.evaluate(self._script)
        pair.agent.evaluate("startReplaying()")
        pair.page.goto(self._site.direct + case.path)
        pair.page.evaluate(self._script)
        pair.page.evaluate("startRecording()")
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            self.deliver()
            if pair.agent.evaluate("window.shown"):
                break
            pair.page.wait_for_timeout(20)
        return pair.page

    def deliver(self) -> None:
        assert self._now
        events = self._now.page.evaluate("window.takeEvents?.() ?? []")
        if events:
            self._now.agent.evaluate("(events) => giveEvents(events)", events)

    def copy(self) -> tuple[Page, str]:
        assert self._now
        return self._now.agent, COPY

    def picture(self) -> Image.Image:
        assert self._now
        box: FloatRect = self._now.agent.evaluate(f"{FRAME}.getBoundingClientRect().toJSON()")
        clip: FloatRect = {
            "x": box["x"],
            "y": box["y"],
            "width": box["width"],
            "height": box["height"],
        }
        return picture(self._now.agent, clip)


def play(engine: Engine, cases: Iterable[Case]) -> dict[str, list[str]]:
    """In what page and copy differ, by slug."""
    found = {}
    for case in cases:
        try:
            found[case.slug] = judge(engine, case)
        except (Error, AssertionError) as problem:
            found[case.slug] = [str(problem).partition("\n")[0]]
        print(f"{'differs' if found[case.slug] else 'same':<9}{case.name}", flush=True)
        for line in found[case.slug]:
            print(f"{'':9}{line}")
    return found


def contradictions(found: dict[str, list[str]]) -> list[str]:
    """Cases whose reasons say another thing than what was found."""
    return [slug for slug, lines in found.items() if bool(lines) != bool(ALL[slug].why)]


def main() -> None:
    parser = argparse.ArgumentParser(description="what the agent sees of the visitor's page")
    parser.add_argument("--only", choices=("ours", "rrweb"))
    parser.add_argument("names", nargs="*", help="parts of names of cases; all by default")
    asked = parser.parse_args()
    names = [name.lower().replace(" ", "-") for name in asked.names]
    cases = [c for slug, c in ALL.items() if not names or any(name in slug for name in names)]
    wrong: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_cases(Path(folder)) as site,
        sync_playwright() as playwright,
    ):
        if asked.only != "rrweb":
            visitors = Visitors(playwright)
            wrong = contradictions(play(Ours(visitors, site), cases))
            visitors.close()
        if asked.only != "ours":
            install_peers()
            visitors = Visitors(playwright)
            rrweb = Rrweb(visitors, site, bundle("rrweb_live").read_text())
            found = play(rrweb, cases)
            visitors.close()
            if not names:
                version = PACKAGES[0].rpartition("@")[2]
                Peer(version, {slug: not lines for slug, lines in found.items()}).write()
    if not names:
        DOCS.write_text(report(ALL, Peer.read(), len(STYLES)))
    if wrong:
        sys.exit(f"The reasons in the cases say other things of ours: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
