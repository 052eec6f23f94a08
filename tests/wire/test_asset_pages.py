"""The files of a session by HTTP: who may give them, who may see them, and how they are served."""

import contextlib
import http.client
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest

from relay import auth
from tests.relays import SECRET, SITE, Peer, Process, Relay, keyframe, running_relay

ID, OTHER_ID = "0123456789abcdef", "fedcba9876543210"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running_relay(tmp_path_factory.mktemp("relay")) as made:
        yield made


@pytest.fixture
def relay(process: Process) -> Iterator[Relay]:
    with contextlib.ExitStack() as peers:
        yield Relay(process.port, peers)


@dataclass
class Files:
    """One session's files. view: path of its agents' files."""

    port: int
    visitor: Peer
    key: str
    view: str

    def ask(
        self, method: str, path: str, body: bytes = b"", /, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, fields)
        answer = connection.getresponse()
        out = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        connection.close()
        return out

    def name(self, body: bytes, key: str | None = None, **headers: str) -> tuple[int, bytes]:
        path = "/visitor/assets?" + urlencode({"key": self.key if key is None else key})
        status, _, answer = self.ask("POST", path, body, **headers)
        return status, answer

    def give(self, asset_id: str, body: bytes, kind: str = "image/png") -> int:
        query = urlencode({"key": self.key, "id": asset_id, "type": kind})
        return self.ask("POST", f"/visitor/asset?{query}", body)[0]

    def show(self, asset_id: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.ask("GET", self.view + asset_id, b"", **headers)


@pytest.fixture
def files(process: Process, relay: Relay) -> Files:
    visitor = relay.visitor(cookie=secrets.token_hex(8))
    started = visitor.get_until("started")
    visitor.send({"type": "confirm", "ticket": started["ticket"]})
    visitor.send(keyframe())
    joined = relay.agent(started["key"]).get_until("joined")
    return Files(process.port, visitor, started["rules"]["assets"], joined["assets"])


def test_what_a_page_gives_is_shown(files: Files) -> None:
    named = json.dumps({ID: f"{SITE}/a.png", OTHER_ID: f"{SITE}/b.png"}).encode()
    assert files.name(named) == (200, json.dumps([ID, OTHER_ID], separators=(",", ":")).encode())
    assert files.give(ID, b"pixels") == 204
    assert files.name(named)[1] == json.dumps([OTHER_ID]).encode()
    status, headers, body = files.show(ID)
    assert (status, headers["content-type"], body) == (200, "image/png", b"pixels")
    assert headers["cache-control"] == "private, no-cache"
    assert files.show(ID, If_None_Match=headers["etag"])[0] == 304


def test_what_the_proxy_gives_is_shown(files: Files) -> None:
    found = msgspec.msgpack.encode([[ID, OTHER_ID], [[ID, "font/woff2", b"font"]]])
    status, answer = files.name(found, Content_Type="application/msgpack")
    assert (status, json.loads(answer)) == (200, [OTHER_ID])
    assert files.show(ID)[1:] == (files.show(ID)[1], b"font")
    assert files.show(ID)[1]["content-type"] == "font/woff2"


def test_a_file_that_is_on_its_way_is_waited_for(files: Files) -> None:
    with ThreadPoolExecutor(1) as another:
        asked = another.submit(files.show, ID)
        assert files.give(ID, b"late") == 204
        status, _, body = asked.result()
    assert (status, body) == (200, b"late")


def test_what_is_not_to_be_had_is_said_at_once(files: Files) -> None:
    assert files.give(ID, b"") == 204
    assert files.show(ID)[0] == 404


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        ("image/svg+xml", "image/svg+xml"),
        ("IMAGE/PNG; x=y", "image/png"),
        ("text/css", "text/css; charset=utf-8"),
        ("text/html", "application/octet-stream"),
        ("text/javascript", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("image/\r\nX-Evil: 1", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_nothing_that_is_served_can_run(files: Files, kind: str, served: str) -> None:
    assert files.give(ID, SVG, kind) == 204
    status, headers, body = files.show(ID)
    assert (status, headers["content-type"], body) == (200, served, SVG)
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "x-evil" not in headers


def test_each_key_opens_one_thing_of_one_session(files: Files, relay: Relay) -> None:
    other = relay.visitor(cookie=secrets.token_hex(8)).get_until("started")
    assert files.give(ID, b"mine") == 204
    view = files.view.split("/")[2]
    session = view.partition(".")[0]
    forged = auth.make_asset_key(session, "upload", b"another-secret-that-is-long-enough")
    for key in ("", "x", session, view, forged, f"{session}.", files.key[:-1], files.key + "é"):
        assert files.name(b"{}", key)[0] == 403
    hers = files.ask("GET", f"/assets/{other['rules']['assets']}/{ID}")
    assert hers[0] == 404
    for path in (f"/assets/{files.key}/{ID}", f"/assets/{session}/{ID}", f"/assets/x/{ID}"):
        assert files.ask("GET", path)[0] == 404
    other_view = auth.make_asset_key(other["rules"]["assets"].partition(".")[0], "view", SECRET)
    assert files.ask("GET", f"/assets/{other_view}/{'0' * 15}g")[0] == 404
    assert files.show(ID)[0] == 200


def test_files_go_with_their_session(files: Files) -> None:
    assert files.give(OTHER_ID, b"mine") == 204
    assert files.show(OTHER_ID)[0] == 200
    files.visitor.send({"type": "stop"})
    files.visitor.get_until("ended")
    assert files.show(OTHER_ID)[0] == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"x": "y"}', b"\xff\xfe", b"[" * 200_000, b" " * 300_000],
)
def test_what_is_no_list_is_refused(files: Files, body: bytes) -> None:
    assert files.name(body)[0] == 400
    assert files.name(b"{}") == (200, b"[]")


@pytest.mark.parametrize(
    "found",
    [
        None,
        5,
        [],
        [[]],
        [["x"], []],
        [[], [["x", "image/png", b""]]],
        [[], [[ID, 5, b""]]],
        b"\xc1",
    ],
)
def test_what_the_proxy_would_never_send_is_refused(files: Files, found: Any) -> None:
    body = found if isinstance(found, bytes) else msgspec.msgpack.encode(found)
    assert files.name(body, Content_Type="application/msgpack")[0] == 400


def test_a_file_has_only_so_many_bytes(files: Files) -> None:
    assert files.give(ID, bytes(8 * 1024 * 1024)) == 204
    assert files.give(OTHER_ID, bytes(8 * 1024 * 1024 + 1)) == 413
    assert files.show(ID)[2] == bytes(8 * 1024 * 1024)


def test_ids_are_ids(files: Files) -> None:
    for asset_id in ("", "x", ID + "0", ID.upper(), "../../etc", "é" * 16):
        assert files.give(asset_id, b"x") == 403
        assert files.ask("GET", files.view + quote(asset_id, safe=""))[0] in (404, 405)


def test_sites_with_a_tag_of_their_own_may_give_files(files: Files) -> None:
    path = "/visitor/assets?" + urlencode({"key": files.key})
    status, headers, _ = files.ask("POST", path, b"{}", Origin=SITE)
    assert (status, headers["access-control-allow-origin"]) == (200, SITE)


def test_a_group_may_have_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("none")
    with (
        running_relay(folder, settings='mask = "none"\nassets = false') as process,
        contextlib.ExitStack() as peers,
    ):
        relay = Relay(process.port, peers)
        visitor = relay.visitor(key="NONE")
        assert visitor.get_until("started")["rules"]["assets"] == ""
        visitor.send(keyframe())
        assert relay.agent("NONE").get_until("joined")["assets"] == ""
