"""The browsers of visitors: of each kind one page, made when it is first needed."""

from typing import Any, Final

from playwright.sync_api import Browser, Page, Playwright, ViewportSize

from tests.browser.conftest import FLAGS, TIMEOUT_MS, chromium_path
from tests.fidelity.case import Kind
from tests.fidelity.compare import SHADOWS

VIEWPORT: Final[ViewportSize] = {"width": 600, "height": 400}
# As Page.emulate_media takes them back.
NO_MEDIA: Final = dict.fromkeys(
    ("color_scheme", "reduced_motion", "forced_colors", "contrast"), "null"
)
CONTEXTS: Final[dict[Kind, dict[str, Any]]] = {
    "plain": {"viewport": VIEWPORT},
    "scrollbars": {"viewport": VIEWPORT},
    "retina": {"viewport": VIEWPORT, "device_scale_factor": 2},
    "mobile": {
        "viewport": {"width": 400, "height": 600},
        "is_mobile": True,
        "has_touch": True,
    },
}


class Visitors:
    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browsers: list[Browser] = []
        self.browser = self._launch()

    def _launch(self, flags: list[str] | None = None, **more: Any) -> Browser:
        launch = self._playwright.chromium.launch
        args = [*FLAGS, *(flags or [])]
        browser = launch(executable_path=chromium_path(), args=args, **more)
        self._browsers.append(browser)
        return browser

    def new_page(self, kind: Kind) -> Page:
        """A page in a context of its own; close the context after use."""
        browser = self.browser
        if kind == "scrollbars":
            browser = self._launch(ignore_default_args=["--hide-scrollbars"])
        context = browser.new_context(**CONTEXTS[kind])
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(SHADOWS)
        return context.new_page()

    def new_agent_page(self, kind: Kind) -> Page:
        """A page with room for the copy."""
        size: ViewportSize = {"width": 800, "height": 640}
        if kind == "mobile":
            size = {"width": 1100, "height": 1700}
        browser = self.browser
        if kind == "scrollbars":  # an agent whose own take no room
            overlays = "--enable-features=OverlayScrollbar"
            browser = self._launch([overlays], ignore_default_args=["--hide-scrollbars"])
        context = browser.new_context(viewport=size)
        context.set_default_timeout(TIMEOUT_MS)
        return context.new_page()

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()


def set_media(page: Page, media: dict[str, str]) -> None:
    page.emulate_media(**{**NO_MEDIA, **media})  # type: ignore[arg-type]


def rest_mouse(page: Page) -> None:
    """Away from what the next page has, with no button held: that would drag what it was on."""
    page.mouse.up()
    size = page.viewport_size or VIEWPORT
    page.mouse.move(size["width"] - 1, size["height"] - 1)
