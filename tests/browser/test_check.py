"""cobrowse check on real sites: what it finds, and that it finds nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from cobrowse.processes import Processes
from tests.browser.conftest import chromium_path
from tests.browser.django_site import PASSWORD, USER, serving_django
from tests.browser.pages import respond
from tests.stack import Origin, config_text, free_port
from tests.wire.raw import RawServer, raw_server

Check = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs the command as a user does. Returns its exit code and its report."""
    config = tmp_path / "cobrowse.toml"
    config.write_text(config_text(tmp_path))

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        command = ["check", "--browser", chromium_path(), "--config", str(config), "--json", "-"]
        done = subprocess.run(
            [sys.executable, "-m", "cobrowse", *command, *arguments],
            env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")},
            capture_output=True,
            text=True,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else {"why": done.stderr}

    return run


def faults(report: dict[str, Any]) -> dict[str, set[str]]:
    """By path, what is not fine."""
    return {
        "/" + page["url"].split("/", 3)[3]: {
            finding["code"] for finding in page["findings"] if finding["grade"] != "fine"
        }
        for page in report["pages"]
    }


def finding(report: dict[str, Any], code: str) -> dict[str, Any]:
    (found,) = (f for f in report["pages"][0]["findings"] if f["code"] == code)
    return dict(found)


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


@pytest.fixture
def site() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


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


def test_a_page_that_keeps_its_browser_busy_does_not_keep_the_check(
    check: Check, site: RawServer
) -> None:
    busy = "<!doctype html><title>x</title><script>setTimeout(() => { for (;;); }, 100)</script>"
    links = "<!doctype html><title>x</title><a href=/busy>busy</a><a href=/good>good</a>"
    good = "<!doctype html><title>x</title><p>good"

    def answer(connection: Any, head: bytes) -> None:
        path = head.split()[1]
        page = busy if path == b"/busy" else links if path == b"/" else good
        connection.sendall(respond(page))

    site.answer = answer
    code, report = check(f"{site.url}/", "--crawl", "3", "--timeout", "20")
    assert (code, faults(report)) == (2, {"/": set(), "/busy": {"load"}, "/good": set()})


def test_what_cannot_be_checked_is_said(check: Check, site: RawServer) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    code, report = check(url)
    assert code == 3 and f"{url} cannot be loaded: net::ERR_CONNECTION_REFUSED" in report["why"]
    code, report = check(url, "--crawl", "0")
    assert code == 3 and "--crawl takes a number of pages" in report["why"]
    tagged = "<!doctype html><script>GLANCE = {Cobrowse: {Visitor: {startSession() {}}}}</script>"
    site.answer = lambda connection, head: connection.sendall(respond(tagged))
    code, report = check(site.url)
    assert code == 3 and "a co-browse script without this proxy" in report["why"]


def test_an_app_whose_fields_hold_something_is_looked_at_and_left_alone(
    check: Check, site: RawServer
) -> None:
    page = """<!doctype html><title>App</title><h1>Profile</h1>
        <p><label>Passport number <input id=full value=X1234567></label>
        <p><label>Passport number of another person <input id=empty></label>
        <script>
          history.replaceState(null, "", "/home#top");
          let held = 0;
          setInterval(() => {
            if (empty.value) held = 1;
            else if (held === 1) held = fetch("/empty-again") && 2;
            if (full.value !== "X1234567") fetch("/changed");
          }, 20);
        </script>"""
    asked = []

    def answer(connection: Any, head: bytes) -> None:
        asked.append(head.split()[1])
        connection.sendall(respond(page))

    site.answer = answer
    code, report = check(f"{site.url}/start")
    assert (code, faults(report)) == (1, {"/start": {"fields"}})
    rules = "".join(finding(report, "fields")["proposal"])
    assert "#full" in rules and "#empty" in rules
    assert b"/empty-again" in asked and b"/changed" not in asked
