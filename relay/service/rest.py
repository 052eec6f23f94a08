"""The JSON service under /api/v1: what SessionService.asmx tells, for programs of today."""

import logging
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from relay.errors import PeerError, Refused
from relay.metrics import REFUSED
from relay.service import openapi
from relay.service.finder import Finder
from relay.service.lookup import SESSION_KEY, Asked, CallError, Problem, problem_of

logger = logging.getLogger(__name__)

RETRY_AFTER_S: Final = {429: 3600, 503: 5}


class RestService:
    """Answers for /api/v1."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._document = openapi.document()

    async def openapi(self, _: Request) -> Response:
        return Response(self._document, media_type="application/json")

    async def sessions(self, request: Request) -> Response:
        """The live session with a key, as a list."""
        try:
            asked = _asked(request, "key")
            if not SESSION_KEY.fullmatch(asked.ssnkey):
                raise CallError("key must be 1 to 50 letters, digits, - and _.")
            found = await self._finder.by_key(asked, _address(request), str(request.base_url))
            return _json(openapi.SessionList([] if found is None else [found]))
        except PeerError as error:
            return _refusal(error)
        except Exception:
            return _fault()

    async def session(self, request: Request) -> Response:
        """One session by its id."""
        try:
            asked, session_id = _asked(request), request.path_params["id"]
            base = str(request.base_url)
            found = await self._finder.by_id(asked, session_id, _address(request), base)
        except PeerError as error:
            return _refusal(error)
        except Exception:
            return _fault()
        if found is None:
            return _problem(Problem(404, "nosession", "The group has no such session."))
        return _json(found)


def _asked(request: Request, key: str = "") -> Asked:
    """Raises: CallError, Refused where no login key came."""
    scheme, _, loginkey = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not loginkey.strip():
        raise Refused("login", "The login key must come as Authorization: Bearer <login key>.")
    given = [_one(request, name) for name in ("partnerid", "partneruserid", *filter(None, [key]))]
    return Asked(given[0], given[1], given[2] if key else "", loginkey.strip())


def _one(request: Request, name: str) -> str:
    values = request.query_params.getlist(name)
    if len(values) != 1 or not values[0]:
        raise CallError(f"The parameter {name} must be given once, and not be empty.")
    return values[0]


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _json(answer: object) -> Response:
    content = msgspec.json.encode(answer)
    headers = {"Cache-Control": "private, no-store"}
    return Response(content, 200, headers, "application/json")


def _refusal(error: PeerError) -> Response:
    if isinstance(error, Refused):
        REFUSED.labels(error.code).inc()
    return _problem(problem_of(error))


def _fault() -> Response:
    logger.exception("a call of the service has failed")
    return _problem(Problem(500, "fault", "The service has made an error."))


def _problem(problem: Problem) -> Response:
    details = openapi.ProblemDetails(
        type="about:blank",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.message,
        code=problem.code,
    )
    headers = {"Cache-Control": "private, no-store"}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="cobrowse", error="invalid_token"'
    if problem.status in RETRY_AFTER_S:
        headers["Retry-After"] = str(RETRY_AFTER_S[problem.status])
    return Response(msgspec.json.encode(details), problem.status, headers, openapi.PROBLEM_TYPE)
