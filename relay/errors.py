"""What can go wrong between a peer and the relay, and the close code that says so.

Two roots: LocalError is a bug or a set-up of ours and is loud; PeerError is the peer's doing and
closes its socket politely.
"""

from enum import IntEnum


class Close(IntEnum):
    """WebSocket close codes.

    retry: whether the peer may connect again. meaning: for programmers. shown: what the page of the
    one whose socket it was tells that person.
    """

    retry: bool
    meaning: str
    shown: str

    def __new__(cls, code: int, retry: bool, meaning: str, shown: str) -> "Close":
        member = int.__new__(cls, code)
        member._value_ = code
        member.retry = retry
        member.meaning = meaning
        member.shown = shown
        return member

    FAULT = 1011, True, "The relay has made an error.", "Reconnecting …"
    RESTARTING = (
        1012,
        True,
        "The relay is going away; another or the same one answers soon.",
        "Reconnecting …",
    )
    UNAVAILABLE = (
        1013,
        True,
        "The relay cannot answer now: something that it needs is away.",
        "Reconnecting …",
    )
    MALFORMED = (
        4400,
        False,
        "A message was not what the protocol allows.",
        "The connection was lost and could not be made again.",
    )
    REFUSED = (
        4401,
        False,
        "Token, ticket or login was not accepted; a refused message says why.",
        "The text of that message.",
    )
    NO_HELLO = 4408, True, "No first message came in time.", "Reconnecting …"
    TAKEN_OVER = (
        4409,
        False,
        "The visitor goes on in another page, or the agent by another connection.",
        "Nothing: the other one is in front.",
    )
    ENDED = 4410, False, "The session is over; an ended message says why.", "Who has ended it."
    TOO_SLOW = 4413, True, "The peer takes its messages too slowly.", "Reconnecting …"
    TOO_MUCH = (
        4429,
        True,
        "More messages, sockets or attempts than one peer or address may have.",
        "Reconnecting …",
    )


def close_of(number: int) -> Close:
    """The close code of a number that another relay has sent."""
    return next((code for code in Close if code == number), Close.FAULT)


class LocalError(Exception):
    """Ours: set-up or programming."""


class SetupError(LocalError):
    """The relay cannot start as it is set up. Says what the operator can do."""


class PeerError(Exception):
    """Theirs: the peer is told and its socket closed."""

    close = Close.MALFORMED


class Malformed(PeerError):
    """A message that the protocol does not allow."""


class Unavailable(PeerError):
    """Not now: another relay, the store or the broker gives no answer. Try again."""

    close = Close.UNAVAILABLE


class TooMuch(PeerError):
    """More than one peer or address may ask for."""

    close = Close.TOO_MUCH


class Refused(PeerError):
    """A peer that may not do what it asks.

    Args: code: short and stable, for programs. message: one sentence, for people.
    """

    close = Close.REFUSED

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
