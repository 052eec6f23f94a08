"""cobrowse check on real sites: what it finds, and that it finds nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from cobrowse.processes import Processes
from tests.browser.checking import Check, check, faults, finding, site
from tests.browser.django_site import PASSWORD, USER, serving_django
from tests.browser.pages import respond
from tests.stack import Origin, free_port
from tests.wire.raw import RawServer

__all__ = ["check", "site"]

# What is odd about the demo's pages. What a frame, a canvas or a file of another site shows is
# missing in the picture of the agent's copy, too, where it is large enough.
ODD = {
    "/odd/canvas": {"session"},
    "/odd/fields": {"fields"},
    "/odd/files": {"files"},
    "/odd/frame": {"frames", "session"},
    "/odd/policy": {"session"},
    "/odd/sandbox": {"script"},
    "/odd/worker": {"workers"},
    "/odd/xhtml": {"script"},
}


def test_the_demos_odd_pages_are_found_and_no_others(
    check: Check, origin: Origin, tmp_path: Path
) -> None:
    html = tmp_path / "report.html"
    code, report = check(f"{origin.url}/odd", "--crawl", "30", "--html", str(html))
    found = faults(report)
    assert {path: codes for path, codes in found.items() if codes} == ODD
    assert {"/", "/accounts", "/rates", "/safe", "/tokyo", "/branches", "/transfer"} <= set(found)
    assert code == 2 and report["grade"] == "broken"
    assert html.read_text().count("data:image/webp") >= 4 * len(found) - 8


def test_whoever_is_logged_in_is_recognised(check: Check, origin: Origin, browser: Browser) -> None:
    visitor = browser.new_page()
    visitor.goto(f"{origin.url}/login")
    visitor.fill("#user", "renee")
    visitor.fill("#password", "any")
    visitor.click("input[type=submit]")
    given = [f"{c.get('name')}={c.get('value')}" for c in visitor.context.cookies()]
    visitor.close()
    cookies = [part for one in given for part in ("--login-cookie", one)]
    code, report = check(f"{origin.url}/accounts", *cookies)
    assert (code, faults(report)) == (0, {"/accounts": set()})
    # The config file has these cookies already.
    assert not any(f["code"] == "cookies" for f in report["pages"][0]["findings"])
    assert not any(one.split("=")[1] in json.dumps(report) for one in given)


def test_djangos_admin_is_fine(check: Check, tmp_path: Path, browser: Browser) -> None:
    with serving_django(tmp_path) as url:
        admin = browser.new_page()
        admin.goto(f"{url}/admin/")
        admin.fill("#id_username", USER)
        admin.fill("#id_password", PASSWORD)
        admin.click("input[type=submit]")
        admin.wait_for_selector("#user-tools")
        file = tmp_path / "cookies"
        lines = [f"{c.get('name')}={c.get('value')}\n" for c in admin.context.cookies()]
        file.write_text("".join(lines))
        admin.close()
        assert check(f"{url}/admin/login/")[0] == 0
        code, report = check(
            f"{url}/admin/auth/user/", "--crawl", "3", "--login-cookie", f"@{file}"
        )
    assert code == 0 and len(report["pages"]) == 3, faults(report)
    assert finding(report, "session")["grade"] == "fine"


@pytest.fixture
def documentation() -> Iterator[str]:
    """The documentation of an installed package, as pdoc serves it."""
    port, processes = free_port(), Processes()
    try:
        processes.start(
            "pdoc", ["-W", "ignore", "-m", "pdoc", "--no-browser", "-p", str(port), "h11"]
        )
        processes.wait_ready("127.0.0.1", port, "pdoc")
        yield f"http://127.0.0.1:{port}"
    finally:
        processes.stop()


def test_a_documentation_site_is_fine(check: Check, documentation: str) -> None:
    code, report = check(f"{documentation}/h11.html")
    assert code == 0, faults(report)


STRICTEST = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def test_the_strictest_policy_is_fine(check: Check, site: RawServer) -> None:
    page = "<!doctype html><title>Strict</title><h1>Strict</h1><p>Nothing is allowed here."
    answer = respond(
        page, f"Content-Security-Policy: {STRICTEST}; require-trusted-types-for 'script'"
    )
    site.answer = lambda connection, head: connection.sendall(answer)
    code, report = check(f"{site.url}/")
    assert code == 0, faults(report)
    lines = finding(report, "policy")["details"]
    assert any(line.startswith("+ Content-Security-Policy: script-src 'nonce-") for line in lines)
