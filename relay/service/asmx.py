"""SessionService.asmx by HTTP: its description, and the four ways to call its one operation."""

import logging
from collections.abc import Mapping
from email.message import Message
from typing import Final

from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from relay.errors import PeerError, Refused
from relay.metrics import REFUSED
from relay.service import plain, soap
from relay.service.body import BadBody, read_body
from relay.service.finder import Finder
from relay.service.lookup import CobrowseSession, Problem, asked_of, problem_of
from relay.service.soap import OPERATION, SoapError, Version

logger = logging.getLogger(__name__)

SERVICE: Final = "SessionService"
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
OURS: Final = Problem(500, "fault", "The service has made an error.")
RETRY_AFTER_S: Final = {429: 3600, 503: 5}
_POLICY: Final = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'"
_NO_FORMAT: Final = f"Request format is unrecognized for URL unexpectedly ending in '/{OPERATION}'."


class SessionService:
    """Answers for /services/SessionService.asmx and what is below it."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        loader = PackageLoader("relay")
        self._templates = Environment(loader=loader, autoescape=True, trim_blocks=True)

    async def service(self, request: Request) -> Response:
        """The description by GET, SOAP by POST."""
        if not _is_named(request.path_params["service"]):
            return PlainTextResponse("There is no such service.\n", 404)
        if request.method == "POST":
            return await self._soap(request)
        asked = {name.lower(): value for name, value in request.query_params.items()}
        if "wsdl" in asked:
            return self._described(request, "service.wsdl", "text/xml")
        if "op" not in asked:
            return self._described(request, "service.html", "text/html")
        if asked["op"].lower() != OPERATION.lower():
            return PlainTextResponse("There is no such operation.\n", 404)
        return self._described(request, "operation.html", "text/html")

    async def method(self, request: Request) -> Response:
        """The operation by GET, by a form, or by JSON."""
        if not _is_named(request.path_params["service"]):
            return PlainTextResponse("There is no such service.\n", 404)
        name = request.path_params["method"]
        media_type, _ = _media_type(request)
        as_json = media_type == JSON
        try:
            if name.lower() != OPERATION.lower():
                return _text(500, f"{name[:200]} Web Service method name is not valid.")
            if request.method != "POST":
                as_json = False
                given = plain.read_form(request.scope["query_string"])
            elif media_type == FORM:
                given = plain.read_form(await read_body(request))
            elif as_json:
                given = plain.read_json(await read_body(request))
            else:
                return _text(500, _NO_FORMAT)
            session = await self._find(request, given)
        except BadBody as error:
            return _problem(Problem(error.status, "request", str(error)), as_json, close=True)
        except PeerError as error:
            return _problem(_counted(error), as_json)
        except Exception:
            logger.exception("a call of the service has failed")
            return _problem(OURS, as_json)
        if as_json:
            return _answer(plain.json_answer(session), JSON)
        return _answer(soap.document(session), "text/xml")

    async def _soap(self, request: Request) -> Response:
        media_type, parameters = _media_type(request)
        version = soap.VERSIONS.get(media_type)
        if version is None:
            return _text(415, "The request must be text/xml or application/soap+xml.")
        action = parameters.get("action", "") or request.headers.get("soapaction", "")
        try:
            body = await read_body(request)
            given = soap.read_call(body, version, parameters.get("charset", ""), action)
            session = await self._find(request, given)
        except BadBody as error:
            problem = Problem(error.status, "request", str(error))
            return _fault(version, problem, status=error.status, close=True)
        except SoapError as error:
            return _fault(version, problem_of(error), code=error.code)
        except PeerError as error:
            return _fault(version, _counted(error))
        except Exception:
            logger.exception("a call of the service has failed")
            return _fault(version, OURS)
        return _answer(soap.answer(version, session), version.media_type)

    async def _find(
        self, request: Request, given: Mapping[str, str | None]
    ) -> CobrowseSession | None:
        address = request.client.host if request.client else ""
        return await self._finder.by_key(asked_of(given), address, str(request.base_url))

    def _described(self, request: Request, template: str, media_type: str) -> Response:
        text = self._templates.get_template(template).render(
            address=str(request.url.replace(query="")),
            path=request.url.path,
            host=request.url.netloc,
            namespace=soap.NAMESPACE,
            service=SERVICE,
            operation=OPERATION,
            result=soap.RESULT_TYPE,
        )
        response = _answer(text.encode(), media_type)
        response.headers["Content-Security-Policy"] = _POLICY
        return response


def _is_named(name: str) -> bool:
    return name.lower() == f"{SERVICE}.asmx".lower()


def _media_type(request: Request) -> tuple[str, dict[str, str]]:
    """The request's media type and its parameters, in lower case but for their values."""
    message = Message()
    message["Content-Type"] = request.headers.get("content-type", "")
    listed = message.get_params(failobj=[])
    return message.get_content_type(), {name.lower(): str(value) for name, value in listed[1:]}


def _counted(error: PeerError) -> Problem:
    if isinstance(error, Refused):
        REFUSED.labels(error.code).inc()
    return problem_of(error)


def _answer(content: bytes, media_type: str, status: int = 200) -> Response:
    headers = {"Cache-Control": "private, no-store", "Content-Type": f"{media_type}; charset=utf-8"}
    if status in RETRY_AFTER_S:
        headers["Retry-After"] = str(RETRY_AFTER_S[status])
    return Response(content, status, headers)


def _text(status: int, message: str) -> Response:
    return _answer(f"{message}\r\n".encode(), "text/plain", status)


def _problem(problem: Problem, as_json: bool, *, close: bool = False) -> Response:
    """As ASP.NET tells it: 500 for a call that it does not accept."""
    status = problem.status if problem.status in (*RETRY_AFTER_S, 408, 413) else 500
    if as_json:
        response = _answer(plain.json_error(problem), JSON, status)
    else:
        response = _text(status, problem.message)
    if close:
        response.headers["Connection"] = "close"
    return response


def _fault(
    version: Version, problem: Problem, *, code: str = "", status: int = 500, close: bool = False
) -> Response:
    response = _answer(soap.fault(version, problem, code), version.media_type, status)
    if problem.status in RETRY_AFTER_S:
        response.headers["Retry-After"] = str(RETRY_AFTER_S[problem.status])
    if close:
        response.headers["Connection"] = "close"
    return response
