"""A session on a page: whether an agent sees what the visitor sees, and no secret."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import BrowserContext, Frame, JSHandle, Page, Response
from playwright.async_api import Error as BrowserError

from cobrowse.check.fields import Field, sensitive
from cobrowse.check.looking import Visit, has_script_in, picture, settle
from cobrowse.check.observed import Mirrored, is_of_its_page
from cobrowse.check.pixels import difference, ink, movement, share
from cobrowse.check.stage import Stage
from proxy_addon.naming import asset_id

TIMEOUT_S: Final = 20.0
# A page that moves looks different by the time that the copy is taken: the best of so many counts.
_ATTEMPTS: Final = 3
_COPY: Final = files("cobrowse.check").joinpath("copy.js").read_text("utf-8")
_FILE: Final = re.compile(r"/([0-9a-f]{16})$")
_START: Final = """() => new Promise((done) => {
  const { Visitor } = GLANCE.Cobrowse;
  Visitor.addEventListener("sessionstart", () => done(["key", Visitor.getKey()]));
  Visitor.addEventListener("error", ({ code }) => done(["error", code]));
  Visitor.startSession("GLANCE_KEYTYPE_RANDOM");
})"""
_IS_LIVE: Final = "typeof window.GLANCE?.Cobrowse?.Visitor?.startSession === 'function'"
_STOP: Final = "GLANCE.Cobrowse.Visitor.stopSession()"
CLEANING_UP_S: Final = 5.0
_LOOKS, _LOOK_EVERY_MS = 10, 50
_ALIKE_AT_ONCE: Final = 0.002
_MORE_PICTURES, _PICTURE_EVERY_MS = 6, 300
# Shorter ones may stand in a copy by chance.
_TELLING_CHARACTERS: Final = 4
_MAX_FRAMES: Final = 10
_MAX_FIELDS: Final = 40
# The document and each shadow root that is open, with their fields.
_ROOTS: Final = """() => {
  const { get: shadowRoot } = Object.getOwnPropertyDescriptor(Element.prototype, "shadowRoot");
  const found = [];
  const add = (root, element) => {
    if (found.length === 100) return;
    const fields = [...root.querySelectorAll("input,textarea")];
    fields.html = (element?.outerHTML ?? root.innerHTML).slice(0, 2_000_000).toWellFormed();
    found.push(fields);
    for (const host of root.querySelectorAll("*")) {
      const shadow = shadowRoot.call(host);
      if (shadow) add(shadow);
    }
  };
  add(document, document.documentElement);
  return found;
}"""
_HTML: Final = "(roots) => roots.map(({ html, length }) => [html, length])"
# Put a text into an empty field, of which no event tells the page, or take it out again. Returns
# what is in the field now, and how many of the document's fields hold just that.
_FILL: Final = """([roots, root, number, text, isIn]) => {
  const field = roots[root][number];
  if (isIn ? !field.value : field.value === text) field.value = isIn ? text : "";
  return [field.value, roots.flat().filter(({ value }) => value === field.value).length];
}"""
_MARK: Final = "(name) => document.body.append(document.createElement(name))"
_UNMARK: Final = "(name) => document.querySelector(name)?.remove()"


async def is_live(page: Page) -> bool:
    """Whether the page has the visitor API, ours or another's."""
    return bool(await page.evaluate(_IS_LIVE))


async def mirror(visit: Visit, desk: BrowserContext, stage: Stage) -> Mirrored:
    """Start a session on a page that is loaded, and look at it as an agent."""
    page = visit.page
    if not await is_live(page):
        return Mirrored(error="the visitor script is not there")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            what, value = await page.evaluate(_START)
    except TimeoutError:
        return Mirrored(error=f"no answer in {TIMEOUT_S:.0f} s")
    except BrowserError as error:
        return Mirrored(error=error.message.splitlines()[0])
    if what != "key":
        return Mirrored(error=str(value))
    agent = await desk.new_page()
    refused: list[str] = []
    agent.on("response", lambda response: _note(response, refused))
    try:
        mirrored = await _look(page, agent, stage.agent_view(value))
        mirrored.missing = _missing(refused, visit.since().files)
        return mirrored
    except BrowserError as error:
        return Mirrored(error=f"the agent does not see the page: {error.message.splitlines()[0]}")
    finally:
        async with bounded():
            await agent.close()
        async with bounded():
            await page.evaluate(_STOP)


@contextlib.asynccontextmanager
async def bounded() -> AsyncIterator[None]:
    """For cleaning up: a page that keeps its browser busy answers nothing any more."""
    with contextlib.suppress(BrowserError, TimeoutError):
        async with asyncio.timeout(CLEANING_UP_S):
            yield


def _note(response: Response, refused: list[str]) -> None:
    found = _FILE.search(response.url)
    if found and response.status >= 400:
        refused.append(found[1])


def _missing(refused: list[str], loaded: Mapping[str, bool]) -> list[str]:
    """What the visitor has and the agent does not. A file that is nowhere is missed by nobody."""
    names = {asset_id(url.partition("#")[0]): url for url, came in loaded.items() if came}
    return sorted({names[name] for name in refused if name in names})


async def _look(page: Page, agent: Page, url: str) -> Mirrored:
    await agent.goto(url)
    await agent.wait_for_selector("body[data-page=shown]", timeout=TIMEOUT_S * 1000)
    await settle(agent)
    mirrored = await _pictures(page, agent)
    if not await _arrives(page.main_frame, agent, "check-follows"):
        mirrored.error = "the agent's copy does not follow the page"
    else:
        await _try_fields(page, agent, mirrored)
    return mirrored


async def _pictures(page: Page, agent: Page) -> Mirrored:
    await agent.evaluate("document.querySelector('.cursor').style.visibility = 'hidden'")
    # What the visitor sees of us is no part of the page.
    await page.locator("cobrowse-visitor").evaluate("(ours) => { ours.hidden = true; }")
    shown, taken = [await picture(page)], []
    for _ in range(_ATTEMPTS):
        told: dict[str, Any] = await agent.evaluate(_COPY, "")
        taken.append((told, await agent.locator("#screen").screenshot()))
        shown.append(await picture(page))
        if not all(shown):
            return Mirrored(is_pictured=False)
        if difference(shown[0], taken[-1][1], told["rects"], told["size"][0]) < _ALIKE_AT_ONCE:
            break
    if share(movement(shown)):
        # All the places that something moves through.
        for _ in range(_MORE_PICTURES):
            await page.wait_for_timeout(_PICTURE_EVERY_MS)
            shown.append(await picture(page) or shown[-1])
    moving = movement(shown)
    best = Mirrored(difference=1.0, moving=share(moving))
    for (told, copy), before in zip(taken, shown, strict=False):
        found = difference(before, copy, told["rects"], told["size"][0], moving)
        if found <= best.difference:
            best.difference, best.masked = found, len(told["rects"])
            best.page, best.copy = before, copy
            best.is_empty = ink(copy) < ink(before) / 4
    return best


async def _try_fields(page: Page, agent: Page, mirrored: Mirrored) -> None:
    """Which fields' text gets to the agent: seen by putting one into them, for a moment."""
    left = _MAX_FIELDS
    for number, frame in enumerate(page.frames[:_MAX_FRAMES]):
        # What becomes of one frame or field says nothing of the others.
        with contextlib.suppress(BrowserError):
            if not is_of_its_page(frame.url) and not await has_script_in(frame):
                continue
            roots = await frame.evaluate_handle(_ROOTS)
            fields = [
                (root, one)
                for root, (html, length) in enumerate(await frame.evaluate(_HTML, roots))
                for one in sensitive(html)
                if one.number < length
            ]
            if not fields or not await _arrives(frame, agent, f"check-frame-{number}"):
                continue
            for root, one in fields[:left]:
                left -= 1
                await _try(frame, agent, roots, root, one, left, mirrored)


async def _try(
    frame: Frame,
    agent: Page,
    roots: JSHandle,
    root: int,
    one: Field,
    left: int,
    mirrored: Mirrored,
) -> None:
    probe = f"{one.probe[:-1]}{left % 9 + 1}"
    try:
        text, times = await frame.evaluate(_FILL, [roots, root, one.number, probe, True])
        if not text:
            mirrored.untried.append(one)
        elif await _arrives(frame, agent, f"check-{left}-filled") and await _shows(
            agent, text, times
        ):
            mirrored.readable.append(one)
    except BrowserError:
        mirrored.untried.append(one)
    finally:
        async with bounded():
            await frame.evaluate(_FILL, [roots, root, one.number, probe, False])


async def _shows(agent: Page, text: str, times: int) -> bool:
    """Whether fields of the copy have a text, now or in a moment: values come after elements.

    A short one may stand in others by chance: as many must have it as on the page.
    """
    for _ in range(_LOOKS):
        values: list[str] = (await agent.evaluate(_COPY, ""))["values"]
        if len(text) >= _TELLING_CHARACTERS and any(text in value for value in values):
            return True
        if values.count(text) >= times:
            return True
        await agent.wait_for_timeout(_LOOK_EVERY_MS)
    return False


async def _arrives(frame: Frame, agent: Page, name: str) -> bool:
    """Whether the copy has got all that a frame is now, as seen by an element put in last."""
    for element in (name, f"{name}-too"):  # what is looked for at each painted frame has come, too
        await frame.evaluate(_MARK, element)
        deadline = time.monotonic() + TIMEOUT_S
        try:
            while not (await agent.evaluate(_COPY, element))["has"]:
                if time.monotonic() > deadline:
                    return False
                await agent.wait_for_timeout(_LOOK_EVERY_MS)
        finally:
            async with bounded():
                await frame.evaluate(_UNMARK, element)
    return True
