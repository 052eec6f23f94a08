"""An agent's system looks a visitor up, and the agent follows the address that it is told."""

import json
import time
import urllib.request
from typing import Any

from playwright.sync_api import Page, expect

from relay.auth import make_login_key
from tests.browser.mirror import until, wait_for_equal_trees
from tests.browser.visiting import log_in, start_session
from tests.stack import API_KEY, GROUP, Stack

METHOD = "/services/SessionService.asmx/LookupPartnerCobrowseSession"


def lookup(stack: Stack, key: str) -> Any:
    given = {
        "partnerid": GROUP,
        "partneruserid": "anna",
        "ssnkey": key,
        "loginkey": make_login_key(GROUP, "anna", API_KEY, int(time.time()) + 60),
    }
    request = urllib.request.Request(
        stack.relay_url + METHOD, json.dumps(given).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["d"]


def test_the_address_of_a_lookup_by_visitor_id_shows_the_visitors_page(
    stack: Stack, visitor: Page, agent: Page
) -> None:
    log_in(visitor, stack.visitor_url)
    visitorid = visitor.evaluate("window.GLANCE_COBROWSE.visitorid")
    assert lookup(stack, visitorid) == {"__type": "PartnerCobrowseSession", "found": False}
    assert start_session(visitor) == visitorid
    found = lookup(stack, visitorid)
    assert (found["visitorid"], found["state"]) == (visitorid, "waiting")
    agent.goto(found["joinurl"])
    wait_for_equal_trees(visitor, agent)
    expect(agent.locator("#state")).to_have_text("Live")
    assert "loginkey" not in agent.url.lower()
    assert [a["partneruserid"] for a in lookup(stack, visitorid)["agents"]] == ["anna"]
    # The same customer starts again elsewhere.
    visitor.evaluate("GLANCE.Cobrowse.Visitor.stopSession()")
    until(visitor, "!GLANCE.Cobrowse.Visitor.inSession()")
