"""SOAP 1.1 and 1.2, document/literal wrapped, as ASP.NET's web services speak it. Pure.

The namespace is our choice: that of the other public web services of the same vendor.
Source: SOAP 1.1, section 4; SOAP 1.2 part 1, section 5.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lxml import etree

from relay.service import xmltext
from relay.service.lookup import PARAMETERS, CallError, CobrowseSession, Problem

NAMESPACE: Final = "http://www.glancenetworks.com/services"
OPERATION: Final = "LookupPartnerCobrowseSession"
RESULT_TYPE: Final = "PartnerCobrowseSession"
ACTION: Final = f"{NAMESPACE}/{OPERATION}"
_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA: Final = "http://www.w3.org/2001/XMLSchema"
_TEXTS: Final = ("visitorid", "name", "email", "phone", "pageurl", "pagetitle")


@dataclass(frozen=True)
class Version:
    """What the two versions of SOAP call things."""

    namespace: str
    media_type: str
    callers_fault: str
    services_fault: str


SOAP_11: Final = Version(
    "http://schemas.xmlsoap.org/soap/envelope/", "text/xml", "Client", "Server"
)
SOAP_12: Final = Version(
    "http://www.w3.org/2003/05/soap-envelope", "application/soap+xml", "Sender", "Receiver"
)
VERSIONS: Final = {version.media_type: version for version in (SOAP_11, SOAP_12)}


class SoapError(CallError):
    """A call that breaks SOAP's own rules. code: VersionMismatch or MustUnderstand."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_call(body: bytes, version: Version, charset: str, action: str) -> dict[str, str | None]:
    """The parameters of a call. Unknown elements are ignored.

    Args: charset: of the Content-Type, or "". action: of SOAPAction or Content-Type, or "".
    Raises: CallError.
    """
    if (action := action.strip().strip('"')) not in ("", ACTION):
        raise CallError(
            f"Server did not recognize the value of HTTP Header SOAPAction: {action[:200]}."
        )
    envelope = xmltext.parse(body, charset)
    if etree.QName(envelope).localname != "Envelope":
        raise CallError("The request is no SOAP envelope.")
    own = etree.QName(envelope).namespace
    if own != version.namespace:
        raise SoapError(
            "VersionMismatch",
            f"Possible SOAP version mismatch: Envelope namespace {(own or '')[:200]} was "
            f"unexpected. Expecting {version.namespace}.",
        )
    for header in envelope.iterfind(f"{{{own}}}Header/*"):
        if header.get(f"{{{own}}}mustUnderstand") in ("1", "true"):
            name = etree.QName(header).localname
            raise SoapError("MustUnderstand", f"The header {name[:200]} is not understood.")
    return _parameters(_call_in(envelope, own))


def answer(version: Version, session: CobrowseSession | None) -> bytes:
    envelope, body = _envelope(version)
    response = etree.SubElement(
        body, f"{{{NAMESPACE}}}{OPERATION}Response", nsmap={None: NAMESPACE}
    )
    _fill(etree.SubElement(response, f"{{{NAMESPACE}}}{OPERATION}Result"), session)
    return xmltext.write(envelope)


def fault(version: Version, problem: Problem, code: str = "") -> bytes:
    """Args: code: of SOAP's own faults; "" for who is to blame."""
    code = code or (version.callers_fault if problem.is_callers else version.services_fault)
    envelope, body = _envelope(version)
    own = f"{{{version.namespace}}}"
    made = etree.SubElement(body, f"{own}Fault")
    message = xmltext.printable(problem.message)
    if version is SOAP_11:
        etree.SubElement(made, "faultcode").text = f"soap:{code}"
        etree.SubElement(made, "faultstring").text = message
        detail = etree.SubElement(made, "detail")
    else:
        etree.SubElement(etree.SubElement(made, f"{own}Code"), f"{own}Value").text = f"soap:{code}"
        text = etree.SubElement(etree.SubElement(made, f"{own}Reason"), f"{own}Text")
        text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
        text.text = message
        detail = etree.SubElement(made, f"{own}Detail")
    etree.SubElement(detail, f"{{{NAMESPACE}}}code", nsmap={None: NAMESPACE}).text = problem.code
    return xmltext.write(envelope)


def document(session: CobrowseSession | None) -> bytes:
    """The answer without an envelope, as GET and POST get it."""
    spaces = {None: NAMESPACE, "xsi": _INSTANCE, "xsd": _SCHEMA}
    root = etree.Element(f"{{{NAMESPACE}}}{RESULT_TYPE}", nsmap=spaces)
    _fill(root, session)
    return xmltext.write(root)


def _call_in(envelope: Any, own: str) -> Any:
    bodies = envelope.findall(f"{{{own}}}Body")
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise CallError("The SOAP envelope must have one Body with one call.")
    call = bodies[0][0]
    if call.tag != f"{{{NAMESPACE}}}{OPERATION}":
        raise CallError(f"The call must be {OPERATION} in the namespace {NAMESPACE}.")
    return call


def _parameters(call: Any) -> dict[str, str | None]:
    given: dict[str, str | None] = {}
    strange = set()
    for element in call:
        name = etree.QName(element)
        if name.localname not in PARAMETERS:
            continue
        if name.namespace != NAMESPACE:
            strange.add(name.localname)
            continue
        if name.localname in given:
            raise CallError(f"The parameter {name.localname} is given twice.")
        is_nil = element.get(f"{{{_INSTANCE}}}nil") in ("1", "true")
        given[name.localname] = None if is_nil else xmltext.text_of(element)
    for name in PARAMETERS:
        if name in strange and given.get(name) is None:
            raise CallError(f"Missing parameter: {name}. It must be in the namespace {NAMESPACE}.")
    return given


def _envelope(version: Version) -> tuple[Any, Any]:
    spaces = {"soap": version.namespace, "xsi": _INSTANCE, "xsd": _SCHEMA}
    envelope = etree.Element(f"{{{version.namespace}}}Envelope", nsmap=spaces)
    return envelope, etree.SubElement(envelope, f"{{{version.namespace}}}Body")


def _fill(parent: Any, session: CobrowseSession | None) -> None:
    """Write the fields in the order of the WSDL, without those that are empty."""

    def add(above: Any, name: str, text: str) -> None:
        etree.SubElement(above, f"{{{NAMESPACE}}}{name}").text = xmltext.printable(text)

    add(parent, "found", "false" if session is None else "true")
    if session is None:
        return
    for name in ("joinurl", "sessionid", "ssnkey", "state"):
        add(parent, name, getattr(session, name))
    add(parent, "started", _time(session.started))
    for name in _TEXTS:
        if value := getattr(session, name):
            add(parent, name, value)
    verified = etree.SubElement(parent, f"{{{NAMESPACE}}}verified")
    for field in session.verified:
        add(verified, "string", field)
    agents = etree.SubElement(parent, f"{{{NAMESPACE}}}agents")
    for agent in session.agents:
        entry = etree.SubElement(agents, f"{{{NAMESPACE}}}Agent")
        add(entry, "partneruserid", agent.partneruserid)
        add(entry, "name", agent.name)
        add(entry, "joined", _time(agent.joined))


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
