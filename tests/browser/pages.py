"""A site of pages that a test puts there, reached directly and through the proxy."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from tests.stack import Stack, free_port, running_stack
from tests.wire.raw import RawServer, raw_server

# The document as the browser has it: each node, its names, its text, and how it was read.
SEEN = """
() => {
  const walk = (node) => {
    const shown = [node.nodeType, node.nodeName, node.data ?? ""];
    if (node.attributes) {
      const pairs = [...node.attributes].map(({ name, value }) => `${name}=${value}`);
      shown.push(pairs.sort().join(" "));
    }
    if (node.nodeType === 10) shown.push(node.publicId, node.systemId);
    if (node.nodeName === "TEMPLATE") shown.push(walk(node.content));
    return [...shown, [...node.childNodes].map(walk)];
  };
  return {
    mode: document.compatMode,
    charset: document.characterSet,
    type: document.contentType,
    title: document.title,
    tree: walk(document),
  };
}
"""


# For what browsers ask by themselves.
NOTHING = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Pages:
    """What the site answers, by path: whole responses, or functions of the request's head."""

    server: RawServer
    stack: Stack
    responses: dict[str, bytes | Callable[[bytes], bytes]] = field(default_factory=dict)

    @property
    def direct(self) -> str:
        return self.server.url

    @property
    def proxied(self) -> str:
        return self.stack.visitor_url

    def put(
        self, path: str, body: bytes | str, *lines: str, content_type: str = "text/html"
    ) -> None:
        self.responses[path] = respond(body, *lines, content_type=content_type)


def respond(
    body: bytes | str, *lines: str, content_type: str = "text/html", status: str = "200 OK"
) -> bytes:
    """A whole response. content_type "": none is named."""
    content = body.encode() if isinstance(body, str) else body
    fields = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *lines]
    fields += [f"Content-Type: {content_type}"] if content_type else []
    return "\r\n".join([*fields, "", ""]).encode() + content


@contextlib.contextmanager
def serving_pages(
    folder: Path,
    *,
    hosts: tuple[str, ...] = (),
    settings: str = 'mask = "none"',
    direct: bool = False,
) -> Iterator[Pages]:
    """
    Args:
        hosts: names of the site, which the proxy takes for several sites of one owner.
        direct: the visitors' sockets go straight to the relay.
    """
    with contextlib.ExitStack() as running:
        server = running.enter_context(raw_server())
        origins = "".join(f'"{host}" = "{server.url}"\n' for host in hosts)
        more = f"[proxy.origins]\n{origins}" if hosts else ""
        ports = free_port(), free_port()
        if direct:
            more = f'[proxy]\ndirect_url = "ws://127.0.0.1:{ports[1]}/visitor/socket"\n' + more
        stack = running.enter_context(
            running_stack(folder, server.url, more_config=more, settings=settings, ports=ports)
        )
        pages = Pages(server, stack)

        def answer(connection: socket.socket, head: bytes) -> None:
            path = head.split()[1].decode("latin-1").partition("?")[0]
            found = pages.responses.get(path, NOTHING)
            connection.sendall(found if isinstance(found, bytes) else found(head))

        server.answer = answer
        yield pages


def complaints(page: Page) -> list[str]:
    """Errors and warnings in the console, of the page and of its scripts, from now on."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda m: found.append(m.text) if m.type in ("error", "warning") else None)
    return found
