"""SessionService.asmx as clients of many kinds call it: what it tells, and what it refuses."""

import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
import zeep
from lxml import etree

from relay import auth
from relay.errors import Close
from relay.service.soap import ACTION, NAMESPACE, OPERATION
from tests.node_clients import run_node
from tests.relays import (
    OTHER_GROUP,
    PAGE,
    Peer,
    Process,
    Relay,
    agent_token,
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


@pytest.mark.parametrize("style", STYLES)
def test_a_session_is_found_by_its_key(relay: Relay, visitor: Peer, style: str) -> None:
    agent = relay.agent("found-1", user="bert")
    agent.get_until("state")
    answer = call(relay, style, parameters())
    assert answer.status == 200, answer.body
    assert told(answer, style, "found") == "true"
    assert told(answer, style, "ssnkey") == "found-1"
    assert told(answer, style, "state") == "active"
    assert told(answer, style, "name") == "Niels Bohr"
    assert told(answer, style, "email") == "cookie@shop.test"
    assert told(answer, style, "pageurl") == PAGE["url"]
    started = told(answer, style, "started")
    assert started is not None and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", started)
    assert re.fullmatch("[0-9a-f]{32}", told(answer, style, "sessionid") or "")
    if style == "json":
        body = json.loads(answer.body)["d"]
        assert body["__type"] == "PartnerCobrowseSession"
        assert body["pagetitle"] == 'Shop <&> "1"'
        assert [a["partneruserid"] for a in body["agents"]] == ["bert"]
    else:
        root = etree.fromstring(answer.body.encode())
        assert root.findtext(f".//{{{NAMESPACE}}}pagetitle") == 'Shop <&> "1"'
        assert answer.element("partneruserid") == "bert"
    agent.close()


@pytest.mark.parametrize("style", STYLES)
def test_no_session_is_no_error(relay: Relay, style: str) -> None:
    for key in ("nobody-has-it", "", "not a key", "é" * 60, "x" * 5000):
        answer = call(relay, style, parameters(ssnkey=key))
        assert answer.status == 200
        assert told(answer, style, "found") == "false"
        assert told(answer, style, "joinurl") is None


@pytest.mark.parametrize("style", STYLES)
def test_bad_logins_are_faults(relay: Relay, visitor: Peer, style: str) -> None:
    address = f"198.51.100.{STYLES.index(style) + 1}"
    for changes, said in (
        ({"loginkey": login_key(api_key="wrong")}, "not valid for this partner"),
        ({"loginkey": ""}, "not valid for this partner"),
        ({"loginkey": login_key(ttl=-60)}, "has expired"),
        ({"loginkey": login_key(ttl=90_000)}, "more than a day"),
    ):
        answer = call(relay, style, parameters(**changes), address)
        assert answer.status == 500
        assert said in reason(answer, style)
        assert "found-1" not in answer.body


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["partnerid", "partneruserid", "ssnkey", "loginkey"])
def test_a_missing_parameter_is_named(relay: Relay, style: str, name: str) -> None:
    answer = call(relay, style, parameters(**{name: None}))
    assert answer.status == 500
    assert reason(answer, style) == f"Missing parameter: {name}."


@pytest.mark.parametrize("style", STYLES)
def test_the_join_address_opens_the_viewer_with_no_further_login(
    relay: Relay, visitor: Peer, style: str
) -> None:
    given = parameters(partneruserid="an na&+/ü", loginkey=login_key(user="an na&+/ü"))
    joinurl = told(call(relay, style, given), style, "joinurl")
    assert joinurl is not None
    url = urlsplit(joinurl)
    assert url.path == "/cobrowse/AgentView.aspx" and url.port == relay.port
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert list(query) == ["SessionKey", "partnerid", "partneruserid", "loginkey"]
    assert query["SessionKey"] == "found-1" and query["partnerid"] == GROUP
    assert query["partneruserid"] == "an na&+/ü" and query["loginkey"] != given["loginkey"]
    assert 240 < int(query["loginkey"].split("$")[2]) - time.time() <= 300
    page = ask(relay, "GET", f"{url.path}?{url.query}")
    assert page.status == 200
    boot = json.loads(page.body.partition('id="boot">')[2].partition("</script>")[0])
    agent = relay.open("/agent/socket")
    agent.send({"type": "join", "token": boot["token"], "key": boot["key"], "end": "x" * 16})
    assert agent.get()["type"] == "joined"
    agent.close()


def test_a_session_of_another_group_is_as_if_there_were_none(relay: Relay, visitor: Peer) -> None:
    other = {
        "partnerid": OTHER_GROUP,
        "loginkey": login_key(group=OTHER_GROUP, api_key=OTHER_API_KEY),
    }
    for style in STYLES:
        hidden = call(relay, style, parameters(**other))
        none = call(relay, style, parameters(**other, ssnkey="nobody-has-it"))
        assert (hidden.status, hidden.body) == (none.status, none.body)
        assert told(hidden, style, "found") == "false"
        mine = call(relay, style, parameters(partnerid=OTHER_GROUP), "198.51.100.77")
        assert mine.status in (429, 500) and "found" not in mine.body


def test_wrong_keys_of_pages_and_service_are_counted_together(relay: Relay) -> None:
    address = "198.51.100.50"
    wrong = parameters(loginkey="$1$99$wrong")
    assert call(relay, "soap 1.1", wrong, address).status == 500
    assert call(relay, "get", wrong, address).status == 500
    assert call(relay, "json", wrong, address).status == 500
    page = f"/console?partnerid={GROUP}&partneruserid=anna&loginkey=$1$99$wrong"
    assert ask(relay, "GET", page, address=address).status == 403
    for style in STYLES:
        answer = call(relay, style, parameters(), address)
        assert "hour" in reason(answer, style) and answer.headers["Retry-After"] == "3600"
        assert answer.status == (500 if style.startswith("soap") else 429)
    assert ask(relay, "GET", page, address=address).status == 429
    assert call(relay, "get", parameters(), "198.51.100.51").status == 200


# -- the description -----------------------------------------------------------------------------


def wsdl(relay: Relay, query: str = "WSDL", **headers: Any) -> Any:
    answer = ask(relay, "GET", f"{SERVICE}?{query}", **headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    return etree.fromstring(answer.body.encode())


def addresses(root: Any) -> set[str]:
    found = root.xpath("//*[local-name()='address']/@location")
    assert len(found) == 4
    return set(found)


@pytest.mark.parametrize("query", ["WSDL", "wsdl", "Wsdl=", "wSdL"])
def test_the_wsdl_names_the_address_that_was_asked(relay: Relay, query: str) -> None:
    own = f"http://127.0.0.1:{relay.port}{SERVICE}"
    assert addresses(wsdl(relay, query)) == {own}
    assert addresses(wsdl(relay, query, Host="relay.test:99")) == {f"http://relay.test:99{SERVICE}"}


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"X_Forwarded_Proto": "https", "X_Forwarded_Host": "r.test"}, "https://r.test"),
        ({"X_Forwarded_Host": "evil.test, r.test"}, "http://r.test"),
        ({"X_Forwarded_Host": "r.test", "X_Forwarded_Port": "8443"}, "http://r.test:8443"),
        ({"X_Forwarded_Host": 'r.test"><x'}, ""),
        ({"X_Forwarded_Host": "r.test", "Forwarded": "host=evil.test"}, "http://r.test"),
    ],
)
def test_a_trusted_proxy_tells_the_address(
    relay: Relay, headers: dict[str, str], base: str
) -> None:
    base = base or f"http://127.0.0.1:{relay.port}"
    assert addresses(wsdl(relay, **headers)) == {f"{base}{SERVICE}"}


def plain_get(relay: Relay, path: str, headers: dict[str, str]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=20)
    connection.request("GET", path, headers=headers)
    with contextlib.closing(connection):
        return connection.getresponse().read().decode()


def test_the_standard_header_counts_where_it_is_alone(relay: Relay) -> None:
    said = 'for=1.2.3.4;host=evil.test, for=5.6.7.8;proto=https;host="r.test:8443"'
    text = plain_get(relay, f"{SERVICE}?wsdl", {"Forwarded": said})
    assert addresses(etree.fromstring(text.encode())) == {f"https://r.test:8443{SERVICE}"}


def test_nobody_else_tells_the_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("untrusted")
    with running_relay(folder, relay='trusted_peers = ["192.0.2.1"]') as process:
        relay = Relay(process.port, contextlib.ExitStack())
        for headers in (
            {"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https"},
            {"Forwarded": "host=evil.test;proto=https"},
        ):
            text = plain_get(relay, f"{SERVICE}?wsdl", headers)
            own = f"http://127.0.0.1:{relay.port}{SERVICE}"
            assert addresses(etree.fromstring(text.encode())) == {own}


def test_the_pages_for_people(relay: Relay) -> None:
    listing = ask(relay, "GET", SERVICE)
    assert listing.status == 200 and listing.headers["Content-Type"].startswith("text/html")
    assert f"{SERVICE}?op={OPERATION}" in listing.body and f"{SERVICE}?WSDL" in listing.body
    page = ask(relay, "GET", f"{SERVICE}?OP={OPERATION}")
    for title in ("SOAP 1.1", "SOAP 1.2", "HTTP GET", "HTTP POST", "JSON"):
        assert f"<h2>{title}</h2>" in page.body
    assert "&lt;partneruserid&gt;string&lt;/partneruserid&gt;" in page.body
    assert "<partneruserid>" not in page.body
    assert ask(relay, "GET", f"{SERVICE}?op=Nothing").status == 404
    assert ask(relay, "GET", "/services/SESSIONSERVICE.ASMX?wsdl").status == 200
    assert ask(relay, "GET", "/services/ActivityService.asmx?wsdl").status == 404
    assert ask(relay, "DELETE", SERVICE).status == 405
    hostile = ask(relay, "GET", f"{SERVICE}?op={OPERATION}", Host='x"><script>')
    assert "<script>" not in hostile.body


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_samples_work_as_they_stand(relay: Relay, visitor: Peer, version: str) -> None:
    page = ask(relay, "GET", f"{SERVICE}?op={OPERATION}").body
    document = etree.fromstring(page, etree.HTMLParser())
    samples = ["".join(pre.itertext()) for pre in document.iterfind(".//pre")]
    [sample] = [s for s in samples if s.startswith("POST") and SOAP[version][0] in s]
    head, _, body = sample.replace("\r", "").partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    del headers["Content-Length"], headers["Host"]
    for name, value in parameters().items():
        body = body.replace(f"<{name}>string<", f"<{name}>{value}<")
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    answer = ask(relay, "POST", SERVICE, body.strip().encode(), **named)
    assert (answer.status, answer.element("found")) == (200, "true")


# -- clients that read the WSDL ------------------------------------------------------------------


@pytest.mark.parametrize("port", ["SessionServiceSoap", "SessionServiceSoap12"])
def test_zeep_needs_the_wsdl_only(relay: Relay, visitor: Peer, port: str) -> None:
    agent = relay.agent("found-1", user="bert")
    agent.get_until("state")
    own = f"http://127.0.0.1:{relay.port}{SERVICE}?WSDL"
    settings = zeep.Settings(strict=True)
    client = zeep.Client(own, port_name=port, settings=settings)
    found = client.service.LookupPartnerCobrowseSession(**parameters())
    assert found.found is True and found.state == "active" and found.joinurl.startswith("http://")
    assert found.started.timestamp() == pytest.approx(time.time(), abs=600)
    assert [a.partneruserid for a in found.agents.Agent] == ["bert"]
    assert found.verified is None or not found.verified.string
    none = client.service.LookupPartnerCobrowseSession(**parameters(ssnkey="none"))
    assert none.found is False and none.joinurl is None
    with pytest.raises(zeep.exceptions.Fault, match="not valid for this partner"):
        client.service.LookupPartnerCobrowseSession(**parameters(loginkey="$1$99$x"))
    with pytest.raises(zeep.exceptions.Fault, match="Missing parameter: ssnkey"):
        client.service.LookupPartnerCobrowseSession(**parameters(ssnkey=None))
    agent.close()
    client.transport.session.close()


@pytest.mark.parametrize("port", ["SessionServiceSoap", "SessionServiceSoap12"])
def test_the_soap_package_of_node_needs_the_wsdl_only(
    relay: Relay, visitor: Peer, port: str
) -> None:
    agent = relay.agent("found-1", user="bert")
    agent.get_until("state")
    own = f"http://127.0.0.1:{relay.port}{SERVICE}?WSDL"

    def lookup(**changes: Any) -> Any:
        return json.loads(run_node("lookup.js", own, port, json.dumps(parameters(**changes))))

    found = lookup()
    assert found["found"] is True and found["state"] == "active"
    assert urlsplit(found["joinurl"]).path == "/cobrowse/AgentView.aspx"
    assert found["pagetitle"] == 'Shop <&> "1"'
    assert [a["partneruserid"] for a in found["agents"]["Agent"]] == ["bert"]
    assert lookup(ssnkey="none") == {"found": False}
    assert "not valid for this partner" in str(lookup(loginkey="$1$99$x")["fault"])
    assert "Missing parameter: ssnkey." in str(lookup(ssnkey=None)["fault"])
    agent.close()


# -- what is not a call --------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HEAD = b'<?xml version="1.0" encoding="utf-8"?>'
GOOD = envelope({"partnerid": GROUP, "partneruserid": "a", "ssnkey": "k", "loginkey": "x"})


def with_doctype(doctype: str, value: str) -> bytes:
    body = GOOD.removeprefix(HEAD).replace(b">k<", f">{value}<".encode())
    return HEAD + doctype.encode() + body


HOSTILE = {
    "external entity": (
        with_doctype('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
        "document type",
    ),
    "external dtd": (with_doctype('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">', "k"), "type"),
    "billion laughs": (
        with_doctype(f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]>', "&l9;"),
        "document type",
    ),
    "utf-16 doctype": (
        with_doctype("<!DOCTYPE a>", "k").removeprefix(HEAD).decode().encode("utf-16"),
        "document type",
    ),
    "unknown entity": (GOOD.replace(b">k<", b">&x;<"), "no XML"),
    "nothing": (b"", "no XML"),
    "no xml": (b"hello", "no XML"),
    "json": (b'{"ssnkey": 1}', "no XML"),
    "cut": (GOOD[:-9], "no XML"),
    "nul": (GOOD.replace(b">k<", b">\0<"), "U+0000"),
    "nul reference": (GOOD.replace(b">k<", b">&#0;<"), "no XML"),
    "control": (GOOD.replace(b">k<", b">\x08<"), "U+0008"),
    "deep": (HEAD + b"<a>" * 9_000 + b"</a>" * 500, "no XML"),
    "not utf-8": (GOOD.replace(b">k<", b">\xff<"), "not in its encoding"),
    "no envelope": (HEAD + b"<a/>", "no SOAP envelope"),
    "no body": (HEAD + b'<s:Envelope xmlns:s="%s"/>' % SOAP["1.1"][0].encode(), "one Body"),
    "two calls": (GOOD.replace(b"<s:Body>", b"<s:Body><x/>"), "one Body with one call"),
    "other namespace": (
        GOOD.replace(NAMESPACE.encode(), b"http://tempuri.org/"),
        f"in the namespace {NAMESPACE}",
    ),
    "other operation": (GOOD.replace(OPERATION.encode(), b"Drop"), f"The call must be {OPERATION}"),
    "unqualified": (
        GOOD.replace(b"<ssnkey>", b'<ssnkey xmlns="">'),
        f"Missing parameter: ssnkey. It must be in the namespace {NAMESPACE}",
    ),
    "nil": (
        GOOD.replace(
            b"<ssnkey>",
            b'<ssnkey xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true">',
        ),
        "Missing parameter: ssnkey.",
    ),
    "twice": (GOOD.replace(b"<ssnkey>", b"<ssnkey>a</ssnkey><ssnkey>"), "given twice"),
    "nested": (GOOD.replace(b">k<", b"><x>k</x><"), "must be text"),
    "version mismatch": (
        GOOD.replace(SOAP["1.1"][0].encode(), SOAP["1.2"][0].encode()),
        "Possible SOAP version mismatch",
    ),
    "must understand": (
        envelope({}, more='<s:Header><x:a xmlns:x="x" s:mustUnderstand="1"/></s:Header>'),
        "not understood",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_call_gets_a_fault_and_the_service_goes_on(
    relay: Relay, visitor: Peer, name: str
) -> None:
    body, said = HOSTILE[name]
    own_charset = {"Content_Type": "text/xml"} if "utf-16" in name else {}
    answer = soap(relay, body, **own_charset)
    assert answer.status == 500
    fault = etree.fromstring(answer.body.encode())
    message = fault.findtext(".//faultstring")
    assert message is not None and said in message
    code = {"version mismatch": "VersionMismatch", "must understand": "MustUnderstand"}
    assert fault.findtext(".//faultcode") == f"soap:{code.get(name, 'Client')}"
    assert "root:" not in answer.body
    again = call(relay, "soap 1.1", parameters())
    assert (again.status, again.element("found")) == (200, "true")


def test_what_is_harmless_is_taken(relay: Relay, visitor: Peer) -> None:
    good = envelope(parameters())
    as_text = good.removeprefix(HEAD).decode()
    unnamed = {"Content_Type": "text/xml"}
    for body, headers in (
        (good.replace(b"<ssnkey>", b"<unknown><deep/></unknown><ssnkey>"), {}),
        (good.replace(b">found-1<", b"><![CDATA[found-1]]><"), {}),
        (good.replace(b">found-1<", b">found<!-- a comment -->-1<"), {}),
        (good.replace(b">found-1<", b">&#102;ound-1<"), {}),
        (good, {"SOAPAction": ""}),
        (good, {"SOAPAction": ACTION}),
        (b"\xef\xbb\xbf" + good, {}),
        (good.replace(b"utf-8", b"ISO-8859-1"), unnamed),
        (as_text.encode("utf-16"), unnamed),
        (as_text.encode("utf-16-be"), unnamed),
        (good.replace(b"utf-8", b"utf-16"), {}),  # the header counts, and is right
    ):
        answer = soap(relay, body, **headers)
        assert (answer.status, answer.element("found")) == (200, "true"), answer.body
    header = '<s:Header><x:a xmlns:x="x"/></s:Header>'
    assert soap(relay, envelope(parameters(), "1.2", header), "1.2").element("found") == "true"


@pytest.mark.parametrize(
    ("charset", "said"),
    [
        ("klingon", "not known here"),
        ("hex", "not known here"),
        ("idna", "not known here"),
        ("utf-16", "The request is not in its encoding, utf-16-be."),
        ("us-ascii", "The request is not in its encoding, ascii."),
    ],
)
def test_a_wrong_encoding_is_told(relay: Relay, charset: str, said: str) -> None:
    body = GOOD.replace(b">k<", ">é<".encode())
    body += b" " * (len(body) % 2 == 0)
    answer = soap(relay, body, Content_Type=f"text/xml; charset={charset}")
    assert answer.status == 500 and said in (answer.element("faultstring") or "")
    declared = body.replace(b"utf-8", charset.encode())
    declared += b" " * (len(declared) % 2 == 0)
    answer = soap(relay, declared, Content_Type="text/xml")
    assert answer.status == 500 and said.split(",")[0] in (answer.element("faultstring") or "")


def test_the_action_and_the_type_must_fit(relay: Relay) -> None:
    wrong = soap(relay, GOOD, SOAPAction='"http://tempuri.org/Other"')
    assert wrong.status == 500
    assert "did not recognize the value of HTTP Header SOAPAction: http://tempuri.org/Other." in (
        wrong.element("faultstring") or ""
    )
    action = 'application/soap+xml; action="urn:other"'
    other = soap(relay, envelope(parameters(), "1.2"), "1.2", Content_Type=action)
    assert other.status == 500 and "urn:other" in other.body
    for content_type in ("application/xml", "text/plain", "application/json", "", "x"):
        answer = soap(relay, GOOD, Content_Type=content_type)
        assert answer.status == 415 and "text/xml" in answer.body


def test_plain_calls_that_are_none(relay: Relay) -> None:
    form, as_json = "application/x-www-form-urlencoded", "application/json"
    twice = urlencode(parameters()) + "&SSNKEY=again"
    for content_type, body, said in (
        ("text/plain", b"a", "Request format is unrecognized for URL unexpectedly ending in"),
        ("multipart/form-data; boundary=x", b"--x--", "Request format is unrecognized"),
        (form, twice.encode(), "ssnkey is given twice"),
        (form, b"ssnkey=%FF", "not in UTF-8"),
        (form, b"&".join(b"a=%d" % n for n in range(101)), "too many"),
        (form, b"\xff", "not in UTF-8"),
        (as_json, b"{", "no JSON"),
        (as_json, b"[" * 50_000, "no JSON"),
        (as_json, b"[1]", "must be a JSON object"),
        (as_json, b'{"ssnkey": ' + b"1" * 5_000 + b"}", "no JSON"),
        (as_json, b'{"ssnkey": "a", "ssnkey": "b"}', "given twice"),
        (as_json, b'{"ssnkey": ["a"]}', "must be text"),
        (as_json, b'{"ssnkey": true}', "must be text"),
        (as_json, b'{"ssnkey": "\\ud800"}', "half a character"),
        (as_json, b'{"ssnkey": null}', "Missing parameter: partnerid"),
        (as_json, "{}".encode("utf-16"), "no JSON"),
    ):
        answer = ask(relay, "POST", METHOD, body, Content_Type=content_type)
        assert answer.status == 500, (body, answer.body)
        assert said in answer.body, (body, answer.body)
    unknown = ask(relay, "GET", f"{SERVICE}/DropTables")
    assert unknown.status == 500
    assert unknown.body.strip() == "DropTables Web Service method name is not valid."
    assert "given twice" in ask(relay, "GET", f"{METHOD}?{twice}").body


def test_names_count_in_any_case_by_get_and_post(relay: Relay, visitor: Peer) -> None:
    upper = urlencode({name.upper(): value for name, value in parameters().items()})
    assert ask(relay, "GET", f"{METHOD}?{upper}").element("found") == "true"
    raw = "&".join(f"{n}={quote(v, safe='$')}" for n, v in parameters().items())
    assert ask(relay, "GET", f"{METHOD.lower()}?{raw}").element("found") == "true"
    numbers = {**parameters(), "partnerid": int(GROUP)}
    answer = ask(
        relay, "POST", METHOD, json.dumps(numbers).encode(), Content_Type="application/json"
    )
    assert json.loads(answer.body)["d"]["found"] is True


def test_a_nul_in_an_agents_id_or_key_is_a_wrong_login(relay: Relay) -> None:
    user = "an\0na"
    given = parameters(partneruserid=user, loginkey=login_key(user=user))
    assert "cannot be printed" in call(relay, "get", given, "198.51.100.60").body
    given = parameters(partneruserid="x" * 256, loginkey=login_key(user="x" * 256))
    assert "too long" in call(relay, "get", given, "198.51.100.61").body
    assert told(call(relay, "get", parameters(ssnkey="a\0b")), "get", "found") == "false"


@pytest.mark.parametrize("path", [SERVICE, METHOD])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_too_large_is_not_read(relay: Relay, path: str, chunked: bool) -> None:
    kind = "text/xml" if path == SERVICE else "application/x-www-form-urlencoded"
    size = 200_000
    connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=20)
    body = (b"x" * 20_000 for _ in range(10)) if chunked else b"x" * size
    connection.request("POST", path, body, {"Content-Type": kind}, encode_chunked=chunked)
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"larger than 65536 bytes" in answer.read()
    connection.close()
    assert ask(relay, "GET", SERVICE).status == 200


def test_what_never_ends_is_cut_off(relay: Relay) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=30)
    connection.putrequest("POST", SERVICE)
    connection.putheader("Content-Type", "text/xml")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"<slow>")
    answer = connection.getresponse()  # while we send nothing more
    assert answer.status == 408 and b"too long to come" in answer.read()
    assert answer.headers["Connection"] == "close"
    connection.close()
    connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=30)
    connection.putrequest("POST", SERVICE)
    connection.putheader("Content-Type", "text/xml")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    with pytest.raises(OSError):
        for _ in range(10_000):
            connection.send(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    connection.close()
    assert ask(relay, "GET", SERVICE).status == 200


def test_the_log_says_nothing_of_the_calls(relay: Relay, process: Process, visitor: Peer) -> None:
    given = parameters(partneruserid="secretive", loginkey=login_key(user="secretive"))
    call(relay, "get", given)
    call(relay, "soap 1.1", parameters(loginkey="$1$77$secret"), "198.51.100.70")
    assert process.log is not None
    log = process.log.read_text()
    assert "secretive" not in log and "$1$" not in log and "Traceback" not in log


def test_what_no_xml_can_hold_is_replaced(relay: Relay) -> None:
    visitor = relay.visitor(key="odd", cookie="odd", person={"name": "a\ufffeb"})
    visitor.get()
    visitor.send({"type": "page", "page": {"url": "http://x/", "title": "\uffff ]]> <x/> 🙂"}})
    for style in ("soap 1.1", "soap 1.2", "get"):
        answer = call(relay, style, parameters(ssnkey="odd"))
        assert answer.status == 200
        root = etree.fromstring(answer.body.encode())
        assert root.findtext(f".//{{{NAMESPACE}}}pagetitle") in ("\ufffd ]]> <x/> 🙂", None)
    assert "\ufffd" in (call(relay, "get", parameters(ssnkey="odd")).element("name") or "")
    visitor.send({"type": "stop"})
    assert visitor.close_code() == Close.ENDED


def test_tokens_are_no_login_keys(relay: Relay) -> None:
    answer = call(relay, "get", parameters(loginkey=agent_token()), "198.51.100.80")
    assert answer.status == 500 and "not valid" in answer.body
