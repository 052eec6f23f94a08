"""Make the README's picture: `python -m tests.browser.screenshot docs/session.png`."""

import base64
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, chromium_path
from tests.browser.mirror import until, wait_for_equal_trees
from tests.browser.visiting import log_in, start_session
from tests.stack import running_stack, serving_origin

SHEET = """
<style>
  body { margin: 0; padding: 24px; display: flex; gap: 24px; background: #f3f5f7;
         font: 18px system-ui, "DejaVu Sans", sans-serif; color: #1d2733; width: max-content; }
  figure { margin: 0; } figcaption { margin-bottom: 10px; }
  img { display: block; height: 700px; border: 1px solid #c4ccd4; border-radius: 6px; }
</style>
<figure><figcaption>The visitor, on a site that nobody changed</figcaption><img src="%s"></figure>
<figure><figcaption>The agent, who sees the page but no secret</figcaption><img src="%s"></figure>
"""


def main(target: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_origin() as origin,
        running_stack(Path(folder), origin.url) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        visitor = browser.new_context(viewport={"width": 940, "height": 700}).new_page()
        agent = browser.new_context(viewport={"width": 1100, "height": 800}).new_page()
        log_in(visitor, stack.visitor_url)
        agent.goto(stack.agent_view(start_session(visitor)))
        visitor.click("text=Transfer money")
        visitor.wait_for_url("**/transfer")
        wait_for_equal_trees(visitor, agent)
        visitor.fill("#to", "Søren Kjær")
        visitor.fill("#amount", "120.00")
        visitor.fill("#note", "The boat, second half")
        visitor.fill("#card_number", "4111 1111 1111 1111")
        visitor.fill("#pin", "top secret")
        visitor.mouse.move(520, 250)
        visitor.mouse.move(560, 330)
        until(
            agent,
            "document.querySelector('.cursor').style.left === '560px'"
            "&& document.querySelector('#screen iframe').contentDocument"
            ".querySelector('input[type=password]').value !== ''",
        )
        shots = (base64.b64encode(page.screenshot()).decode() for page in (visitor, agent))
        sheet = browser.new_page(viewport={"width": 1980, "height": 790})
        sheet.set_content(SHEET % tuple(f"data:image/png;base64,{shot}" for shot in shots))
        sheet.locator("body").screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
