"""The call without SOAP: parameters of an address, of a form, or of a JSON object. Pure."""

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from relay.service.lookup import PARAMETERS, CallError, CobrowseSession, Problem
from relay.service.soap import RESULT_TYPE

MAX_FIELDS: Final = 100


def read_form(text: bytes) -> dict[str, str | None]:
    """The parameters in a query or a form. Their names count in any case, others are ignored.

    Raises: CallError.
    """
    try:
        pairs = parse_qsl(
            text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise CallError("The parameters are not in UTF-8, or there are too many.") from error
    return _once((name.lower(), value) for name, value in pairs)


def read_json(body: bytes) -> dict[str, str | None]:
    """The parameters in a JSON object; numbers are taken for text. Raises: CallError."""
    try:
        pairs = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise CallError("The request is no JSON.") from error
    if not isinstance(pairs, _Pairs):
        raise CallError("The request must be a JSON object.")
    return _once((name, _text(name, value)) for name, value in pairs)


def json_answer(session: CobrowseSession | None) -> bytes:
    found: dict[str, Any] = {"__type": RESULT_TYPE, "found": session is not None}
    if session is not None:
        found |= msgspec.to_builtins(session)
        del found["ended"], found["reason"]  # a session that is found by its key is live
    return msgspec.json.encode({"d": found})


def json_error(problem: Problem) -> bytes:
    error = {"Message": problem.message, "StackTrace": "", "ExceptionType": problem.code}
    return msgspec.json.encode(error)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all that it says, twice or not."""


def _text(name: str, value: Any) -> str | None:
    if name not in PARAMETERS or value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise CallError(f"The parameter {name} must be text.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise CallError(f"The parameter {name} holds half a character.")
    return value


def _once(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str | None]:
    given: dict[str, str | None] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            continue
        if name in given:
            raise CallError(f"The parameter {name} is given twice.")
        given[name] = value
    return given
