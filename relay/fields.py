"""What an agent's page is asked with: the query, and the fields of a form."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from relay.service.body import BadBody, read_body

FORM_TYPE: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 50
MAX_FORM_BYTES: Final = 16_384


class BadForm(Exception):
    """A form that is not read. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message

    def __str__(self) -> str:
        return self.message


def parameters(request: Request) -> dict[str, str]:
    """The query by lower-case name: integrations write the names in any case."""
    return {name.lower(): value for name, value in request.query_params.items()}


async def fields_of(request: Request) -> dict[str, str]:
    """Query and form by lower-case name; of what both have, the form counts.

    A login key may stand behind the user's id and a "~": it becomes the loginkey. Raises: BadForm.
    """
    fields = parameters(request)
    if request.method == "POST":
        fields |= await _form(request)
    user, tilde, key = fields.get("partneruserid", "").partition("~$")
    if tilde and "loginkey" not in fields:
        fields |= {"partneruserid": user, "loginkey": f"${key}"}
    return fields


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise BadForm(415, f"A login is posted as {FORM_TYPE}.")
    try:
        body = await read_body(request)
    except BadBody as error:
        raise BadForm(error.status, str(error)) from error
    if len(body) > MAX_FORM_BYTES:
        raise BadForm(413, f"The form is larger than {MAX_FORM_BYTES} bytes.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise BadForm(400, "The form cannot be read.") from error
    return {name.lower(): value for name, value in pairs}
