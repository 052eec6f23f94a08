"""The demo's desk: an agent's own site, which shows the viewer in a frame and drives the Agent API.

It learns where the relay is, and who the agent is, from the part of its address that is never sent.
"""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

FILE: Final = files("cobrowse.demo").joinpath("pages", "desk.html")
LEFT: Final = b"<!doctype html><title>Left</title><p>You have left the session.</p>"


class Desk(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = {"/": FILE.read_bytes(), "/left": LEFT}.get(urlsplit(self.path).path)
        self.send_response(HTTPStatus.OK if body else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to whoever started this."""
