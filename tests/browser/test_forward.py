"""Anybody's site, by https: forward mode, and `cobrowse browse`."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
import trustme
from playwright.sync_api import Browser, Playwright, expect

from certs.authority import load
from cobrowse import up
from cobrowse.processes import Processes
from tests.browser.conftest import FLAGS, VIEWPORT, chromium_path
from tests.browser.mirror import until, wait_for_equal_trees
from tests.browser.visiting import RANDOM, start_session
from tests.stack import Stack, config_text, free_port
from tests.wire.http2 import H2Origin, h2_origin

PAGE = """<!doctype html><meta charset=utf-8><title>Shop</title>
<h1>Shop</h1><p id=text>something</p><a id=next href=/next>next</a>
<a id=bank href=https://127.0.0.2:{port}/bank>bank</a>"""


@dataclass(frozen=True)
class Site:
    """origin: speaks HTTP/2 alone. ca: file with the authority of its certificate."""

    origin: H2Origin
    ca: Path

    @property
    def port(self) -> int:
        return self.origin.port


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    ca, folder = trustme.CA(), tmp_path_factory.mktemp("site")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    shown = ca.issue_cert("localhost", "127.0.0.1", "127.0.0.2", "elsewhere.example")
    shown.private_key_and_cert_chain_pem.write_to_path(str(folder / "site.pem"))
    with h2_origin(folder / "site.pem", "0.0.0.0") as origin:
        origin.headers = [
            (":status", "200"),
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", "default-src 'none'; base-uri 'none'"),
        ]
        origin.body = PAGE.format(port=origin.port).encode()
        yield Site(origin, folder / "ca.pem")


def config_of(folder: Path, site: Site) -> Path:
    path = folder / "cobrowse.toml"
    path.write_text(f'{config_text(folder)}\n[proxy]\norigin_ca = "{site.ca}"\n')
    return path


@dataclass(frozen=True)
class Forward:
    proxy: str
    pin: str
    stack: Stack


@pytest.fixture(scope="module")
def forward(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Forward]:
    """Forward mode that opens localhost, and another site."""
    path = str(config_of(tmp_path_factory.mktemp("forward"), site))
    way = up.forward_of(path, ["localhost", "127.0.0.2"])
    at, relay_at = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    processes = Processes()
    try:
        up.start(processes, path, "", at, relay_at, way)
        proxy = f"http://127.0.0.1:{at[1]}"
        stack = Stack(f"https://localhost:{site.port}", f"http://127.0.0.1:{relay_at[1]}")
        yield Forward(proxy, load(way.folder).pin, stack)
    finally:
        processes.stop()


def test_a_session_on_a_site_by_https(
    playwright: Playwright, browser: Browser, forward: Forward, site: Site, tmp_path: Path
) -> None:
    agent = browser.new_page(viewport=VIEWPORT)
    through = playwright.chromium.launch_persistent_context(
        str(tmp_path / "profile"),
        executable_path=chromium_path(),
        args=[*FLAGS, f"--ignore-certificate-errors-spki-list={forward.pin}"],
        proxy={"server": forward.proxy, "bypass": "<-loopback>"},
        viewport=VIEWPORT,
    )
    try:
        visitor = through.pages[0]
        response = visitor.goto(forward.stack.visitor_url)
        assert response is not None
        details = response.security_details()
        assert details and details.get("issuer") == "cobrowse-proxy development authority"
        # HTTP/2 on both sides: this origin speaks nothing else.
        protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert visitor.evaluate(protocol) == "h2" and site.origin.requests
        agent.goto(forward.stack.agent_view(start_session(visitor, RANDOM)))
        wait_for_equal_trees(visitor, agent)
        visitor.evaluate("document.getElementById('text').textContent = 'else'")
        for link, url in (
            ("#next", f"https://localhost:{site.port}/next"),
            # To another site that is included, too.
            ("#bank", f"https://127.0.0.2:{site.port}/bank"),
        ):
            visitor.click(link)
            visitor.wait_for_url(url)
            until(visitor, "GLANCE.Cobrowse.Visitor.inSession()")
            expect(agent.locator("#url")).to_have_text(url)
            wait_for_equal_trees(visitor, agent)
        # What is not included is not opened, and private addresses are not even led to.
        with pytest.raises(Exception, match="ERR_TUNNEL_CONNECTION_FAILED"):
            visitor.goto(f"https://127.0.0.1:{site.port}/")
    finally:
        through.close()
        agent.close()


def read_until(output: IO[str], wanted: str) -> str:
    said = ""
    while wanted not in said:
        line = output.readline()
        assert line, f"it has ended: {said}"
        said += line
    return said


@contextlib.contextmanager
def browsing(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cobrowse", "browse", *arguments],
        env={**os.environ, "XDG_DATA_HOME": str(folder / "data"), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield process, read_until(process.stdout, "Ctrl-C")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder in which a browser can make sockets: their paths have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        yield Path(folder)


def test_browse_opens_a_page_in_one_command(
    playwright: Playwright, browser: Browser, site: Site, short_path: Path
) -> None:
    """And leaves neither a process nor the profile behind."""
    flags = ["--headless=new", *FLAGS, "--remote-debugging-port=0"]
    config = config_of(short_path, site)
    with browsing(
        short_path,
        f"https://localhost:{site.port}/",
        *("--config", str(config), "--browser", chromium_path(), "--", *flags),
    ) as (_, said):
        found = re.search(r"Agent +(\S+)", said)
        assert found
        profiles = list(short_path.glob("cobrowse-*"))
        assert len(profiles) == 1
        active = profiles[0] / "profile" / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        desk = browser.new_context(viewport=VIEWPORT)
        agent = desk.new_page()
        while not active.exists() or not active.read_text():
            assert time.monotonic() < deadline, "the browser never came up"
            agent.wait_for_timeout(50)
        port = active.read_text().split()[0]
        opened = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        pages = opened.contexts[0].pages
        while not pages:  # its window comes after its port
            assert time.monotonic() < deadline, "no page was opened"
            agent.wait_for_timeout(50)
            pages = opened.contexts[0].pages
        visitor = pages[0]
        visitor.wait_for_url(f"https://localhost:{site.port}/")
        until(visitor, "!!window.GLANCE?.Cobrowse?.Visitor")
        key = start_session(visitor, RANDOM)
        agent.goto(found[1])
        with desk.expect_page() as joined:
            agent.click(f"[aria-label='Join session {key}']")
        agent = joined.value
        expect(agent.locator("#title")).to_have_text("Shop")
        wait_for_equal_trees(visitor, agent)
        desk.close()
    assert not list(short_path.glob("cobrowse-*"))
