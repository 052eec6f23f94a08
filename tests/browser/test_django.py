"""A real application that is not ours: Django's admin site, as it comes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.django_site import serving_django
from tests.browser.mirror import difference, wait_for_equal_trees
from tests.browser.visiting import OPEN_UI, start_session
from tests.stack import Stack, running_stack


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("django")
    with serving_django(folder) as url, running_stack(folder, url) as stack:
        yield stack


def test_the_admin_site_is_mirrored_and_works(django: Stack, visitor: Page, agent: Page) -> None:
    agent.set_viewport_size({"width": 1100, "height": 860})
    visitor.add_init_script(OPEN_UI)
    visitor.goto(f"{django.visitor_url}/admin/")
    key = start_session(visitor, '"admin-help"')
    agent.goto(django.agent_view(key))
    wait_for_equal_trees(visitor, agent)
    visitor.evaluate("document.activeElement.blur()")
    assert difference(visitor, agent) < 0.01

    visitor.fill("#id_username", "admin")
    visitor.fill("#id_password", "obviously-fake")
    visitor.click("input[type=submit]")
    expect(visitor.locator("#content h1")).to_have_text("Site administration")
    wait_for_equal_trees(visitor, agent)
    assert difference(visitor, agent) < 0.01

    visitor.click("text=Users")
    expect(visitor.locator("#result_list")).to_be_visible()
    wait_for_equal_trees(visitor, agent)
    assert difference(visitor, agent) < 0.01

    visitor.click("#result_list .field-username a")
    visitor.fill("#id_first_name", "Niels")
    wait_for_equal_trees(visitor, agent)
    # The bar stands on the site's own button here: it gives way.
    visitor.locator("cobrowse-visitor .toggle").click()
    visitor.click("input[name=_save]")
    expect(visitor.locator(".messagelist")).to_contain_text("was changed successfully")
    wait_for_equal_trees(visitor, agent)
    assert "obviously-fake" not in agent.evaluate(
        "document.querySelector('#screen iframe').contentDocument.documentElement.outerHTML"
    )
