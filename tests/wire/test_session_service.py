"""SessionService.asmx as clients of many kinds call it: what it tells and describes."""

import contextlib
import http.client
import json
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import zeep
from lxml import etree

from relay.errors import Close
from relay.service.soap import NAMESPACE, OPERATION
from tests.node_clients import run_node
from tests.relays import (
    OTHER_GROUP,
    PAGE,
    Peer,
    Relay,
    running_relay,
    visitor_token,
)
from tests.stack import GROUP
from tests.wire.calls import (
    OTHER_API_KEY,
    SERVICE,
    SOAP,
    STYLES,
    ask,
    call,
    login_key,
    parameters,
    process,
    reason,
    relay,
    told,
    visitor,
)

__all__ = ["process", "relay", "visitor"]


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
def test_who_the_visitor_is_is_told_and_what_of_it_is_signed(relay: Relay, style: str) -> None:
    token = visitor_token(cookie="signed", levels={"email": "signed", "name": "cookie"})
    person = {"visitorid": "v-1", "phone": "314"}
    key = f"signed-{STYLES.index(style)}"
    peer = relay.visitor(token=token, key=key, person=person)
    assert peer.get()["type"] == "started"
    answer = call(relay, style, parameters(ssnkey=key))
    fields = {"visitorid": "v-1", "name": "Niels Bohr", "email": "cookie@shop.test", "phone": "314"}
    assert {name: told(answer, style, name) for name in fields} == fields
    if style == "json":
        assert json.loads(answer.body)["d"]["verified"] == ["email"]
    else:
        found = etree.fromstring(answer.body.encode()).find(f".//{{{NAMESPACE}}}verified")
        assert found is not None and [one.text for one in found] == ["email"]
    peer.send({"type": "stop"})
    assert peer.close_code() == Close.ENDED


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
    client.transport.session.headers["X-Forwarded-For"] = "198.51.100.91"
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
