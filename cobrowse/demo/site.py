"""Nordhaven Savings Bank: full page loads, odd charsets, files behind a login, a strict policy.

Run it alone with `python -m cobrowse.demo.site PORT`; with what belongs to it as up.demo() does.
"""

import gzip
import http.cookies
import secrets
import sys
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from string import Template
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from cobrowse.demo.support import Account, Support

SESSION: Final = "NBSESSION"
STRICT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Page:
    """One page of the site. charset: of the bytes sent; the header names none, as in old times.

    whole: the file has the frame of the site around it already.
    """

    file: str
    charset: str = "utf-8"
    private: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "text/html"
    whole: bool = False


PAGES: Final = {
    "/": Page("home.html"),
    "/login": Page("login.html"),
    "/accounts": Page("accounts.html", private=True),
    "/transfer": Page("transfer.html", private=True),
    "/transfer/done": Page("done.html", private=True),
    "/branches": Page("branches.html", charset="iso-8859-1"),
    "/tokyo": Page("tokyo.html", charset="shift_jis"),
    "/rates": Page("rates.html"),
    "/safe": Page("safe.html", headers={"Content-Security-Policy": STRICT_POLICY}),
    # Each has one thing that co-browsing has trouble with.
    "/odd": Page("odd/index.html"),
    "/odd/canvas": Page("odd/canvas.html"),
    "/odd/fields": Page("odd/fields.html"),
    "/odd/files": Page("odd/files.html"),
    "/odd/frame": Page("odd/frame.html"),
    "/odd/policy": Page("odd/policy.html", whole=True),
    "/odd/sandbox": Page("odd/sandbox.html", headers={"Content-Security-Policy": "sandbox"}),
    "/odd/worker": Page("odd/worker.html"),
    "/odd/xhtml": Page("odd/xhtml.html", media_type="application/xhtml+xml", whole=True),
}
TYPES: Final = {".css": "text/css", ".svg": "image/svg+xml", ".js": "text/javascript"}
FOLDER: Final = files("cobrowse.demo")


class Bank(BaseHTTPRequestHandler):
    """One connection. Logins live as long as the process."""

    protocol_version = "HTTP/1.1"
    server_version = "NordhavenWeb/2.1"
    logins: set[str] = set()
    # Where its customers chat with it; "": nowhere.
    chat_url = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if page := PAGES.get(path):
            if page.private and not self._logged_in():
                self._redirect("/login")
            else:
                self._send_page(page)
        elif path == "/logout":
            self.logins.discard(self._cookie(SESSION))
            self._redirect("/", [f"{SESSION}=; Path=/; Max-Age=0"])
        else:
            self._send_file(path)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), 65_536)
        form = parse_qs(self.rfile.read(length).decode("utf-8", "replace"))
        if self.path == "/login" and form.get("user") and form.get("password"):
            token = secrets.token_hex(16)
            self.logins.add(token)
            customer = customer_of(form["user"][0])
            cookies = [f"{name}={quote(value)}; Path=/" for name, value in customer.items()]
            self._redirect("/accounts", [f"{SESSION}={token}; Path=/; HttpOnly", *cookies])
        elif self.path == "/transfer":
            self._redirect("/transfer/done")
        else:
            self._redirect("/login")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to whoever started this."""

    def _cookie(self, name: str) -> str:
        jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        return jar[name].value if name in jar else ""

    def _logged_in(self) -> bool:
        return self._cookie(SESSION) in self.logins

    def _send_page(self, page: Page) -> None:
        text = FOLDER.joinpath("pages", page.file).read_text("utf-8")
        frame = FOLDER.joinpath("pages", "frame.html").read_text("utf-8")
        door = ("logout", "Log out") if self._logged_in() else ("login", "Log in")
        if page.whole:
            self._send(text.encode(page.charset), page.media_type, page.headers)
            return
        title, _, main = text.partition("\n")
        # Another site to browsers, and one that no proxy in front of this one sees.
        elsewhere = f"http://localhost:{self.connection.getsockname()[1]}"
        chat = f'<A HREF="{self.chat_url}" TARGET="chat" REL="opener">Chat with us</A>'
        whole = Template(frame).substitute(
            charset=page.charset,
            title=title,
            main=main.replace("$elsewhere", elsewhere),
            door=door[0],
            door_text=door[1],
            chat=chat if self.chat_url else "",
        )
        self._send(whole.encode(page.charset), page.media_type, page.headers)

    def _send_file(self, path: str) -> None:
        name = "logo.svg" if path == "/favicon.ico" else path.removeprefix("/files/")
        name = "worker.js" if path == "/odd/worker.js" else name
        known = {"bank.css", "logo.svg", "rates.js", "worker.js"}
        private = {"private/accounts.css", "private/chart.svg", "private/card.svg"}
        if name in private and not self._logged_in():
            self._send(b"Please log in.", "text/plain", {}, HTTPStatus.FORBIDDEN)
        elif name in known | private:
            media_type = TYPES[name[name.rfind(".") :]]
            self._send(FOLDER.joinpath("files", name).read_bytes(), media_type, {})
        else:
            self._send(b"<h1>Not found</h1>", "text/html", {}, HTTPStatus.NOT_FOUND)

    def _send(
        self,
        body: bytes,
        media_type: str,
        headers: dict[str, str],
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self.send_response(status)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 512:
            body = gzip.compress(body, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _redirect(self, to: str, cookies: list[str] | None = None) -> None:
        self.send_response(HTTPStatus.FOUND)
        # Absolute, as old frameworks write it.
        self.send_header("Location", f"http://{self.headers.get('Host', '')}{to}")
        for cookie in cookies or []:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()


def customer_of(user: str) -> dict[str, str]:
    """What the bank knows of who logs in, by cookie. Each user name is another customer."""
    if user == "renee":
        return {
            "customer_no": "NB-40721",
            "customer_name": "Renée Ångström",
            "customer_mail": "renee@nordhaven.example",
        }
    return {
        "customer_no": f"NB-{10_000 + zlib.crc32(user.encode()) % 90_000}",
        "customer_name": user[:60],
    }


def create_server(port: int, handler: type[BaseHTTPRequestHandler] = Bank) -> ThreadingHTTPServer:
    """A site on 127.0.0.1, not yet serving."""
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def support_of(relay: str, group: str, user: str, api_key: str) -> type[Support]:
    """The support centre of the bank's customers."""
    known = [(login, customer_of(login)) for login in ("renee", "niels", "lise", "max")]
    customers = tuple(
        (who["customer_no"], who["customer_name"].title(), login) for login, who in known
    )
    account = Account(relay, group, user, api_key, customers)
    return type("SupportOfGroup", (Support,), {"account": account})


def main(arguments: Sequence[str]) -> None:
    """PORT of the bank; PORT of the support centre, URL of the relay, group and user id.

    The API key is the first line of standard input: command lines are everybody's to read.
    """
    if arguments[1:]:
        port, relay, group, user = arguments[1:5]
        support = support_of(relay, group, user, sys.stdin.readline().strip())
        server = create_server(int(port), support)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Bank.chat_url = f"http://localhost:{port}/chat"
    create_server(int(arguments[0])).serve_forever()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        pass
