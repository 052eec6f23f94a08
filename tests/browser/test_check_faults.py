"""cobrowse check where pages, browser or network are at fault: it says of what, and goes on."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from socket import socket

from tests.browser.checking import Check, check, faults, finding, site
from tests.browser.conftest import chromium_path
from tests.browser.pages import respond
from tests.stack import free_port
from tests.wire.raw import RawServer

__all__ = ["check", "site"]

START = "<!doctype html><title>Start</title>"


def serve(site: RawServer, pages: dict[str, bytes | Callable[[socket], None]]) -> list[bytes]:
    """Answer by path; what is not there is empty. Returns the heads that come."""
    heads: list[bytes] = []

    def answer(connection: socket, head: bytes) -> None:
        heads.append(head)
        path = head.split()[1].decode().partition("?")[0]
        page = pages.get(path, respond(""))
        if isinstance(page, bytes):
            connection.sendall(page)
        else:
            page(connection)

    site.answer = answer
    return heads


def leave(connection: socket) -> None:
    connection.close()


def never_end(connection: socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\n")


def test_a_page_that_keeps_its_browser_busy_does_not_keep_the_check(
    check: Check, site: RawServer
) -> None:
    busy = "<!doctype html><title>x</title><script>setTimeout(() => { for (;;); }, 100)</script>"
    links = "<!doctype html><title>x</title><a href=/busy>busy</a><a href=/good>good</a>"
    good = "<!doctype html><title>x</title><p>good"

    serve(site, {"/": respond(links), "/busy": respond(busy), "/good": respond(good)})
    code, report = check(f"{site.url}/", "--crawl", "3", "--timeout", "20")
    assert (code, faults(report)) == (1, {"/": set(), "/busy": {"load"}, "/good": set()})
    assert "not checked: no answer in 20 s" in str(report["pages"][1])


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
    away = f"Location: {site.url.replace('127.0.0.1', 'localhost')}/?token=obviously-fake-token"
    serve(site, {"/away": respond("", away, status="302 Found")})
    code, report = check(f"{site.url}/away")
    assert code == 3 and "leads to another site" in report["why"]
    assert "token=…" in report["why"] and "obviously-fake" not in report["why"]
    hostile = """<script>Object.defineProperty(window, "GLANCE", {
        get() { throw Error("\\x1b]0;x"); } })</script>"""
    serve(site, {"/": respond(START + hostile)})
    code, report = check(site.url)
    assert code == 3 and "\x1b" not in report["why"]


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
    heads = serve(site, {"/start": respond(page)})
    code, report = check(f"{site.url}/start")
    assert (code, faults(report)) == (1, {"/start": {"fields"}})
    rules = "".join(finding(report, "fields")["proposal"])
    assert "#full" in rules and "#empty" in rules
    asked = [head.split()[1] for head in heads]
    assert b"/empty-again" in asked and b"/changed" not in asked


def test_what_is_the_same_without_the_proxy_is_not_broken(check: Check, site: RawServer) -> None:
    links = "".join(f"<a href={path}>x</a>" for path in ("/file", "/feed", "/never", "/gone"))
    heads = serve(
        site,
        {
            "/deep/start": respond(f"{START}{links}"),
            "/file": respond("abc", "Content-Disposition: attachment", content_type="text/html"),
            "/feed": respond("<rss/>", content_type="application/rss+xml"),
            "/never": respond(f"{START}<p>Never ends<img src=/image>"),
            "/image": never_end,
            "/gone": leave,
        },
    )
    start = f"{site.url.replace('//', '//me:obviously-fake@')}/deep/start?a=1&sid=0123456789abcdef"
    code, report = check(start, "--crawl", "9", "--login-cookie", "login=obviously-fake-too")
    start_path = "/deep/start?a=1&sid=…"
    assert faults(report) == {
        start_path: set(), "/file": set(), "/feed": set(), "/never": set(), "/gone": {"load"}
    }  # fmt: skip
    assert code == 1
    assert "not checked: net::ERR_EMPTY_RESPONSE" in str(report["pages"][4])
    assert all(b"login=obviously-fake-too" in head for head in heads)
    assert "obviously-fake" not in str(report) and "0123456789" not in str(report)


def test_what_asks_for_a_password_gets_that_of_the_address(check: Check, site: RawServer) -> None:
    asks = respond("", "WWW-Authenticate: Basic realm=x", status="401 Unauthorized")

    def answer(connection: socket, head: bytes) -> None:
        knows = b"authorization: Basic bWU6b2J2aW91c2x5LWZha2U=".lower() in head.lower()
        connection.sendall(respond(f"{START}<p>In") if knows else asks)

    site.answer = answer
    address = site.url.replace("//", "//me:obviously-fake@")
    code, report = check(f"{address}/")
    assert (code, faults(report)) == (0, {"/": set()}) and "obviously" not in str(report)


HARMED = """<p>Harmed<script>
  setTimeout(() => { throw new Error("of the page itself"); }, 2500);
  setInterval(() => {
    if (window.GLANCE?.Cobrowse?.Visitor?.inSession()) throw new Error("of ours");
  }, 300);
</script>"""


def test_errors_of_a_session_are_told_from_the_pages_own(check: Check, site: RawServer) -> None:
    serve(site, {"/": respond(START + HARMED)})
    code, report = check(f"{site.url}/")
    assert (code, faults(report)) == (1, {"/": {"console"}})
    told = finding(report, "console")
    assert told["details"] == ["of ours"] and "during a session" in told["text"]


PARTS = """<my-form></my-form><iframe src=/frame width=400 height=90></iframe>
  <iframe srcdoc="<label>Passport number <input id=of-srcdoc></label>" width=400 height=90></iframe>
  <iframe src=/refused width=300 height=60></iframe>
  <script>
    class Form extends HTMLElement {
      constructor() {
        super();
        this.attachShadow({mode: "open"}).innerHTML =
          "<label>Passport number <input id=in-shadow></label>";
      }
    }
    customElements.define("my-form", Form);
    setTimeout(() => navigator.serviceWorker.register("/worker.js"), 2500);
  </script>"""


def test_all_parts_of_a_page_are_looked_at(check: Check, site: RawServer) -> None:
    serve(
        site,
        {
            "/": respond(START + PARTS),
            "/frame": respond(f"{START}<label>Passport number <input id=in-frame></label>"),
            "/refused": respond(f"{START}No", "X-Frame-Options: DENY"),
            "/worker.js": respond("", content_type="text/javascript"),
        },
    )
    code, report = check(f"{site.url}/")
    assert (code, faults(report)) == (1, {"/": {"fields"}})
    told = " ".join(finding(report, "fields")["details"])
    assert "#in-shadow" in told and "#in-frame" in told and "#of-srcdoc" in told
    assert finding(report, "workers")["details"] == [f"{site.url}/worker.js"]
    assert finding(report, "frames")["text"] == "the agent sees into all 2 frames"


def test_a_browser_that_does_not_live_is_said(
    check: Check, site: RawServer, tmp_path: Path
) -> None:
    code, report = check(f"{site.url}/", "--browser", "/bin/false")
    assert code == 3 and "/bin/false does not start, or is no Chromium" in report["why"]

    pid = tmp_path / "pid"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec {chromium_path()} "$@"\n')
    browser.chmod(0o755)

    def end_the_browser(connection: socket) -> None:
        os.kill(int(pid.read_text()), signal.SIGKILL)

    serve(site, {"/": respond(f"{START}<a href=/kill>x</a>"), "/kill": end_the_browser})
    began = time.monotonic()
    code, report = check(f"{site.url}/", "--crawl", "2", "--browser", str(browser))
    assert code == 3 and f"the browser has ended at {site.url}/kill" in report["why"]
    assert time.monotonic() - began < 90


def test_a_report_that_cannot_be_written_is_said_at_once(check: Check, site: RawServer) -> None:
    code, report = check(f"{site.url}/", "--html", "/no/such/folder/x.html")
    assert code == 3 and "cannot write /no/such/folder/x.html" in report["why"]
    assert site.hears_nothing()


def test_what_ordinary_pages_do_is_no_fault_of_the_proxy(check: Check, site: RawServer) -> None:
    asked: list[bytes] = []

    def answer_once(connection: socket) -> None:
        """A site that limits how often it answers."""
        asked.append(b"")
        first, later = respond(f"{START}<p>Hello"), respond(START, status="429 Too Many Requests")
        connection.sendall(first if len(asked) == 1 else later)

    away = f"Location: {site.url.replace('127.0.0.1', 'localhost')}/elsewhere"
    named = "<form><input name=attributes><input name=childNodes><input name=nodeName></form>"
    animation = """<style>@keyframes x { to { transform: translate(600px) } }
      div { width: 300px; height: 300px; background: teal; animation: x 2s infinite }
      </style><div>"""
    pages: dict[str, bytes | Callable[[socket], None]] = {
        "/away": respond("", away, status="302 Found"),
        "/font": respond(
            f"{START}<style>@font-face {{ font-family: f; src: url(/never) }}"
            "p { font-family: f }</style><p>Text"
        ),
        "/named": respond(START + named),
        "/moves": respond(START + animation),
        "/leads": respond(f"{START}<script>setTimeout(() => location = '/led-to', 700)</script>"),
        "/led-to": respond(f"{START}<p>Led to"),
        "/zero": respond(f"{START}<label>Salary <input type=number name=salary value=0></label>"),
        "/two": respond(
            f"{START}<input placeholder=Search><input aria-label='Social security number'>"
        ),
        "/lines": respond(f"{START}<textarea placeholder='Social security&#10;number'></textarea>"),
        "/framed": respond(
            f"{START}<div style='height: 2000px'></div>"
            "<iframe sandbox=allow-scripts srcdoc='<p>x'></iframe>"
        ),
        "/limited": answer_once,
        "/never": never_end,
    }
    expected: dict[str, set[str]] = dict.fromkeys(("/", *pages), set())
    for path in ("/never", "/led-to"):  # a file, and a page that another has led to
        del expected[path]
    expected |= dict.fromkeys(("/zero", "/two", "/lines"), {"fields"})
    expected |= {"/framed": {"frames"}, "/limited": {"status"}}
    links = "".join(f"<a href={path}>x</a>" for path in expected)
    serve(site, {"/": respond(START + links), **pages})
    _, report = check(f"{site.url}/", "--crawl", "20")
    assert faults(report) == expected
    found = {page["url"].rpartition("/")[2]: str(page["findings"]) for page in report["pages"]}
    assert "it leads to another site, http://localhost" in found["away"]
    assert "Social security number" in found["two"] and "placeholder" not in found["two"]
    assert "that move by themselves left out" in found["moves"]
    assert "leads to" in found["leads"] or "goes on by itself" in found["leads"]
