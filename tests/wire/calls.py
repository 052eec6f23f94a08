"""Calls of SessionService as clients of many kinds make them, and a relay that answers."""

import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from lxml import etree

from relay import auth
from relay.errors import Close
from relay.service.soap import ACTION, NAMESPACE, OPERATION
from tests.relays import (
    OTHER_GROUP,
    PAGE,
    Peer,
    Process,
    Relay,
    running_relay,
)
from tests.stack import API_KEY, GROUP

SERVICE = "/services/SessionService.asmx"
METHOD = f"{SERVICE}/{OPERATION}"
OTHER_API_KEY = "another-fake-api-key"
SOAP = {
    "1.1": ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8"),
    "1.2": (
        "http://www.w3.org/2003/05/soap-envelope",
        f'application/soap+xml; charset=utf-8; action="{ACTION}"',
    ),
}
STYLES = ("soap 1.1", "soap 1.2", "get", "post", "json")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: str

    def element(self, name: str) -> str | None:
        """The text of the first element with this name, whatever its namespace."""
        found = re.search(rf"<(?:\w+:)?{name}\b[^>]*>([^<]*)<", self.body)
        return None if found is None else found[1].replace("&amp;", "&")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("service")
    more = f'[groups.{OTHER_GROUP}]\napi_key = "{OTHER_API_KEY}"\n'
    more += "[relay.limits]\nwrong_keys = 4\n"
    with running_relay(folder, more=more, log=folder / "relay.log") as made:
        yield made


@pytest.fixture
def relay(process: Process, peers: contextlib.ExitStack) -> Relay:
    return Relay(process.port, peers)


@pytest.fixture
def visitor(relay: Relay) -> Iterator[Peer]:
    """A visitor whose session has the key found-1."""
    made = relay.visitor(key="found-1", cookie="of the service")
    assert made.get()["type"] == "started"
    made.send({"type": "page", "page": PAGE | {"title": 'Shop <&> "1"'}})
    yield made
    made.send({"type": "stop"})
    assert made.close_code() == Close.ENDED


def ask(
    relay: Relay,
    method: str,
    path: str,
    body: bytes | None = None,
    address: str = "203.0.113.9",
    **headers: str,
) -> Answer:
    """One request, as curl would send it from an address behind a trusted proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"X-Forwarded-For": address, **named})
    response = connection.getresponse()
    with contextlib.closing(connection):
        return Answer(response.status, response.headers, response.read().decode())


def login_key(
    *, group: str = GROUP, user: str = "anna", api_key: str = API_KEY, ttl: int = 600
) -> str:
    return auth.make_login_key(group, user, api_key, int(time.time()) + ttl)


def parameters(**changes: Any) -> dict[str, str]:
    """Those of a good call; None leaves one out."""
    values = {"partnerid": GROUP, "partneruserid": "anna", "ssnkey": "found-1"}
    values = {**values, "loginkey": login_key(), **changes}
    return {name: value for name, value in values.items() if value is not None}


def envelope(given: dict[str, str], version: str = "1.1", more: str = "") -> bytes:
    space = SOAP[version][0]
    call = etree.Element(f"{{{NAMESPACE}}}{OPERATION}", nsmap={None: NAMESPACE})
    for name, value in given.items():
        etree.SubElement(call, f"{{{NAMESPACE}}}{name}").text = value
    inner = etree.tostring(call).decode()
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{space}">{more}'
        f"<s:Body>{inner}</s:Body></s:Envelope>"
    ).encode()


def soap(relay: Relay, body: bytes, version: str = "1.1", address: str = "", **more: str) -> Answer:
    headers = {"Content_Type": SOAP[version][1], **more}
    if version == "1.1":
        headers.setdefault("SOAPAction", f'"{ACTION}"')
    return ask(relay, "POST", SERVICE, body, address or "203.0.113.9", **headers)


def call(relay: Relay, style: str, given: dict[str, str], address: str = "203.0.113.9") -> Answer:
    match style:
        case "get":
            return ask(relay, "GET", f"{METHOD}?{urlencode(given)}", address=address)
        case "post":
            form = {"Content_Type": "application/x-www-form-urlencoded"}
            return ask(relay, "POST", METHOD, urlencode(given).encode(), address, **form)
        case "json":
            as_json = {"Content_Type": "application/json; charset=utf-8"}
            return ask(relay, "POST", METHOD, json.dumps(given).encode(), address, **as_json)
        case _:
            version = style.removeprefix("soap ")
            return soap(relay, envelope(given, version), version, address)


def told(answer: Answer, style: str, name: str) -> str | None:
    if style == "json":
        value = json.loads(answer.body)["d"].get(name)
        return str(value).lower() if isinstance(value, bool) else value
    return answer.element(name)


def reason(answer: Answer, style: str) -> str:
    """The message of a refusal, after a look at its form."""
    if style == "json":
        error = json.loads(answer.body)
        assert set(error) == {"Message", "StackTrace", "ExceptionType"} and not error["StackTrace"]
        return str(error["Message"])
    if style in ("get", "post"):
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        return answer.body.strip()
    assert answer.headers["Content-Type"].startswith(SOAP[style[5:]][1].partition(";")[0])
    root = etree.fromstring(answer.body.encode())
    names = {"s": SOAP[style[5:]][0]}
    if style == "soap 1.1":
        assert root.findtext(".//faultcode") in ("soap:Client", "soap:Server")
        return str(root.findtext("s:Body/s:Fault/faultstring", namespaces=names))
    code = root.findtext("s:Body/s:Fault/s:Code/s:Value", namespaces=names)
    assert code in ("soap:Sender", "soap:Receiver")
    return str(root.findtext("s:Body/s:Fault/s:Reason/s:Text", namespaces=names))
