"""The bytes that go into a page: one inline script that holds the block and the stub. Pure."""

import html
import json
from collections.abc import Mapping
from typing import Any, Final

# Where the built stub expects its configuration.
PLACEHOLDER: Final = "__COBROWSE__"
ELEMENT_ID: Final = "glance-cobrowse"
# "<", ">" and "&" could end or reopen the script element, "'" is safe but costs nothing, DEL is not
# printable. json.dumps has already escaped everything beyond ASCII, U+2028 and U+2029 with it.
_ESCAPES: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&'\x7f"}


def to_script_literal(value: Any) -> str:
    """JSON that is also a JavaScript expression and cannot leave a script element. ASCII only.

    Raises: ValueError for NaN and infinities.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


class SnippetMaker:
    """Makes the snippet for each page from the stub that the web build left.

    Args:   stub: text of stub.js; holds PLACEHOLDER exactly once.
    Raises: ValueError when it does not.
    """

    def __init__(self, stub: str) -> None:
        if stub.count(PLACEHOLDER) != 1 or not stub.isascii() or "</" in stub or "<!--" in stub:
            raise ValueError("stub.js is not what the web build makes: build it again")
        self._before, self._after = stub.strip().split(PLACEHOLDER)

    def make(
        self,
        *,
        prefix: str,
        group: str,
        site: str,
        socket: str,
        identity: Mapping[str, str],
        nonce: str = "",
    ) -> bytes:
        """The script element as ASCII bytes.

        Args:
            prefix: path of the visitor scripts, "/.cobrowse/".
            group: group id; site: "production" or "staging".
            socket: absolute address of the visitor socket, or "" for the one under the prefix.
            identity: the GLANCE_COBROWSE values.
            nonce: what the page's content security policy wants, or "".
        """
        config = {
            "base": prefix,
            "group": group,
            "site": site,
            "socket": socket,
            "identity": dict(identity),
        }
        attributes = f' nonce="{html.escape(nonce)}"' if nonce else ""
        script = f"{self._before}{to_script_literal(config)}{self._after}"
        return f'<script id="{ELEMENT_ID}"{attributes}>{script}</script>'.encode("ascii")
