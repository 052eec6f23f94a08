"""A session on a page: whether an agent sees what the visitor sees, and no secret."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import BrowserContext, Frame, Page, Response
from playwright.async_api import Error as BrowserError

from cobrowse.check.fields import Field, sensitive
from cobrowse.check.looking import Visit, has_script_in, settle
from cobrowse.check.observed import Mirrored, is_of_its_page
from cobrowse.check.pixels import difference, ink
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
# Shorter ones may stand in a copy by chance.
_TELLING_CHARACTERS: Final = 4
_MAX_FRAMES: Final = 10
_MAX_FIELDS: Final = 40
# The HTML of a document, and of each shadow root that is open.
_ROOTS: Final = """() => {
  const found = [];
  const add = (root, html) => {
    if (found.length < 100) found.push(html.slice(0, 2_000_000).toWellFormed());
    for (const { shadowRoot } of root.querySelectorAll("*")) {
      if (shadowRoot) add(shadowRoot, shadowRoot.innerHTML);
    }
  };
  add(document, document.documentElement.outerHTML);
  return found;
}"""
# Put a text into an empty field, of which no event tells the page, or take it out again. Returns
# what is in the field now.
_FILL: Final = """([selector, text, isIn]) => {
  const find = (root) => {
    const roots = [...root.querySelectorAll("*")].filter(({ shadowRoot }) => shadowRoot);
    return roots.reduce((found, { shadowRoot }) => found ?? find(shadowRoot), root.querySelector(selector));
  };
  const field = find(document);
  if (!field) return "";
  if (isIn ? !field.value : field.value === text) field.value = isIn ? text : "";
  return String(field.value);
}"""  # noqa: E501
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
        mirrored.readable = await _readable(page, agent)
    return mirrored


async def _pictures(page: Page, agent: Page) -> Mirrored:
    await agent.evaluate("document.querySelector('.cursor').style.visibility = 'hidden'")
    # What the visitor sees of us is no part of the page.
    await page.locator("cobrowse-visitor").evaluate("(ours) => { ours.hidden = true; }")
    best = Mirrored(difference=1.0)
    for _ in range(_ATTEMPTS):
        told: dict[str, Any] = await agent.evaluate(_COPY, {})
        shown, copy = await page.screenshot(), await agent.locator("#screen").screenshot()
        found = difference(shown, copy, told["rects"], told["size"][0])
        if found <= best.difference:
            best = Mirrored(difference=found, masked=len(told["rects"]), page=shown, copy=copy)
            best.is_empty = ink(copy) < ink(shown) / 4
        if found < 0.002:
            break
    return best


async def _readable(page: Page, agent: Page) -> list[Field]:
    """The fields whose text gets to the agent: seen by putting one into them, for a moment."""
    found: dict[str, Field] = {}
    left = _MAX_FIELDS
    for number, frame in enumerate(page.frames[:_MAX_FRAMES]):
        fields: list[Field] = []
        if is_of_its_page(frame.url) or await has_script_in(frame):
            for html in await frame.evaluate(_ROOTS):
                fields += sensitive(html)
        if not fields or not await _arrives(frame, agent, f"check-frame-{number}"):
            continue
        for one in fields[:left]:
            left -= 1
            if await _is_readable(frame, agent, one, left):
                found.setdefault(one.selector, one)
    return list(found.values())


async def _is_readable(frame: Frame, agent: Page, one: Field, number: int) -> bool:
    probe = f"{one.probe[:-1]}{number % 9 + 1}"
    try:
        text = await frame.evaluate(_FILL, [one.selector, probe, True])
        if len(text) < _TELLING_CHARACTERS:
            return False
        is_there = await _arrives(frame, agent, f"check-{number}-filled")
        return is_there and await _shows(agent, text)
    finally:
        async with bounded():
            await frame.evaluate(_FILL, [one.selector, probe, False])


async def _shows(agent: Page, text: str) -> bool:
    """Whether a field of the copy has a text, now or in a moment: values come after elements."""
    for _ in range(_LOOKS):
        if (await agent.evaluate(_COPY, {"texts": [text]}))["shown"]:
            return True
        await agent.wait_for_timeout(_LOOK_EVERY_MS)
    return False


async def _arrives(frame: Frame, agent: Page, name: str) -> bool:
    """Whether the copy has got all that a frame is now, as seen by an element put in last."""
    for element in (name, f"{name}-too"):  # what is looked for at each painted frame has come, too
        await frame.evaluate(_MARK, element)
        deadline = time.monotonic() + TIMEOUT_S
        try:
            while not (await agent.evaluate(_COPY, {"name": element}))["has"]:
                if time.monotonic() > deadline:
                    return False
                await agent.wait_for_timeout(_LOOK_EVERY_MS)
        finally:
            async with bounded():
                await frame.evaluate(_UNMARK, element)
    return True
