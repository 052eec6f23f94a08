"""The JSON service in OpenAPI 3.1; the schemas are made from the types of the answers."""

from importlib.metadata import version
from typing import Any, Final

import msgspec

from relay.service.lookup import SESSION_ID, SESSION_KEY, CobrowseSession

PROBLEM_TYPE: Final = "application/problem+json"


class SessionList(msgspec.Struct, frozen=True):
    """The live session with the key, or none."""

    sessions: list[CobrowseSession]


class ProblemDetails(msgspec.Struct, frozen=True):
    """RFC 9457. code: stable, for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str


_REFUSALS: Final = {
    "400": "A parameter is missing, given twice, or not what it must be.",
    "401": "The login key is missing, wrong, expired or used up.",
    "403": "The agent is shut out of the group.",
    "429": "Too many wrong login keys from this address.",
    "500": "The service has made an error.",
    "503": "The service cannot answer now.",
}


def document() -> bytes:
    """The whole document, as JSON."""
    reference = "#/components/schemas/{name}"
    answers = [SessionList, CobrowseSession, ProblemDetails]
    (listing, session, problem), schemas = msgspec.json.schema_components(
        answers, ref_template=reference
    )
    identity = [
        _query("partnerid", "The group's id.", {"type": "string", "minLength": 1}),
        _query("partneruserid", "The agent's id.", {"type": "string", "minLength": 1}),
    ]
    key = _query("key", "The session key.", _pattern(SESSION_KEY.pattern))
    by_id: dict[str, Any] = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The sessionid of an earlier answer.",
        "schema": _pattern(SESSION_ID.pattern),
    }
    gone = {"404": "The group has no such session, or its record is no longer kept."}
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": "Co-browse sessions",
            "version": version("cobrowse-proxy"),
            "description": "What SessionService.asmx tells, as JSON.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"loginkey": []}],
        "paths": {
            "/sessions": {
                "get": {
                    "operationId": "findSessions",
                    "summary": "The live session with a key.",
                    "parameters": [*identity, key],
                    "responses": _responses("A list of one, or none.", listing, problem, _REFUSALS),
                }
            },
            "/sessions/{id}": {
                "get": {
                    "operationId": "getSession",
                    "summary": "One session, live or ended.",
                    "parameters": [by_id, *identity],
                    "responses": _responses("The session.", session, problem, _REFUSALS | gone),
                }
            },
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "loginkey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An agent's login key, made for partnerid and partneruserid.",
                }
            },
        },
    }
    return msgspec.json.encode(made)


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": True,
        "description": description,
        "schema": schema,
    }


def _pattern(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _responses(
    description: str, schema: Any, problem: Any, refusals: dict[str, str]
) -> dict[str, Any]:
    refused = {
        status: {"description": meaning, "content": {PROBLEM_TYPE: {"schema": problem}}}
        for status, meaning in refusals.items()
    }
    good = {"description": description, "content": {"application/json": {"schema": schema}}}
    return {"200": good, **refused}
