"""SessionService.asmx and what is no proper call: a clear answer, and the service goes on."""

import http.client
import json
import socket
from urllib.parse import quote, urlencode

import pytest
from lxml import etree

from relay.errors import Close
from relay.service.soap import ACTION, NAMESPACE, OPERATION
from tests.relays import (
    Peer,
    Process,
    Relay,
    agent_token,
)
from tests.stack import GROUP
from tests.wire.calls import (
    METHOD,
    SERVICE,
    SOAP,
    ask,
    call,
    envelope,
    login_key,
    parameters,
    process,
    relay,
    soap,
    told,
    visitor,
)

__all__ = ["process", "relay", "visitor"]

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


def test_who_asks_before_sending_the_body_is_told_to_go_on(relay: Relay, visitor: Peer) -> None:
    """As .NET does by itself."""
    body = envelope(parameters())
    head = (
        f"POST {SERVICE} HTTP/1.1\r\nHost: relay.test\r\nContent-Type: text/xml\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n"
        "X-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ") and b"<found>true</found>" in answer


def test_only_the_head_is_asked_for(relay: Relay) -> None:
    for path in (SERVICE, f"{METHOD}?{urlencode(parameters(ssnkey='none'))}"):
        answer = ask(relay, "HEAD", path)
        assert answer.status == 200 and answer.body == ""


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
