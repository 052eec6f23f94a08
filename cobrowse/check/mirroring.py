"""A session on a page: whether an agent sees what the visitor sees, and no secret."""

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import BrowserContext, Page, Response
from playwright.async_api import Error as BrowserError

from cobrowse.check.fields import Field
from cobrowse.check.looking import settle
from cobrowse.check.observed import Mirrored
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
# Put a text into an empty field, of which no event tells the page, or take it out again. Returns
# what is in the field now.
_FILL: Final = """([selector, text, isIn]) => {
  const field = document.querySelector(selector);
  if (!field) return "";
  if (isIn ? !field.value : field.value === text) field.value = isIn ? text : "";
  return String(field.value);
}"""
_MARK: Final = "(name) => document.body.append(document.createElement(name))"
_UNMARK: Final = "(name) => document.querySelector(name)?.remove()"
_IS_MARKED: Final = (
    "(name) => !!document.querySelector('#screen iframe')?.contentDocument.querySelector(name)"
)


async def is_live(page: Page) -> bool:
    """Whether the page has the visitor script."""
    return bool(await page.evaluate(_IS_LIVE))


async def mirror(
    page: Page, desk: BrowserContext, stage: Stage, addresses: Sequence[str], fields: list[Field]
) -> Mirrored:
    """Start a session on a page that is loaded, and look at it as an agent.

    Args: addresses: of the files that the page has loaded. fields: that should be masked.
    """
    if not await is_live(page):
        return Mirrored(error="the visitor script is not there")
    try:
        what, value = await page.evaluate(f"() => Promise.race([({_START})(), {_late()}])")
    except BrowserError as error:
        return Mirrored(error=error.message.splitlines()[0])
    if what != "key":
        return Mirrored(error=str(value))
    agent = await desk.new_page()
    refused: list[str] = []
    agent.on("response", lambda response: _note(response, refused))
    try:
        return await _look(page, agent, stage.agent_view(value), refused, addresses, fields)
    except BrowserError as error:
        return Mirrored(error=f"the agent does not see the page: {error.message.splitlines()[0]}")
    finally:
        await agent.close()
        # A page that keeps its browser busy answers nothing any more.
        with contextlib.suppress(BrowserError, TimeoutError):
            async with asyncio.timeout(CLEANING_UP_S):
                await page.evaluate(_STOP)


def _late() -> str:
    late = f'done(["error", "no answer in {TIMEOUT_S:.0f} s"])'
    return f"new Promise((done) => setTimeout(() => {late}, {TIMEOUT_S * 1000:.0f}))"


def _note(response: Response, refused: list[str]) -> None:
    found = _FILE.search(response.url)
    if found and response.status >= 400:
        refused.append(found[1])


async def _look(
    page: Page,
    agent: Page,
    url: str,
    refused: list[str],
    addresses: Sequence[str],
    fields: list[Field],
) -> Mirrored:
    await agent.goto(url)
    await agent.wait_for_selector("body[data-page=shown]", timeout=TIMEOUT_S * 1000)
    await settle(agent)
    names = {asset_id(address.partition("#")[0]): address for address in addresses}
    mirrored = await _pictures(page, agent)
    mirrored.missing = sorted({names[name] for name in refused if name in names})
    if not await _arrives(page, agent, "check-follows"):
        mirrored.error = "the agent's copy does not follow the page"
    else:
        mirrored.readable = await _readable(page, agent, fields)
    return mirrored


async def _pictures(page: Page, agent: Page) -> Mirrored:
    await agent.evaluate("document.querySelector('.cursor').style.visibility = 'hidden'")
    # What the visitor sees of us is no part of the page.
    await page.locator("cobrowse-visitor").evaluate("(ours) => { ours.hidden = true; }")
    best = Mirrored(difference=1.0)
    for _ in range(_ATTEMPTS):
        told: dict[str, Any] = await agent.evaluate(_COPY, [])
        shown, copy = await page.screenshot(), await agent.locator("#screen").screenshot()
        found = difference(shown, copy, told["rects"], told["size"][0])
        if found <= best.difference:
            best = Mirrored(difference=found, masked=len(told["rects"]), page=shown, copy=copy)
            best.is_empty = ink(copy) < ink(shown) / 4
        if found < 0.002:
            break
    return best


async def _readable(page: Page, agent: Page, fields: list[Field]) -> list[Field]:
    """The fields whose text gets to the agent: seen by putting one into them, for a moment."""
    found = []
    for number, one in enumerate(fields):
        probe = f"{one.probe[:-1]}{number % 9 + 1}"
        try:
            text = await page.evaluate(_FILL, [one.selector, probe, True])
            if len(text) < _TELLING_CHARACTERS:
                continue
            if await _arrives(page, agent, f"check-{number}-filled") and await _shows(agent, text):
                found.append(one)
        finally:
            with contextlib.suppress(BrowserError, TimeoutError):
                async with asyncio.timeout(CLEANING_UP_S):
                    await page.evaluate(_FILL, [one.selector, probe, False])
    return found


async def _shows(agent: Page, text: str) -> bool:
    """Whether a field of the copy has a text, now or in a moment: values come after elements."""
    for _ in range(_LOOKS):
        if (await agent.evaluate(_COPY, [text]))["readable"]:
            return True
        await agent.wait_for_timeout(_LOOK_EVERY_MS)
    return False


async def _arrives(page: Page, agent: Page, name: str) -> bool:
    """Whether the copy has got all that the page is now, as seen by an element put in last."""
    for element in (name, f"{name}-too"):  # what is looked for at each painted frame has come, too
        await page.evaluate(_MARK, element)
        deadline = time.monotonic() + TIMEOUT_S
        while not await agent.evaluate(_IS_MARKED, element):
            if time.monotonic() > deadline:
                return False
            await agent.wait_for_timeout(50)
        await page.evaluate(_UNMARK, element)
    return True
