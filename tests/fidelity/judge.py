"""Whether an engine shows the agent what the visitor sees."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from PIL import Image
from playwright.sync_api import Page

from tests.fidelity.case import Case
from tests.fidelity.compare import differences, picture, snapshot, unlike

PATIENCE_S: Final = 20.0
# Where they are known to differ.
BRIEFLY_S: Final = 0.4
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


@dataclass
class Look:
    """One look at both sides: in what they differ, and what the visitor saw."""

    differences: list[str]
    nodes: Any
    picture: Image.Image | None = None


def judge(engine: Engine, case: Case) -> list[str]:
    """Play a case; returns in what page and copy differ, nothing where they are the same."""
    page = engine.open(case)
    look = _play(engine, case, page) if case.act else _settle(engine, case, page)
    if PICTURES:
        _keep_pictures(engine, case, page, look.differences)
    return look.differences


def _play(engine: Engine, case: Case, page: Page) -> Look:
    engine.deliver()
    if not case.before:
        before = Look([], snapshot(page)[0], picture(page))
    else:
        before = _settle(engine, case, page)
        if before.differences:
            return Look([f"before: {line}" for line in before.differences], None)
    if callable(case.act):
        case.act(page)
    else:
        page.evaluate(f"async () => {{ {case.act} }}")
    after = _settle(engine, case, page)
    if not after.differences and _is_same(before, after, case.share):
        # A copy of what was there before would do.
        return Look(["the case is void: what happens is not to be seen"], None)
    return after


def _is_same(one: Look, two: Look, share: float) -> bool:
    if differences(one.nodes, two.nodes):
        return False
    assert one.picture and two.picture
    return unlike(one.picture, two.picture) <= share


def _settle(engine: Engine, case: Case, page: Page) -> Look:
    """Wait until page and copy are the same, or long enough."""
    deadline = time.monotonic() + (BRIEFLY_S if case.why else PATIENCE_S)
    while True:
        engine.deliver()
        look = _look(engine, case, page)
        if not look.differences or time.monotonic() > deadline:
            return look
        page.wait_for_timeout(LOOK_AGAIN_MS)


def _look(engine: Engine, case: Case, page: Page) -> Look:
    agent, document = engine.copy()
    nodes, step = snapshot(page)
    found = differences(nodes, snapshot(agent, document, step)[0])
    if found:
        return Look(found, nodes)
    one, two = _pictures(engine, case, page)
    share = unlike(one, two)
    return Look([f"{share:.2%} of the pixels"] if share > case.share else [], nodes, one)


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
