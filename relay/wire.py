"""The messages between relay, visitors and agents, and how they look on the wire. Pure.

Control messages are JSON text with a "type"; unknown fields are ignored, an unknown type is
refused. Capture frames are binary: an eight-byte header, then bytes that only the two browsers
understand.
"""

import struct
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from relay.account import Site
from relay.errors import Malformed

T = TypeVar("T")

SUBPROTOCOL: Final = "cobrowse.1"
MAX_PAYLOAD_BYTES: Final = 65_536
MAX_CONTROL_BYTES: Final = MAX_PAYLOAD_BYTES + 4_096
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024

# No control characters: a page title has none, and databases take not all of them.
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*\Z"
Text = Annotated[str, Meta(max_length=256, pattern=PRINTABLE)]
SessionKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,50}\Z")]
# Made by the one it stands for: unguessable, and the same over all its connections.
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}\Z")]
Number = Annotated[int, Meta(ge=1, le=2**53)]
Level = Literal["claimed", "cookie", "signed"]
Pixels = Annotated[float, Meta(ge=-100_000, le=100_000)]
Extent = Annotated[float, Meta(ge=0, le=100_000)]


class Browser(msgspec.Struct, frozen=True):
    """The visitor's browser, as the agent's "navigate" event shows it."""

    name: Text = ""
    version: Text = ""
    platform: Text = ""


class Page(msgspec.Struct, frozen=True):
    """Where the visitor is."""

    url: Annotated[str, Meta(max_length=8192, pattern=PRINTABLE)] = ""
    title: Annotated[str, Meta(max_length=1024, pattern=PRINTABLE)] = ""
    browser: Browser = Browser()
    visitorversion: Text = ""


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of the visitor; the limits of the public API."""

    visitorid: Annotated[str, Meta(max_length=50, pattern=PRINTABLE)] = ""
    name: Annotated[str, Meta(max_length=63, pattern=PRINTABLE)] = ""
    email: Annotated[str, Meta(max_length=127, pattern=PRINTABLE)] = ""
    phone: Annotated[str, Meta(max_length=31, pattern=PRINTABLE)] = ""


class KnownPerson(Person, frozen=True, omit_defaults=True):
    """The same with how well each value is known: only a signed one is verified.

    levels: claimed by the page, read from a cookie that visitors can forge, or from one whose
    signature the proxy has checked; by field.
    """

    levels: dict[str, Level] = {}


# -- visitor to relay ----------------------------------------------------------------------------


class Start(msgspec.Struct, tag="start", frozen=True):
    """First message of a new session.

    key: wanted session key, or "" for a random one. terms: version of the terms that the visitor
    has accepted; "" where none were shown. site: which copy of the group's settings counts.
    """

    token: str
    key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,50}\Z")] = ""
    person: Person = Person()
    terms: Text = ""
    site: Site = "production"


class Resume(msgspec.Struct, tag="resume", frozen=True):
    """First message of a page that goes on with a session.

    ticket: key, ".", secret. site: as in start; what it hides is hidden from now on, too.
    """

    token: str
    ticket: Annotated[str, Meta(max_length=128)]
    site: Site = "production"


class Confirm(msgspec.Struct, tag="confirm", frozen=True):
    """The page has stored its new ticket; the older ones may go."""

    ticket: Annotated[str, Meta(max_length=128)]


class PageChanged(msgspec.Struct, tag="page", frozen=True):
    """Which page this is: at first, and when its title or address has changed.

    Not part of the first message: only the rules that answer it tell what may be told.
    """

    page: Page


class Stop(msgspec.Struct, tag="stop", frozen=True):
    """The visitor ends the session."""


class Said(msgspec.Struct, tag="message", frozen=True):
    """A session message, either way.

    end: the agent's end that it goes to or comes from; the relay fills it in for agents. stream:
    made by the sender when it began to count, one for each end. seq: counted up from 1 in it. base:
    the lowest number that the sender still keeps. payload: JSON, handed on as it is.
    """

    stream: Id
    seq: Number
    base: Number
    name: Text
    payload: msgspec.Raw
    end: str = ""


class Acknowledged(msgspec.Struct, tag="ack", frozen=True):
    """All messages of a stream up to this number have been handed to their listeners."""

    stream: Id
    seq: Annotated[int, Meta(ge=0)]
    end: str = ""


FromVisitor = Start | Resume | Confirm | PageChanged | Stop | Said | Acknowledged

# -- agent to relay ------------------------------------------------------------------------------


class Join(msgspec.Struct, tag="join", frozen=True):
    """First message of a viewer.

    end: the same on each of its connections. wait: for a session that has not begun yet.
    """

    token: str
    key: SessionKey
    end: Id
    wait: bool = False


class Watch(msgspec.Struct, tag="watch", frozen=True):
    """First message of a console: the group's sessions, now and at each change."""

    token: str


class Gesture(msgspec.Struct, tag="gesture", frozen=True):
    """What an agent points at: shown at once or never, kept nowhere.

    kind: the mouse, a box around something, or nothing any more. x, y, width, height: in CSS pixels
    of the visitor's window. end, name: of the agent; the relay fills them in.
    """

    kind: Literal["pointer", "box", "none"]
    x: Pixels = 0
    y: Pixels = 0
    width: Extent = 0
    height: Extent = 0
    end: str = ""
    name: str = ""


FromAgent = Join | Watch | Said | Acknowledged | Gesture
# What an agent says in a session, once it has joined.
FromSeat = Said | Acknowledged | Gesture

# -- relay to visitor ----------------------------------------------------------------------------


class Rules(msgspec.Struct, frozen=True):
    """What of a page stays with the visitor, beside what always does.

    mask: none, inputs or text. selectors: CSS. pages: patterns of addresses.
    title, query: whether they are hidden. assets: the key with which the page gives agents its
    images, fonts and style sheets; "" where they get none. canvas_fps: pictures of a canvas in a
    second; 0 for none.
    """

    mask: str = "inputs"
    selectors: list[str] = []
    pages: list[str] = []
    title: bool = False
    query: bool = False
    assets: str = ""
    canvas_fps: float = 0

    def and_also(self, other: "Rules") -> "Rules":
        """What hides all that either of the two hides, with the other's key for assets."""
        return Rules(
            mask=max(self.mask, other.mask, key=_MASKS.index),
            selectors=list(dict.fromkeys([*self.selectors, *other.selectors])),
            pages=list(dict.fromkeys([*self.pages, *other.pages])),
            title=self.title or other.title,
            query=self.query or other.query,
            assets=other.assets if self.assets else "",
            canvas_fps=min(self.canvas_fps, other.canvas_fps),
        )


# From what hides least to what hides most.
_MASKS: Final = ("none", "inputs", "text")


class Started(msgspec.Struct, tag="started", frozen=True):
    """What a page needs for a session.

    away_s: how long the session waits for its visitor. handover: the ticket with which a page of
    another site, behind the same proxy, may go on once.
    """

    key: str
    ticket: str
    rules: Rules
    away_s: float
    handover: str


class Continued(msgspec.Struct, tag="continued", frozen=True):
    """The same for a page that goes on."""

    key: str
    ticket: str
    rules: Rules
    away_s: float
    handover: str


class AgentJoined(msgspec.Struct, tag="agentjoin", frozen=True):
    """An agent has joined who was not there before."""

    name: str


class AgentShown(msgspec.Struct, frozen=True):
    """An agent, as the visitor's page and the other agents may know."""

    end: str
    name: str


class SendKeyframe(msgspec.Struct, tag="keyframe", frozen=True):
    """Send a full snapshot; the recorder goes on as it is."""


# -- relay to agent ------------------------------------------------------------------------------


class Joined(msgspec.Struct, tag="joined", frozen=True):
    """The answer to join: what is known so far. Frames follow from the newest keyframe on.

    assets: path of the session's images, fonts and style sheets; "" where agents get none. end:
    what the others call this agent's end. pointer: whether gestures are shown to the visitor.
    """

    key: str
    state: str
    page: Page
    person: KnownPerson
    assets: str = ""
    end: str = ""
    pointer: bool = True


class Pending(msgspec.Struct, tag="pending", frozen=True):
    """The answer to a join that waits: there is no such session yet. joined follows, or refused."""

    key: str


class Navigate(msgspec.Struct, tag="navigate", frozen=True):
    """The visitor is on another page. load: it was loaded, and its keyframe follows."""

    page: Page
    load: bool


class StateChanged(msgspec.Struct, tag="state", frozen=True):
    """The session is waiting, active or away; ended has a message of its own."""

    state: str


class Listed(msgspec.Struct, frozen=True):
    """One row of a console."""

    key: str
    state: str
    age_s: float
    agents: int
    page: Page
    person: KnownPerson


class Sessions(msgspec.Struct, tag="sessions", frozen=True):
    """The answer to watch: the group's newest sessions, again at each change.

    more: how many there are beside.
    """

    sessions: list[Listed]
    more: int = 0


# -- relay to both -------------------------------------------------------------------------------


class Agents(msgspec.Struct, tag="agents", frozen=True):
    """All agents who see the page now, and the ends that are gone for good."""

    agents: list[AgentShown]
    gone: list[str] = []


class Ended(msgspec.Struct, tag="ended", frozen=True):
    """The session is over. reason: visitor, timeout or replaced."""

    reason: str


class Undelivered(msgspec.Struct, tag="undelivered", frozen=True):
    """A session message for an end that is gone for good: it is lost."""

    stream: str
    seq: int
    name: str
    end: str = ""


class Beat(msgspec.Struct, tag="beat", frozen=True):
    """The relay is there: comes when nothing else has come for a while, and needs no answer."""


class RefusedMessage(msgspec.Struct, tag="refused", frozen=True):
    """What was asked is not allowed. code: for programs. message: one sentence, for people."""

    code: str
    message: str


ToBoth = Agents | Said | Acknowledged | Beat | Ended | RefusedMessage
ToVisitor = Started | Continued | AgentJoined | Undelivered | SendKeyframe | Gesture | ToBoth
ToAgent = Joined | Pending | Navigate | PageChanged | StateChanged | Sessions | ToBoth
ToPeer = ToVisitor | ToAgent

_encode = msgspec.json.Encoder().encode
_from_visitor: msgspec.json.Decoder[FromVisitor] = msgspec.json.Decoder(FromVisitor)
_from_agent: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)


def encode(message: ToPeer) -> str:
    return _encode(message).decode()


def decode_from_visitor(text: str) -> FromVisitor:
    """Raises: Malformed."""
    return _decode(_from_visitor, text)


def decode_from_agent(text: str) -> FromAgent:
    """Raises: Malformed."""
    return _decode(_from_agent, text)


def _decode(decoder: "msgspec.json.Decoder[T]", text: str) -> T:
    if len(text) > MAX_CONTROL_BYTES:
        raise Malformed(f"a control message of {len(text)} characters")
    try:
        message = decoder.decode(text)
        if isinstance(message, Said) and len(bytes(message.payload)) > MAX_PAYLOAD_BYTES:
            raise Malformed(f"a payload of {len(bytes(message.payload))} bytes")
        return message
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Malformed(str(error)) from error


# -- capture frames ------------------------------------------------------------------------------

_HEADER: Final = struct.Struct(">BBHI")
KIND_CAPTURE: Final = 1
FLAG_KEYFRAME: Final = 1


def is_keyframe(frame: bytes) -> bool:
    """Whether a capture frame starts afresh. Raises: Malformed for what is no capture frame."""
    if len(frame) <= _HEADER.size or len(frame) > MAX_FRAME_BYTES:
        raise Malformed(f"a frame of {len(frame)} bytes")
    kind, flags, reserved, _sequence = _HEADER.unpack_from(frame)
    if kind != KIND_CAPTURE or flags & ~FLAG_KEYFRAME or reserved:
        raise Malformed(f"a frame of kind {kind}, flags {flags}")
    return bool(flags & FLAG_KEYFRAME)


def pack_frame(payload: bytes, *, keyframe: bool, sequence: int) -> bytes:
    """A capture frame. sequence: 32 bits, counted up by the visitor's page from 0."""
    flags = FLAG_KEYFRAME if keyframe else 0
    return _HEADER.pack(KIND_CAPTURE, flags, 0, sequence) + payload
