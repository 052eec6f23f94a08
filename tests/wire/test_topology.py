"""The files of deploy/ at work: a balancer before a real proxy and two real relays.

A visitor comes in at one relay and an agent at another, by https, from addresses of their own.
"""

import contextlib
import dataclasses
import functools
import http.client
import re
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
import pytest
import trustme
import yaml
from websockets.sync.client import connect
from websockets.typing import Origin as FromOrigin
from websockets.typing import Subprotocol

from cobrowse.processes import Processes
from relay.asset_pages import BATCH_CAP_BYTES
from relay.assets import FILE_CAP_BYTES
from relay.errors import Close
from relay.hub import BEAT_S
from relay.server import PING_S
from tests import balancers
from tests.balancers import DEPLOY, RELAY, SITE, Balancer, Places
from tests.relays import PAGE, SECRET, Peer, Process, agent_token, frame, keyframe
from tests.services import Service
from tests.stack import free_port
from tests.wire.raw import RawServer, raw_server
from tests.wire.test_addon_wire import HEAD, response

GROUP = "72937"
PATIENCE_S = 20.0
PAST_THE_PROXY = f"wss://{RELAY}/visitor/socket"
THROUGH_THE_PROXY = f"wss://{SITE}/.cobrowse/socket"
_numbers = count(2)


@dataclass
class Parts:
    """What stands behind a balancer."""

    folder: Path
    places: Places
    relays: tuple[Process, Process]
    origin: RawServer
    tls: ssl.SSLContext


@pytest.fixture(scope="module")
def parts(
    tmp_path_factory: pytest.TempPathFactory, redis: Service, postgres: Service
) -> Iterator[Parts]:
    folder = tmp_path_factory.mktemp("topology")
    authority, tls = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(tls)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    # The WebSocket client reads in one thread while it writes in another, and OpenSSL, which has
    # more to do at the start of TLS 1.3, hangs now and then over that.
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    pem = folder / "tls.pem"
    authority.issue_cert(SITE, RELAY).private_key_and_cert_chain_pem.write_to_path(pem)
    (folder / "token_secret").write_bytes(SECRET)
    config, between = folder / "cobrowse.toml", free_port()
    with raw_server() as origin, contextlib.ExitStack() as running:
        known = {
            "/var/lib/cobrowse": str(folder),
            "http://legacy.example": origin.url,
            "http://balancer:8090": f"http://127.0.0.1:{between}",
            "postgresql://cobrowse@postgres/cobrowse": postgres.url,
            "redis://redis": redis.url,
            '"172.30.41.2", "172.30.41.3"': '"127.0.0.1"',
            '"172.30.41.2"': '"127.0.0.1"',
            'api_key = ""': 'api_key = "obviously-fake-api-key"',
        }
        text = balancers.put_in((DEPLOY / "cobrowse.toml").read_text(), known)
        config.write_text(f"{text}\n[relay.limits]\nsessions_per_address = 1\n")
        relays = Process(config, free_port()), Process(config, free_port())
        for process in relays:
            process.start()
            running.callback(process.stop)
        processes, port = Processes(), free_port()
        running.callback(processes.stop)
        command = ["-m", "cobrowse", "proxy", "--config", str(config)]
        processes.start("proxy", [*command, "--listen", f"127.0.0.1:{port}"])
        processes.wait_ready("127.0.0.1", port, "proxy")
        places = Places(port, (relays[0].port, relays[1].port), between, pem)
        yield Parts(folder, places, relays, origin, tls)


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def balancer(request: pytest.FixtureRequest, parts: Parts) -> Iterator[Balancer]:
    with balancers.running(request.param, parts.places, parts.folder) as made:
        yield made


@dataclass
class Person:
    """Somebody with an address and cookies, who comes by https through the balancer."""

    parts: Parts
    balancer: Balancer
    peers: contextlib.ExitStack
    address: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.address = self.address or f"127.0.{number // 200 + 1}.{number % 200 + 1}"

    def all_cookies(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def socket(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), PATIENCE_S, (self.address, 0))

    def ask(
        self, method: str, host: str, path: str, body: bytes = b"", **fields: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        with self.asking(method, host, path, body, **fields) as answer:
            return answer.status, answer.headers, answer.read()

    @contextlib.contextmanager
    def asking(
        self, method: str, host: str, path: str, body: bytes = b"", **fields: str
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, of which the body may be on its way."""
        connection = http.client.HTTPSConnection(host)
        connection.sock = self.parts.tls.wrap_socket(
            self.socket(self.balancer.port), server_hostname=host
        )
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.cookies and host == SITE:
            sent["Cookie"] = self.all_cookies()
        with contextlib.closing(connection):
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie", []):
                assert "; Secure" in line
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            yield answer

    def open(self, url: str, origin: str, **fields: str) -> Peer:
        parts = urlsplit(url)
        if self.cookies and parts.hostname == SITE:
            fields["Cookie"] = self.all_cookies()
        connection = connect(
            url,
            sock=self.socket(parts.port or self.balancer.port),
            ssl=self.parts.tls if parts.scheme == "wss" else None,
            origin=FromOrigin(origin),
            subprotocols=[Subprotocol("cobrowse.1")],
            compression=None,
            proxy=None,
            max_size=None,
            max_queue=None,
            additional_headers={name.replace("_", "-"): value for name, value in fields.items()},
        )
        return Peer(self.peers.enter_context(connection))

    def visit(self, url: str = PAST_THE_PROXY, **hello: Any) -> Peer:
        """A visitor's page, which says that it is from anywhere: its token, and its socket."""
        status, _, token = self.ask("POST", SITE, "/.cobrowse/token", Origin=f"https://{SITE}")
        assert status == 200
        made_up = f"192.0.2.{next(_numbers) % 250}"
        peer = self.open(url, f"https://{SITE}", X_Forwarded_For=made_up)
        kind = "resume" if "ticket" in hello else "start"
        peer.send({"type": kind, "token": token.decode(), **hello})
        return peer

    def begin(self) -> tuple[Peer, dict[str, Any]]:
        """A page with a session of its own, and what it was told of it."""
        page = self.visit()
        started = page.get_until("started")
        page.send({"type": "confirm", "ticket": started["ticket"]})
        return page, started

    def join(self, key: str, end: str) -> Peer:
        peer = self.open(f"wss://{RELAY}/agent/socket", f"https://{RELAY}")
        token = agent_token(GROUP)
        peer.send({"type": "join", "token": token, "key": key, "end": end, "wait": False})
        return peer


@pytest.fixture
def person(parts: Parts, balancer: Balancer, peers: contextlib.ExitStack) -> Callable[[], Person]:
    return functools.partial(Person, parts, balancer, peers)


def counted(parts: Parts, kind: str) -> list[int]:
    """How many open sockets each relay has."""
    found = []
    for process in parts.relays:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/metrics") as answer:
            text = answer.read().decode()
        numbers = re.findall(rf'^cobrowse_peers{{kind="{kind}"}} (\d+)', text, re.M)
        found.append(int(numbers[0]) if numbers else 0)
    return found


def one_more(parts: Parts, kind: str, before: list[int]) -> int:
    """Which relay has got another one."""
    [at] = [n for n, now in enumerate(counted(parts, kind)) if now > before[n]]
    return at


def eventually(act: Callable[[], Any]) -> Any:
    """What it returns, as soon as it raises nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def agents(parts: Parts, who: Person, key: str) -> list[Peer]:
    """One agent at each relay: as many are let in as the balancer needs for that."""
    found: dict[int, Peer] = {}
    while len(found) < len(parts.relays):
        before = counted(parts, "agent")
        agent = who.join(key, secrets.token_urlsafe(12))
        agent.get_until("joined")
        found[one_more(parts, "agent", before)] = agent
    return [found[at] for at in sorted(found)]


def come_back(visitor: Person, ticket: str) -> tuple[Peer, str]:
    """The visitor's next page, with the ticket for the one after."""
    page = visitor.visit(ticket=ticket)
    continued = page.get()
    assert continued["type"] == "continued"
    page.send({"type": "confirm", "ticket": continued["ticket"]})
    return page, continued["ticket"]


def until_frame(agent: Peer, wanted: bytes) -> None:
    while agent.get() != wanted:
        pass


def test_a_session_outlives_each_of_its_relays(parts: Parts, person: Callable[[], Person]) -> None:
    before, visitor, anna = counted(parts, "visitor"), person(), person()
    page, started = visitor.begin()
    key, at = started["key"], one_more(parts, "visitor", before)
    both = agents(parts, anna, key)
    page.send({"type": "page", "page": PAGE})
    frames = [keyframe(b"K" * 3_000_000), *(frame(bytes([n]) * 400) for n in range(20))]
    for data in frames:
        page.send(data)
    for agent in both:
        until_frame(agent, frames[0])
        assert [agent.get() for _ in frames[1:]] == frames[1:]

    ticket, watching = started["ticket"], both[1 - at]
    for number, go in ((at, Process.kill), (1 - at, Process.stop)):
        go(parts.relays[number])
        try:
            page, ticket = eventually(functools.partial(come_back, visitor, ticket))
            back = eventually(functools.partial(anna.join, key, "agent-back-00"))
            back.get_until("joined")
            page.send(keyframe(b"after"))
            until_frame(back, keyframe(b"after"))
            if number == at:
                until_frame(watching, keyframe(b"after"))
        finally:
            parts.relays[number].start()
    page.send({"type": "stop"})
    assert back.close_code() == Close.ENDED

    def both_are_used() -> None:
        person().begin()
        assert all(counted(parts, "visitor"))

    eventually(both_are_used)


def test_the_address_that_counts_is_the_visitors_own(
    parts: Parts, person: Callable[[], Person]
) -> None:
    """Each of the two relays takes one session of an address, whichever way its socket goes."""
    between = f"ws://127.0.0.1:{parts.places.between}/visitor/socket"
    for ways in ((PAST_THE_PROXY, THROUGH_THE_PROXY, PAST_THE_PROXY), (between,) * 3):
        here = person()
        answers = [here.visit(url).get() for url in ways]
        refused = [answer for answer in answers if answer["type"] == "refused"]
        assert refused and {answer["code"] for answer in refused} == {"limit"}
        for url in ways:
            assert person().visit(url).get()["type"] == "started"


def test_pages_come_as_they_are_sent_and_heads_may_be_long(
    parts: Parts, person: Callable[[], Person]
) -> None:
    seen = threading.Event()
    begin = HEAD + b"<meta charset=utf-8>" + b"<!-- words -->" * 200
    rest = b"<title>t</title></head><body>words</body></html>"
    policy = f"Content-Security-Policy: script-src 'self' {'https://cdn.test ' * 500}"

    def answer(connection: socket.socket, _head: bytes) -> None:
        whole = response(begin + rest, policy)
        connection.sendall(whole[: -len(rest)])
        if seen.wait(PATIENCE_S):
            connection.sendall(rest)

    parts.origin.answer = answer
    visitor = person()
    visitor.cookies["long"] = "c" * 20_000
    with visitor.asking(
        "GET", SITE, "/", Sec_Fetch_Mode="navigate", X_Forwarded_Host="evil.test"
    ) as answered:
        page = answered.read(len(begin))
        seen.set()
        page += answered.read()
    assert page.startswith(HEAD) and page.endswith(rest)
    assert f"wss://{RELAY}/visitor/socket".encode() in page and b"evil.test" not in page
    assert "'nonce-" in answered.headers["Content-Security-Policy"]


def test_visitors_browsers_speak_http2(parts: Parts, balancer: Balancer) -> None:
    """Whose heads have no Host of the old form; the proxy must know the site by it all the same."""
    parts.origin.answers(response(HEAD + b"<title>t</title></head><body>words</body></html>"))
    # One of its own: httpx changes what it is given.
    tls = ssl.create_default_context(cafile=parts.folder / "authority.pem")
    with httpx.Client(http2=True, verify=tls, trust_env=False) as browser:
        answer = browser.get(
            f"https://127.0.0.1:{balancer.port}/",
            headers={"Host": SITE, "Sec-Fetch-Mode": "navigate"},
            extensions={"sni_hostname": SITE},
        )
    assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
    assert f'"group":"{GROUP}"' in answer.text


def test_uploads_are_as_large_as_site_and_relay_take_them(
    parts: Parts, person: Callable[[], Person]
) -> None:
    def answer(connection: socket.socket, head: bytes) -> None:
        left = int(head.lower().partition(b"content-length:")[2].split()[0])
        while left:
            left -= len(connection.recv(min(left, 1 << 16)))
        connection.sendall(response(b"thanks"))

    parts.origin.answer = answer
    visitor = person()
    assert visitor.ask("POST", SITE, "/form", bytes(50_000_000))[2] == b"thanks"

    page, started = visitor.begin()
    agent = person().join(started["key"], "agent-of-files")
    view = agent.get_until("joined")["assets"]
    whole = secrets.token_bytes(FILE_CAP_BYTES)
    ways = {(SITE, "/.cobrowse/asset"): "a" * 16, (RELAY, "/visitor/asset"): "b" * 16}
    for (host, path), name in ways.items():
        query = urlencode({"key": started["rules"]["assets"], "id": name, "type": "image/png"})
        status = visitor.ask("POST", host, f"{path}?{query}", whole, Origin=f"https://{SITE}")[0]
        assert status == 204
        assert visitor.ask("GET", RELAY, view + name)[2] == whole

    # What the proxy adds to the names of files, by the way that it goes to a relay.
    files = [["c" * 15 + str(n), "image/png", whole[:7_000_000]] for n in range(5)]
    body = msgspec.msgpack.encode([[], files])
    assert FILE_CAP_BYTES < len(body) < BATCH_CAP_BYTES
    query = urlencode({"key": started["rules"]["assets"]})
    url = f"http://127.0.0.1:{parts.places.between}/visitor/assets?{query}"
    request = urllib.request.Request(url, body, {"Content-Type": "application/msgpack"})
    with urllib.request.urlopen(request) as answered:
        assert answered.status == 200
    assert visitor.ask("GET", RELAY, view + "c" * 15 + "4")[2] == whole[:7_000_000]


@pytest.mark.parametrize("name", ["proxy", "relay-a", "relay-b"])
def test_compose_knows_what_is_well(parts: Parts, name: str) -> None:
    places = parts.places
    here = dict(zip(("proxy", "relay-a", "relay-b"), (places.proxy, *places.relays), strict=True))
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())
    kind, python, option, code = compose["services"][name]["healthcheck"]["test"]
    assert (kind, python, option) == ("CMD", "python", "-c")
    for port, ended in ((here[name], 0), (free_port(), 1)):
        asked = re.sub(r"(?<=127\.0\.0\.1:)\d+", str(port), code)
        assert (
            subprocess.run([sys.executable, "-c", asked], capture_output=True).returncode == ended
        )


def test_what_is_nobodys_is_refused(
    parts: Parts, balancer: Balancer, peers: contextlib.ExitStack
) -> None:
    somebody = Person(parts, balancer, peers)
    assert somebody.ask("GET", RELAY, "/readyz")[2] == b"ok\n"
    for path in ("/metrics", "//metrics", "/x/../metrics", "/%6Detrics"):
        assert somebody.ask("GET", RELAY, path)[0] == 404
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{parts.places.between}/metrics")
    plain = http.client.HTTPConnection("127.0.0.1", balancer.plain)
    with contextlib.closing(plain):
        plain.request("GET", "/a?b=c", headers={"Host": SITE})
        answer = plain.getresponse()
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{SITE}/a?b=c")
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    lost = Person(dataclasses.replace(parts, tls=careless), balancer, peers)
    before = len(parts.origin.heads.queue)
    with contextlib.suppress(ssl.SSLError):
        assert lost.ask("GET", "other.example", "/")[0] == 404
    assert len(parts.origin.heads.queue) == before


def test_who_says_nothing_stays_connected(
    parts: Parts, balancer: Balancer, peers: contextlib.ExitStack, tmp_path: Path
) -> None:
    """The relay's signs of life go all the way, and a balancer takes them for such."""
    assert PING_S == BEAT_S == 5
    end = ";" if balancer.name == "nginx" else "\n"
    # Less patient than the shipped ones, and more than the relay is with its peers.
    patience = {f"1h{end}": f"9s{end}", f"30s{end}": f"9s{end}"}
    places = dataclasses.replace(parts.places, between=free_port())
    with balancers.running(balancer.name, places, tmp_path, patience) as other:
        pages = [
            Person(parts, other, peers).visit(url) for url in (PAST_THE_PROXY, THROUGH_THE_PROXY)
        ]
        for page in pages:
            started = page.get_until("started")
            page.send({"type": "confirm", "ticket": started["ticket"]})
        for _ in range(2):
            for page in pages:
                assert page.peek(PATIENCE_S) == '{"type":"beat"}'
        for page in pages:
            page.send({"type": "stop"})
            page.get_until("ended")
