"""The demo's support centre: a CRM that shows the viewer in a frame, and a chat with customers.

Both are sites of their own, as the bank's suppliers would run them. The CRM's server looks a
session up by SOAP, with a login key that it makes itself; its page embeds the address that comes
back, and drives the Agent API. The chat starts sessions by glance_invoke.
"""

import html
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from string import Template
from typing import Final
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from relay.auth import make_login_key

PAGES: Final = files("cobrowse.demo").joinpath("pages")
SERVICE: Final = "/services/SessionService.asmx"
NAMESPACE: Final = "http://www.glancenetworks.com/services"
ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
OPERATION: Final = "LookupPartnerCobrowseSession"
TIMEOUT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 65_536
KEY_LIFETIME_S: Final = 600


@dataclass(frozen=True)
class Account:
    """Whose support centre it is. relay: URL without a slash at the end."""

    relay: str
    group: str
    user: str
    api_key: str
    # Number, name, and how they log in to the bank.
    customers: tuple[tuple[str, str, str], ...] = ()


class LookupFailed(Exception):
    """There is no answer, or it is a fault; says why."""


def look_up(account: Account, ssnkey: str) -> str:
    """The joinurl of a session, by its key or its visitor's id; "" if there is none.

    Raises: LookupFailed.
    """
    expiry = int(time.time()) + KEY_LIFETIME_S
    key = make_login_key(account.group, account.user, account.api_key, expiry)
    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope")
    call = etree.SubElement(
        etree.SubElement(envelope, f"{{{ENVELOPE}}}Body"), f"{{{NAMESPACE}}}{OPERATION}"
    )
    for name, value in (
        ("partnerid", account.group),
        ("partneruserid", account.user),
        ("ssnkey", ssnkey),
        ("loginkey", key),
    ):
        etree.SubElement(call, f"{{{NAMESPACE}}}{name}").text = value
    request = urllib.request.Request(
        account.relay + SERVICE,
        etree.tostring(envelope, xml_declaration=True, encoding="utf-8"),
        {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NAMESPACE}/{OPERATION}"'},
    )
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            answer = etree.fromstring(response.read(MAX_ANSWER_BYTES), parser)
    except urllib.error.HTTPError as error:
        fault = etree.fromstring(error.read(MAX_ANSWER_BYTES), parser)
        raise LookupFailed(fault.findtext(".//faultstring") or error.reason) from error
    except (OSError, etree.XMLSyntaxError) as error:
        raise LookupFailed(f"The relay gives no answer: {error}.") from error
    return answer.findtext(f".//{{{NAMESPACE}}}joinurl") or ""


class Support(BaseHTTPRequestHandler):
    """One connection. account is set before the first."""

    account: Account

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/":
            self._send(self._page("crm.html", customers=self._customers()))
        elif url.path == "/customer":
            self._customer(asked.get("key", "").strip())
        elif url.path == "/left":
            self._send(self._page("left.html"))
        elif url.path == "/chat":
            self._send(self._page("chat.html"))
        else:
            self._send("<h1>Not found</h1>", HTTPStatus.NOT_FOUND)

    def _customers(self) -> str:
        rows = []
        for number, name, login in self.account.customers:
            number, name, login = map(html.escape, (number, name, login))
            rows.append(
                f"<tr><th scope=row>{name}</th><td>{number}</td><td>{login}</td>"
                f'<td><a class=button href="/customer?key={number}" '
                f'aria-label="See the page of {name}">See their page</a></td></tr>'
            )
        return "\n".join(rows)

    def _customer(self, key: str) -> None:
        names = {number: name for number, name, _ in self.account.customers}
        shown = {"name": names.get(key, f"Session {key}"), "key": key}
        try:
            joinurl = look_up(self.account, key)
        except LookupFailed as error:
            self._send(self._page("nobody.html", why=str(error), **shown), HTTPStatus.BAD_GATEWAY)
            return
        if joinurl:
            self._send(self._page("customer.html", joinurl=joinurl, **shown))
        else:
            why = "Nobody shares a page under this number now."
            self._send(self._page("nobody.html", why=why, **shown))

    def _page(self, file: str, customers: str = "", **values: str) -> str:
        text = Template(PAGES.joinpath(file).read_text("utf-8"))
        known = {"relay": self.account.relay, "group": self.account.group, **values}
        escaped = {name: html.escape(value) for name, value in known.items()}
        return text.substitute(escaped, customers=customers)

    def _send(self, text: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        # The address to join at holds a login key.
        self.send_header("Referrer-Policy", "origin")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to whoever started this."""
