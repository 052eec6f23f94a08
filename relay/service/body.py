"""Reads a request's body, as much as a call may have."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

MAX_BODY_BYTES: Final = 65_536
# Of one that is too large so much more is read and thrown away: many clients read no answer before
# they have sent all.
MAX_WASTE_BYTES: Final = 1024 * 1024
BODY_TIMEOUT_S: Final = 10.0


class BadBody(Exception):
    """A body that is not read to its end. status: of HTTP; the connection is to be closed."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message

    def __str__(self) -> str:
        return self.message


async def read_body(request: Request) -> bytes:
    """Raises: BadBody."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= MAX_BODY_BYTES:
                    body += chunk
                elif size > MAX_WASTE_BYTES:
                    break
    except TimeoutError as error:
        raise BadBody(408, "The request took too long to come.") from error
    except ClientDisconnect as error:
        raise BadBody(400, "The request was broken off.") from error
    if size > MAX_BODY_BYTES:
        raise BadBody(413, f"The request is larger than {MAX_BODY_BYTES} bytes.")
    return bytes(body)
