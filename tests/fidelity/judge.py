"""Whether an engine shows the agent what the visitor sees."""

import os
import time
from pathlib import Path
from typing import Final, Protocol

from PIL import Image
from playwright.sync_api import Page

from tests.fidelity.case import Case
from tests.fidelity.compare import differences, picture, snapshot, unlike

PATIENCE_S: Final = 3.0
# Where they are known to differ.
BRIEFLY_S: Final = 0.6
LOOK_AGAIN_MS: Final = 25
# Where pictures of what differs go, for who looks for the cause.
PICTURES: Final = os.environ.get("FIDELITY_PICTURES", "")


class Engine(Protocol):
    def open(self, case: Case) -> Page:
        """Lead the visitor to a case. Returns the visitor's page once the agent sees it, too."""
        ...

    def deliver(self) -> None:
        """Bring to the copy what has come, where that does not happen by itself."""
        ...

    def copy(self) -> tuple[Page, str]:
        """The agent's page, and what the copy's document is called in it."""
        ...

    def picture(self) -> Image.Image:
        """What the copy shows, at the size of the visitor's viewport."""
        ...


def judge(engine: Engine, case: Case) -> list[str]:
    """Play a case; returns in what page and copy differ, nothing where they are the same."""
    page = engine.open(case)
    found = []
    if case.act:
        if case.before:
            found = [f"before: {line}" for line in _settle(engine, case, page)]
        engine.deliver()
        before = (snapshot(page)[0], picture(page))
        if not found:
            if callable(case.act):
                case.act(page)
            else:
                page.evaluate(f"async () => {{ {case.act} }}")
            found = _settle(engine, case, page)
        if not found:
            now = (snapshot(page)[0], picture(page))
            # Else a copy of what was there before would do.
            if not differences(before[0], now[0]) and unlike(before[1], now[1]) <= case.share:
                found = ["the case is void: what happens is not to be seen"]
    else:
        found = _settle(engine, case, page)
    if PICTURES:
        _keep_pictures(engine, case, page, found)
    return found


def _settle(engine: Engine, case: Case, page: Page) -> list[str]:
    """Wait until page and copy are the same; returns in what they differ in the end."""
    deadline = time.monotonic() + (BRIEFLY_S if case.why else PATIENCE_S)
    while True:
        engine.deliver()
        found = _compare(engine, case, page)
        if not found or time.monotonic() > deadline:
            return found
        page.wait_for_timeout(LOOK_AGAIN_MS)


def _compare(engine: Engine, case: Case, page: Page) -> list[str]:
    agent, document = engine.copy()
    wanted, step = snapshot(page)
    found = differences(wanted, snapshot(agent, document, step)[0])
    if found:
        return found
    one, two = _pictures(engine, case, page)
    share = unlike(one, two)
    return [f"{share:.2%} of the pixels"] if share > case.share else []


def _pictures(engine: Engine, case: Case, page: Page) -> tuple[Image.Image, Image.Image]:
    one, two = picture(page), engine.picture()
    if one.size != two.size:
        two = two.resize(one.size)
    if case.kind == "scrollbars":
        # The bars themselves are the visitor's browser's.
        size = page.evaluate("[document.documentElement.clientWidth, innerHeight]")
        one, two = (image.crop((0, 0, *size)) for image in (one, two))
    return one, two


def _keep_pictures(engine: Engine, case: Case, page: Page, found: list[str]) -> None:
    one, two = _pictures(engine, case, page)
    both = Image.new("RGB", (one.width * 2 + 4, one.height), "magenta")
    both.paste(one, (0, 0))
    both.paste(two, (one.width + 4, 0))
    folder = Path(PICTURES) / type(engine).__name__.lower()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"*-{case.slug}.png"):
        stale.unlink()
    both.save(folder / f"{'differs' if found else 'same'}-{case.slug}.png")
