"""A group's account settings: section [groups.<groupid>.settings]. Pure.

Each key's default and meaning stand here once: docs/config.md and the errors are made from them.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Which copy of a group's settings: that which was published, or that which is tried before.
Site = Literal["production", "staging"]
# "host", "host:port", or "*.host" for all below it.
Domain = Annotated[
    str, Meta(pattern=r"^(?:\*\.[A-Za-z0-9._-]+|(?:[A-Za-z0-9._-]+|\[::1\])(?::\d{1,5})?)\Z")
]
Words = Annotated[str, Meta(max_length=200)]
# What a stylesheet takes as a colour and nothing else.
COLOUR = r"^(?:#[0-9A-Fa-f]{3,8}|[a-zA-Z]{3,30}|(?:rgb|hsl)a?\([0-9.,%/ deg]{5,60}\))\Z"


class MaskedElement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of masked_elements."""

    selector: Annotated[str, Meta(min_length=1, max_length=1000)]
    label: Words = ""


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """Section [groups.<groupid>.settings.button]."""

    shown: Annotated[
        bool, Meta(description="Visitors see the start button without showButton().")
    ] = False
    text: Annotated[
        str, Meta(max_length=200, description="Text of the start button. Empty: in their language.")
    ] = ""
    background: Annotated[str, Meta(pattern=COLOUR, description="Colour of button and bar.")] = (
        "#0b5cad"
    )
    color: Annotated[str, Meta(pattern=COLOUR, description="Colour of the text on it.")] = "#ffffff"
    corner: Annotated[
        Literal["bottom-right", "bottom-left", "top-right", "top-left"],
        Meta(description="Where the button stands. In right-to-left pages too."),
    ] = "bottom-right"
    shape: Annotated[
        Literal["pill", "rounded", "square"], Meta(description="Shape of the button.")
    ] = "pill"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Section [groups.<groupid>.settings.terms]. Empty texts: in the visitor's language."""

    title: Annotated[
        str, Meta(max_length=200, description="Title of the terms and conditions dialog.")
    ] = ""
    text: Annotated[
        str, Meta(max_length=4000, description="Its text; an empty line begins a paragraph.")
    ] = ""
    link: Annotated[
        str,
        Meta(
            pattern=r"^(?:https?://\S+)?\Z", max_length=2000, description="URL of the whole terms."
        ),
    ] = ""
    link_text: Annotated[str, Meta(max_length=200, description="Text of that link.")] = ""
    accept: Annotated[
        str, Meta(max_length=200, description="The button that starts a session.")
    ] = ""
    decline: Annotated[str, Meta(max_length=200, description="The button that does not.")] = ""


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What visitors of a group get."""

    mask: Annotated[
        Literal["inputs", "text", "none"],
        Meta(
            description="What agents never see, beside passwords, cards and one-time codes: what "
            "is in form fields (`inputs`), all text (`text`), or nothing more (`none`)."
        ),
    ] = "inputs"
    masked_elements: Annotated[
        list[MaskedElement],
        Meta(
            description="Elements that agents never see, with all that is in them: "
            '`{ selector = ".iban", label = "Account number" }`.'
        ),
    ] = []
    masked_pages: Annotated[
        list[str],
        Meta(
            description="Pages that agents never see, as addresses with `*` for any characters: "
            '`"/account/*"` on any host, `"shop.test/admin*"`.'
        ),
    ] = []
    mask_title: Annotated[bool, Meta(description="Agents do not see the titles of pages.")] = False
    mask_query: Annotated[
        bool,
        Meta(description="Agents do not see the part of addresses behind `?` and `#`."),
    ] = False
    assets: Annotated[
        bool,
        Meta(
            description="Agents see the page's own images, fonts and style sheets. If not, images "
            "are empty boxes of their size, fonts the agent's own, and sheets of other hosts miss."
        ),
    ] = True
    canvas_fps: Annotated[
        float,
        Meta(
            ge=0,
            le=10,
            description="How many pictures of a canvas agents see in a second. 0: they see its "
            "place only.",
        ),
    ] = 0
    trusted_domains: Annotated[
        list[Domain],
        Meta(
            description="Hosts whose windows may drive the API by `glance_invoke`: "
            '`"chat.test"`, or `"*.chat.test"` for every host below. By https, except localhost.'
        ),
    ] = []
    embed_origins: Annotated[
        list[Domain],
        Meta(
            description="Hosts whose pages may show the agent's viewer in a frame and drive it by "
            "the Agent API, written as in `trusted_domains`. Empty: those of `trusted_domains`."
        ),
    ] = []
    agent_pointer: Annotated[
        bool,
        Meta(description="Visitors see where agents point, and what they put a box around."),
    ] = True
    terms_first: Annotated[
        bool, Meta(description="The start button shows the terms instead of starting at once.")
    ] = True
    language: Annotated[
        Literal["auto", "en", "de", "fr", "es", "pt", "ja", "ar"],
        Meta(description="What visitors read; `auto` is the page's language, then the browser's."),
    ] = "auto"
    share_interface: Annotated[
        bool, Meta(description="Agents see our own button, terms and bar in the page, too.")
    ] = False
    waiting_s: Annotated[
        float, Meta(gt=0, le=86_400, description="How long a session waits for its first agent.")
    ] = 15 * 60
    away_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="How long a session waits for a visitor who is away."),
    ] = 10 * 60
    idle_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="How long a session may go on with no sign of anybody."),
    ] = 60 * 60
    longest_s: Annotated[
        float, Meta(gt=0, le=7 * 86_400, description="How long a session may go on at all.")
    ] = 8 * 60 * 60
    max_sessions: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Sessions at once, as far as `max_sessions` of the group itself allows.",
        ),
    ] = 1_000_000
    button: Button = Button()
    terms: Terms = Terms()

    def embedders(self) -> list[str]:
        """Hosts whose pages may show the agent's pages in a frame."""
        return self.embed_origins or self.trusted_domains
