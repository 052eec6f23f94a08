"""What putting the script into a page costs: CPU, bytes, time to first byte, memory.

    python -m bench.injection [--requests 2000] [--only cpu|peers|memory|splicer]

All proxies run at once in front of one origin, and take turns, request by request, so that whatever
else the machine does hits them alike. CPU is the kernel's own account of each process's threads
(/proc/<pid>/task/*/schedstat, nanoseconds, what getrusage adds up), from one request of a proxy to
its next, so that what it does after the last byte counts too. Prints; asserts nothing.
"""

import argparse
import contextlib
import gzip
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import brotlicffi
from backports import zstd

import proxy_addon
from proxy_addon.snippet import SnippetMaker
from proxy_addon.splice import Splicer
from tests.corpus import pages
from tests.stack import free_port
from tests.wire.raw import listening

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".bench"  # what is installed for the comparison
HEAD = b"<!doctype html><html><head><meta charset=utf-8><title>A page</title></head><body>"
KB, MB = 1_000, 1_000_000
USUAL: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda page: page,
    "gzip": lambda page: zlib_gzip(page, 6),
    "br": lambda page: bytes(brotlicffi.compress(page, quality=5)),
    "zstd": lambda page: zstd.compress(page, 3),
}
DECODE: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda body: body,
    "gzip": gzip.decompress,
    "br": lambda body: bytes(brotlicffi.decompress(body)),
    "zstd": zstd.decompress,
}
# Sizes of the page, and how many requests each costs beside --requests.
CPU_SIZES = (10 * KB, 100 * KB, MB, 10 * MB)
CODED_SIZES = (10 * KB, 100 * KB, MB)


def zlib_gzip(page: bytes, level: int) -> bytes:
    encoder = zlib.compressobj(level, zlib.DEFLATED, 31)
    return encoder.compress(page) + encoder.flush()


class Corpus:
    """A page of any size, out of the HTML that installed packages ship."""

    def __init__(self) -> None:
        found = [content for _, content in pages(400)]
        self.text = b"\n".join(found).decode("utf-8", "ignore").encode()
        ratio = len(self.text) / len(zlib.compress(self.text, 6))
        print(f"pages: made of {len(found)} files, {len(self.text):,} bytes, gzip {ratio:.1f} to 1")

    def page(self, size: int) -> bytes:
        times = size // len(self.text) + 1
        return (HEAD + self.text * times)[:size]


@dataclass
class Origin:
    """Answers each request with what it was last given."""

    port: int
    response: bytes = b""
    chunked: bool = False

    def gives(self, page: bytes, coding: str, *, chunked: bool) -> int:
        """Returns the size of the body."""
        body = USUAL[coding](page)
        fields = ["HTTP/1.1 200 OK", "Content-Type: text/html"]
        fields += [f"Content-Encoding: {coding}"] if coding != "identity" else []
        if chunked:
            fields.append("Transfer-Encoding: chunked")
            pieces = (body[at : at + 16_384] for at in range(0, len(body), 16_384))
            framed = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
        else:
            fields.append(f"Content-Length: {len(body)}")
            framed = body
        self.response = "\r\n".join([*fields, "", ""]).encode() + framed
        return len(body)


@contextlib.contextmanager
def serving() -> Iterator[Origin]:
    origin = Origin(0)

    def serve(connection: socket.socket) -> None:
        pending = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                pending += data
                while b"\r\n\r\n" in pending:
                    pending = pending.partition(b"\r\n\r\n")[2]
                    connection.sendall(origin.response)

    with listening(serve) as origin.port:
        yield origin


@dataclass
class Proxy:
    """One proxy as a process, and one connection to it."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    accept: str = "gzip"
    connection: socket.socket = field(init=False)

    def connect(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connection = socket.create_connection(("127.0.0.1", self.port), 60)
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"{self.name} did not start") from None
                time.sleep(0.1)

    def cpu_ms(self) -> float:
        nanoseconds = 0
        for pid in _family(self.process.pid):
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    nanoseconds += int(path.read_text().split()[0])
        return nanoseconds / 1e6

    def peak_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    def get(self, accept: str) -> tuple[float, bytes, bytes]:
        """Seconds to the first byte, the head, and the body as it was coded."""
        request = (
            "GET /page HTTP/1.1\r\nHost: shop.test\r\nSec-Fetch-Mode: navigate\r\n"
            "Sec-Fetch-Dest: document\r\nAccept: text/html\r\nCookie: customer_name=Niels\r\n"
            f"User-Agent: bench\r\nAccept-Encoding: {accept}\r\n\r\n"
        )
        begun = time.perf_counter()
        self.connection.sendall(request.encode())
        data = bytearray(self.connection.recv(MB))
        first_byte_s = time.perf_counter() - begun
        while b"\r\n\r\n" not in data:
            data += self.connection.recv(MB)
        head, _, rest = data.partition(b"\r\n\r\n")
        lower = head.lower()
        if b"chunked" in lower:
            # Kept in pieces: joining megabytes here would slow the reader, not the proxy.
            pieces = [bytes(rest)]
            while not pieces[-1].endswith(b"0\r\n\r\n"):
                pieces.append(self.connection.recv(MB))
            return first_byte_s, bytes(head), b"".join(pieces)
        left = int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0]) - len(rest)
        pieces = [bytes(rest)]
        while left > 0:
            pieces.append(self.connection.recv(MB))
            left -= len(pieces[-1])
        return first_byte_s, bytes(head), b"".join(pieces)

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()


def _family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [pid, *(int(child) for child in children.read_text().split())]
    except OSError:
        return [pid]


def unchunked(head: bytes, body: bytes) -> bytes:
    if b"chunked" not in head.lower():
        return body
    out: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if size == 0:
            return b"".join(out)
        out.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


@contextlib.contextmanager
def mitmdump(name: str, script: str, origin: Origin, folder: Path, *more: str) -> Iterator[Proxy]:
    port = free_port()
    settings = ["block_global=false", f"confdir={folder}", *more]
    command = [
        *(str(Path(sys.executable).with_name("mitmdump")), "-q", "-s", script),
        *("--mode", f"reverse:http://127.0.0.1:{origin.port}"),
        *("--listen-host", "127.0.0.1", "--listen-port", str(port)),
        *(part for setting in settings for part in ("--set", setting)),
    ]
    environment = {**os.environ, "BENCH_SNIPPET": snippet().decode("ascii")}
    proxy = Proxy(name, port, subprocess.Popen(command, env=environment))
    try:
        proxy.connect()
        yield proxy
    finally:
        proxy.stop()


def snippet() -> bytes:
    stub = files("proxy_addon").joinpath("static", "stub.js").read_text("ascii")
    return SnippetMaker(stub).make(
        prefix="/.cobrowse/",
        group="1",
        site="production",
        socket="",
        identity={"name": "Niels"},
    )


def ours(origin: Origin, folder: Path) -> contextlib.AbstractContextManager[Proxy]:
    config = folder / "cobrowse.toml"
    config.write_text('[groups.1]\n[groups.1.cookies]\nname = "customer_name"\n')
    script = str(Path(proxy_addon.__file__).with_name("addon.py"))
    return mitmdump("cobrowse", script, origin, folder, f"cobrowse_config={config}")


def streamed(origin: Origin, folder: Path) -> contextlib.AbstractContextManager[Proxy]:
    return mitmdump("mitmproxy, untouched", str(HERE / "peers" / "stream.py"), origin, folder)


@dataclass
class Measured:
    """Of one proxy: CPU and time to the first byte of each request, and one answer."""

    cpu_ms: list[float] = field(default_factory=list)
    first_byte_ms: list[float] = field(default_factory=list)
    body: bytes = b""
    head: bytes = b""


def take_turns(proxies: list[Proxy], accept: str, rounds: int) -> dict[str, Measured]:
    """Each proxy gets each request once a round; the first round warms up."""
    measured = {proxy.name: Measured() for proxy in proxies}
    before: dict[str, float] = {}
    for number in range(rounds + 2):
        for proxy in proxies:
            of = measured[proxy.name]
            now = proxy.cpu_ms()
            if number >= 2:
                of.cpu_ms.append(now - before[proxy.name])
            before[proxy.name] = now
            first_byte_s, of.head, of.body = proxy.get(accept)
            if number >= 2:
                of.first_byte_ms.append(first_byte_s * 1e3)
    return measured


def cpu(corpus: Corpus, origin: Origin, folder: Path, requests: int) -> None:
    """Ours against mitmproxy that streams the same page untouched."""
    print(
        f"\nCPU per request against mitmproxy streaming the same page, {requests} requests a row,"
        "\nmedian of pairs. bytes: the body against the spliced page at the coding's usual level"
        "\n(gzip 6, br 5, zstd 3). re-encoding: what decoding and encoding at that level costs.\n"
        f"\n{'coding':<9}{'framing':<9}{'page':>9}{'untouched':>11}{'cobrowse':>10}{'more':>9}"
        f"{'ratio':>7}{'first byte':>12}{'bytes':>7}{'re-encoding':>13}"
    )
    rows = [("identity", size) for size in CPU_SIZES]
    rows += [(coding, size) for coding in ("gzip", "zstd", "br") for size in CODED_SIZES]
    with streamed(origin, folder) as base, ours(origin, folder) as own:
        for coding, size in rows:
            for chunked in (False, True):
                page = corpus.page(size)
                origin.gives(page, coding, chunked=chunked)
                accept = "identity" if coding == "identity" else coding
                found = take_turns([base, own], accept, requests // 2)
                first, second = found[base.name], found[own.name]
                more = statistics.median(
                    b - a for a, b in zip(first.cpu_ms, second.cpu_ms, strict=True)
                )
                untouched = statistics.median(first.cpu_ms)
                late = statistics.median(second.first_byte_ms) - statistics.median(
                    first.first_byte_ms
                )
                body = unchunked(second.head, second.body)
                spliced = DECODE[coding](body)
                assert snippet()[:28] in spliced[: 4 * KB], "the page has no script"
                usual = USUAL[coding](spliced)
                print(
                    f"{coding:<9}{'chunked' if chunked else 'length':<9}{_size(size):>9}"
                    f"{untouched:8.2f} ms{untouched + more:7.2f} ms{more:+6.2f} ms"
                    f"{(untouched + more) / untouched:7.2f}{late:+9.2f} ms"
                    f"{len(body) / len(usual):7.2f}{_re_encoding(coding, usual):>13}",
                    flush=True,
                )


def _re_encoding(coding: str, body: bytes) -> str:
    if coding == "identity":
        return ""
    times = []
    for _ in range(5):
        begun = time.process_time()
        USUAL[coding](DECODE[coding](body))
        times.append((time.process_time() - begun) * 1e3)
    return f"{statistics.median(times):.2f} ms"


def _size(size: int) -> str:
    return f"{size // MB} MB" if size >= MB else f"{size // KB} kB"


def peers(corpus: Corpus, origin: Origin, folder: Path, requests: int) -> None:
    """All that can be had here, side by side."""
    print(f"\nSide by side, identity, of known length, median of {requests} requests each\n")
    with contextlib.ExitStack() as running:
        proxies = [
            running.enter_context(streamed(origin, folder)),
            running.enter_context(ours(origin, folder)),
            running.enter_context(
                mitmdump("mitmproxy, replace", str(HERE / "peers/replace.py"), origin, folder)
            ),
            running.enter_context(
                mitmdump("mitmproxy, BeautifulSoup", str(HERE / "peers/soup.py"), origin, folder)
            ),
        ]
        for start in (nginx, browser_sync):
            if peer := start(running, origin, folder):
                proxies.append(peer)
        sizes = (10 * KB, 100 * KB, MB)
        titles = "".join(f"{f'{_size(s)}: CPU':>14}{'first byte':>12}" for s in sizes)
        print(f"{'':<26}{titles}")
        rows = {proxy.name: "" for proxy in proxies}
        for size in sizes:
            origin.gives(corpus.page(size), "identity", chunked=False)
            for name, found in take_turns(proxies, "identity", requests).items():
                if not any(mark in found.body for mark in _MARKS.get(name, (b"glance-cobrowse",))):
                    raise SystemExit(f"{name} put no script into the page")
                cpu_ms, late = map(statistics.median, (found.cpu_ms, found.first_byte_ms))
                rows[name] += f"{cpu_ms:11.2f} ms{late:9.2f} ms"
        for name, row in rows.items():
            print(f"{name:<26}{row}")


# What each leaves in a page, where it is not our own script.
_MARKS = {"browser-sync": (b"__bs_script__",), "mitmproxy, untouched": (b"<head>",)}


def nginx(running: contextlib.ExitStack, origin: Origin, folder: Path) -> Proxy | None:
    """nginx with sub_filter, from the machine or from apt."""
    path = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-q", "-y", "nginx-light"]
        subprocess.run(command, check=False, capture_output=True)
        path = shutil.which("nginx", path="/usr/sbin")
    if path is None:
        print("nginx: not here, and apt has none for us")
        return None
    port = free_port()
    script = (
        snippet().decode("ascii").replace("\\", "\\\\").replace("'", "\\'").replace("$", "&#36;")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;\n"
        "events {} http { access_log off; keepalive_requests 1000000;\n"
        f"upstream origin {{ server 127.0.0.1:{origin.port}; keepalive 4; }}\n"
        + "".join(
            f"{kind}_temp_path {folder}/nginx_{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://origin;\n"
        'proxy_http_version 1.1; proxy_set_header Connection "";\n'
        f"sub_filter '<head>' '<head>{script}'; sub_filter_once on; }} }} }}\n"
    )
    return _started(running, "nginx, sub_filter", port, [path, "-c", str(config)])


def browser_sync(running: contextlib.ExitStack, origin: Origin, folder: Path) -> Proxy | None:
    npm = shutil.which("npm")
    if npm is None:
        print("browser-sync: there is no npm on this machine")
        return None
    PEERS.mkdir(exist_ok=True)
    command = PEERS / "node_modules" / ".bin" / "browser-sync"
    if not command.exists():
        print("installing browser-sync ...", flush=True)
        quiet = ["--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts"]
        subprocess.run([npm, "install", *quiet, "browser-sync@3"], cwd=PEERS, check=True)
    port = free_port()
    options = ["--no-open", "--no-ui", "--no-notify", "--logLevel", "silent", "--host", "127.0.0.1"]
    target = f"127.0.0.1:{origin.port}"
    arguments = [str(command), "start", "--proxy", target, "--port", str(port), *options]
    return _started(running, "browser-sync", port, arguments)


def _started(
    running: contextlib.ExitStack, name: str, port: int, command: list[str]
) -> Proxy | None:
    proxy = Proxy(name, port, subprocess.Popen(command))
    running.callback(proxy.stop)
    proxy.connect()
    return proxy


def memory(corpus: Corpus, origin: Origin, folder: Path) -> None:
    """Peak memory that a huge page costs."""
    page = corpus.page(200 * MB)
    print("\nPeak memory of the process over its peak before, one page of 200 MB\n")
    for coding in ("identity", "gzip"):
        origin.gives(page, coding, chunked=True)
        for start in (streamed, ours):
            with start(origin, folder) as proxy:
                small, origin.response = origin.response, origin.response
                proxy.cpu_ms()
                before = proxy.peak_kb()
                origin.response = small
                proxy.get(coding)
                grown = (proxy.peak_kb() - before) / 1024
                print(f"{coding:<10}{proxy.name:<26}{grown:+8.1f} MB", flush=True)


def splicer() -> None:
    """The splicer alone, without a proxy."""
    print("\nThe splicer alone\n")
    script, chunk = snippet(), b"<p>words</p>" * 5_461
    decided = Splicer(script)
    decided.feed(HEAD + b"x" * 2_000)
    begun = time.perf_counter()
    for _ in range(200_000):
        decided.feed(chunk)
    rate = 200_000 * len(chunk) / (time.perf_counter() - begun) / 1e9
    print(f"{'once decided':<34}{rate:10,.0f} GB/s (it hands on what it is given)")
    hostile = {
        "an endless comment": b"<!--" + b"-" * 500_000,
        "many comments": b"<!---->" * 72_000,
        "an endless tag": b"<html " + b"a='>' " * 84_000,
        "an endless title": b"<head><title>" + b"</titl" * 84_000,
        "many metas": b"<head>" + b"<meta a=b>" * 50_000,
        "many end tags": b"</x>" * 125_000,
        "an endless name": b"<" + b"a" * 500_000,
        "UTF-16": b"\xff\xfe" + ("<!--" + "漢" * 250_000).encode("utf-16-le"),
    }
    for name, page in hostile.items():
        worst = 0.0
        for size in (500_000, 1_460, 100):
            way = Splicer(script)
            begun = time.perf_counter()
            for at in range(0, len(page), size):
                way.feed(page[at : at + size])
            way.close()
            worst = max(worst, time.perf_counter() - begun)
        print(f"{name + ', 500 kB':<34}{worst * 1e3:10.1f} ms at the worst of three ways to cut it")


def main() -> None:
    parser = argparse.ArgumentParser(description="cost of putting the script into a page")
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--only", choices=["cpu", "peers", "memory", "splicer"])
    arguments = parser.parse_args()
    wanted = arguments.only
    with tempfile.TemporaryDirectory() as name, serving() as origin:
        folder = Path(name)
        if wanted in (None, "splicer"):
            splicer()
        if wanted == "splicer":
            return
        corpus = Corpus()
        if wanted in (None, "cpu"):
            cpu(corpus, origin, folder, arguments.requests)
        if wanted in (None, "peers"):
            peers(corpus, origin, folder, min(arguments.requests, 100))
        if wanted in (None, "memory"):
            memory(corpus, origin, folder)


if __name__ == "__main__":
    main()
