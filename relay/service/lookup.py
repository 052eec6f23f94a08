"""What is told of a session to who asks by a service, and how a refusal is told. Pure.

Every way of asking, SOAP or not, goes through here. The names of the fields are our choice: the
public description names only the four parameters and joinurl.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from relay.errors import PeerError, Refused, TooMuch, Unavailable
from relay.session import Facts

PARAMETERS: Final = ("partnerid", "partneruserid", "ssnkey", "loginkey")
SESSION_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,50}")
SESSION_ID: Final = re.compile(r"[0-9a-f]{32}")
# joinurl is for an agent who clicks now.
JOIN_KEY_LIFETIME_S: Final = 300


class Asked(msgspec.Struct, frozen=True):
    """The parameters of the call: who asks, and for which session key."""

    partnerid: str
    partneruserid: str
    ssnkey: str
    loginkey: str


class Agent(msgspec.Struct, frozen=True):
    """An agent who is in the session."""

    partneruserid: str
    name: str
    joined: datetime


class CobrowseSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session, as far as an agent of its group may know it. Times are UTC."""

    sessionid: Annotated[str, Meta(description="Stays the same, and is never used again.")]
    ssnkey: Annotated[str, Meta(description="The session key.")]
    state: Annotated[
        Literal["waiting", "active", "away", "ended"],
        Meta(description="For an agent; with agents; the visitor is between pages or lost; over."),
    ]
    started: datetime
    joinurl: Annotated[
        str,
        Meta(description="Opens the viewer with no further login. Empty once it has ended."),
    ] = ""
    visitorid: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    verified: Annotated[
        list[str],
        Meta(description="Which of the visitor's values were signed by the site, by field name."),
    ] = []
    pageurl: str = ""
    pagetitle: str = ""
    agents: list[Agent] = []
    ended: datetime | None = None
    reason: Annotated[str, Meta(description="Who or what has ended it.")] = ""


class CallError(PeerError):
    """A call that cannot be understood; the message says why."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __str__(self) -> str:
        return self.message


class Problem(msgspec.Struct, frozen=True):
    """What went wrong. status: of HTTP, where a style of calling has none of its own."""

    status: int
    code: str
    message: str

    @property
    def is_callers(self) -> bool:
        return self.status < 500


def asked_of(given: Mapping[str, str | None]) -> Asked:
    """Raises: CallError for the first parameter that is missing. An empty one is none of these."""
    values = [given.get(name) for name in PARAMETERS]
    for name, value in zip(PARAMETERS, values, strict=True):
        if value is None:
            raise CallError(f"Missing parameter: {name}.")
    return Asked(*(value or "" for value in values))


def told(facts: Facts, joinurl: str) -> CobrowseSession:
    """The answer to who may hear it. joinurl: "" for a session that nobody can join."""
    person = facts.person
    return CobrowseSession(
        sessionid=facts.id,
        ssnkey=facts.key,
        state=facts.state,  # type: ignore[arg-type]  # the values of session.State
        started=_time(facts.started),
        joinurl=joinurl,
        visitorid=person.visitorid,
        name=person.name,
        email=person.email,
        phone=person.phone,
        verified=sorted(field for field, level in person.levels.items() if level == "signed"),
        pageurl=facts.page.url,
        pagetitle=facts.page.title,
        agents=[Agent(a.user, a.name, _time(a.joined)) for a in facts.agents],
        ended=None if facts.ended is None else _time(facts.ended),
        reason=facts.reason,
    )


def join_url(base: str, partnerid: str, partneruserid: str, ssnkey: str, loginkey: str) -> str:
    """Args: base: where agents reach the relay. loginkey: made for this address."""
    query = {
        "SessionKey": ssnkey,
        "partnerid": partnerid,
        "partneruserid": partneruserid,
        "loginkey": loginkey,
    }
    return f"{base.rstrip('/')}/cobrowse/AgentView.aspx?{urlencode(query, safe='$')}"


def problem_of(error: PeerError) -> Problem:
    match error:
        case CallError():
            return Problem(400, "request", error.message)
        case Refused():
            return Problem(403 if error.code == "shutout" else 401, error.code, error.message)
        case TooMuch():
            message = "Too many wrong login keys came from your address. Try again in an hour."
            return Problem(429, "limit", message)
        case Unavailable():
            return Problem(503, "unavailable", "The service cannot answer now. Try again.")
        case _:
            return Problem(400, "request", "The call cannot be understood.")


def _time(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
