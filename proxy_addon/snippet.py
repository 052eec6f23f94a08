"""The bytes that go into a page: one inline script that holds the block and the stub. Pure."""

import html
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

# Where the built stub expects its configuration.
PLACEHOLDER: Final = "__COBROWSE__"
ELEMENT_ID: Final = "glance-cobrowse"
# What each snippet begins with.
OPENING: Final = f'<script id="{ELEMENT_ID}"'.encode("ascii")
# "<", ">" and "&" could end or reopen the script element, "'" is safe but costs nothing, DEL is not
# printable. json.dumps has already escaped everything beyond ASCII, U+2028 and U+2029 with it.
_ESCAPES: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&'\x7f"}


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def to_script_literal(value: Any) -> str:
    """JSON that is also a JavaScript expression and cannot leave a script element. ASCII only.

    Raises: ValueError for NaN and infinities.
    """
    return _ENCODER.encode(value).translate(_ESCAPES)


class SnippetMaker:
    """Makes the snippet for each page from the stub that the web build left.

    Args:
        stub: text of stub.js; holds PLACEHOLDER exactly once.
        loader_integrity: digest of the script that the stub loads, as integrity metadata.
    Raises:
        ValueError when the stub does not.
    """

    def __init__(self, stub: str, loader_integrity: str = "") -> None:
        if stub.count(PLACEHOLDER) != 1 or not stub.isascii() or "</" in stub or "<!--" in stub:
            raise ValueError("stub.js is not what the web build makes: build it again")
        self._before, self._after = stub.strip().split(PLACEHOLDER)
        self._loader_integrity = loader_integrity

    def make(
        self,
        *,
        prefix: str,
        group: str,
        site: str,
        socket: str,
        identity: Mapping[str, str],
        hosts: tuple[str, ...] = (),
        is_frame: bool = False,
        with_integrity: bool = False,
        nonce: str = "",
    ) -> bytes:
        """The script element as ASCII bytes.

        Args:
            prefix: path of the visitor scripts, "/.cobrowse/".
            group: group id; site: "production" or "staging".
            socket: absolute address of the visitor socket, or "" for the one under the prefix.
            identity: the GLANCE_COBROWSE values.
            hosts: of all sites behind this proxy, if there are several.
            is_frame: the page fills a frame of another page.
            with_integrity: the page takes no script without its digest.
            nonce: what the page's content security policy wants, or "".
        """
        integrity = self._loader_integrity if with_integrity else ""
        config = _config(prefix, group, site, socket, hosts, is_frame, integrity)
        literal = f"{config}{to_script_literal(dict(identity))}}}"
        attributes = f' nonce="{html.escape(nonce)}"' if nonce else ""
        script = f"{attributes}>{self._before}{literal}{self._after}</script>"
        return OPENING + script.encode("ascii")


@lru_cache(maxsize=256)
def _config(
    prefix: str,
    group: str,
    site: str,
    socket: str,
    hosts: tuple[str, ...],
    is_frame: bool,
    integrity: str,
) -> str:
    """The configuration up to the identity, which alone is another for each visitor."""
    config: dict[str, Any] = {"base": prefix, "group": group, "site": site, "socket": socket}
    if len(hosts) > 1:
        config["hosts"] = hosts
    if is_frame:
        config["frame"] = True
    if integrity:
        config["integrity"] = integrity
    return f'{to_script_literal(config)[:-1]},"identity":'
