"""Published settings reach every relay and its visitors; sessions that run keep what they hide."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.relays import Peer, Process, Relay, running_relay
from tests.services import Service
from tests.stack import GROUP
from tests.wire.test_relay_access import get

PATIENCE_S = 30.0


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with running_relay(tmp_path, settings=None) as made:
        yield made


@pytest.fixture
def relay(process: Process, peers: ExitStack) -> Relay:
    return Relay(process.port, peers)


def settings(process: Process, *arguments: str, text: str = "") -> str:
    """What `cobrowse settings` prints."""
    command = [sys.executable, "-m", "cobrowse", "settings", *arguments]
    done = subprocess.run(
        [*command, "--config", str(process.config)],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def publish(process: Process, text: str) -> None:
    settings(process, "import", "-", "--publish", text=text)


def shown(relay: Relay, site: str = "production") -> Any:
    """What visitors' pages get."""
    status, _, body = get(relay, f"/visitor/settings?group={GROUP}&site={site}")
    assert status == 200
    return json.loads(body)


def until_shown(relay: Relay, text: str, site: str = "production") -> None:
    """Until the button has a text."""
    deadline = time.monotonic() + PATIENCE_S
    while shown(relay, site)["button"]["text"] != text:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begun(relay: Relay, **hello: str) -> tuple[Peer, Any]:
    visitor = relay.visitor(**hello)
    answer = visitor.get()
    visitor.send({"type": "confirm", "ticket": answer["ticket"]})
    return visitor, answer


def test_staging_gets_the_draft_and_production_what_is_published(
    process: Process, relay: Relay
) -> None:
    settings(process, "import", "-", text='mask = "text"\n[button]\ntext = "Try"\n')
    until_shown(relay, "Try", "staging")
    assert shown(relay)["button"]["text"] == ""
    assert begun(relay, key="p")[1]["rules"]["mask"] == "inputs"
    assert begun(relay, key="s", site="staging")[1]["rules"]["mask"] == "text"
    settings(process, "publish", "--note", "new text")
    until_shown(relay, "Try")
    assert begun(relay, key="q")[1]["rules"]["mask"] == "text"
    for site in ("", "STAGING", "other"):
        assert shown(relay, site) == shown(relay)


def test_a_running_session_hides_more_from_its_next_page_on_and_never_less(
    process: Process, relay: Relay
) -> None:
    _, answer = begun(relay, key="KEY")
    assert answer["rules"]["mask"] == "inputs"
    publish(process, 'mask = "none"\nmasked_elements = [{ selector = ".iban" }]\nbutton.text = "1"')
    until_shown(relay, "1")
    _, answer = begun(relay, ticket=answer["ticket"])
    assert answer["type"] == "continued"
    assert (answer["rules"]["mask"], answer["rules"]["selectors"]) == ("inputs", [".iban"])
    publish(process, 'mask = "none"\nbutton.text = "2"')
    until_shown(relay, "2")
    process.kill()  # and another relay knows it, too
    process.start()
    _, answer = begun(relay, ticket=answer["ticket"])
    assert (answer["rules"]["mask"], answer["rules"]["selectors"]) == ("inputs", [".iban"])
    _, fresh = begun(relay, key="other", cookie="other")
    assert (fresh["rules"]["mask"], fresh["rules"]["selectors"]) == ("none", [])


def test_a_published_limit_counts_within_the_groups_own(tmp_path: Path, peers: ExitStack) -> None:
    with running_relay(tmp_path, settings=None, group="max_sessions = 2") as process:
        relay = Relay(process.port, peers)
        publish(process, 'max_sessions = 1\nbutton.text = "1"')
        until_shown(relay, "1")
        begun(relay, key="a", cookie="a")
        assert relay.visitor(key="b", cookie="b").get()["code"] == "limit"
        publish(process, 'button.text = "2"')
        until_shown(relay, "2")
        begun(relay, key="b", cookie="b")
        assert relay.visitor(key="c", cookie="c").get()["code"] == "limit"


def test_every_relay_hears_of_it(
    tmp_path: Path, redis: Service, postgres: Service, peers: ExitStack
) -> None:
    lines = f'store = "{postgres.url}"\nbroker = "{redis.url}"'
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with (
        running_relay(tmp_path / "a", relay=lines, settings=None) as a,
        running_relay(tmp_path / "b", relay=lines, settings=None) as b,
    ):
        relays = Relay(a.port, peers), Relay(b.port, peers)
        publish(a, 'trusted_domains = ["chat.test"]\nbutton.text = "both"')
        for relay in relays:
            until_shown(relay, "both")
            assert shown(relay)["trusted_domains"] == ["chat.test"]
            # Who may embed the agents' pages follows as well.
            _, headers, _ = get(relay, f"/cobrowse/AgentView.aspx?SessionKey=K&partnerid={GROUP}")
            assert (
                "frame-ancestors 'self' https://chat.test:*" in headers["Content-Security-Policy"]
            )
        settings(b, "restore", "1")
        assert "version 1 again" in settings(a, "list")


def test_a_relay_does_not_start_by_settings_that_it_does_not_understand(tmp_path: Path) -> None:
    """It would show agents what a newer one hides."""
    with running_relay(tmp_path, settings=None) as process:
        publish(process, 'mask = "text"')
        process.stop()
        with contextlib.closing(sqlite3.connect(tmp_path / "sessions.db")) as database:
            database.execute("UPDATE settings_versions SET settings = 'masked_frames = true'")
            database.commit()
        command = [sys.executable, "-m", "cobrowse", "relay", "--config", str(process.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "masked_frames: unknown key" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
