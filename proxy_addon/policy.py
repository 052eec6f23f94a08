"""Which pages get the snippet. Pure: header fields in, a reason out.

Every answer is one of the reasons below; SPLICE is the only one that changes a page.
"""

import re
from typing import Final

from proxy_addon.fields import Fields, get, tokens

SPLICE: Final = "splice"

_FRAGMENT_HEADERS: Final = (b"x-requested-with", b"hx-request", b"turbo-frame", b"x-pjax")
# Charsets in which our ASCII bytes would mean something else.
_WIDE_CHARSET: Final = re.compile(
    r"""charset\s*=\s*["']?\s*(utf-?16|utf-?32|ucs-?[24]|unicode|iso-10646|iso-2022|csunicode)""",
    re.IGNORECASE,
)
_NO_BODY: Final = frozenset({204, 205, 206, 304})


def navigation(method: str, fields: Fields) -> str:
    """SPLICE when a request loads a page into a browser tab, else why it does not.

    Browsers leave Sec-Fetch-* out on plain http to a host name: then the headers that only a
    navigation carries decide.
    """
    if method not in ("GET", "POST"):
        return "method"
    mode = get(fields, b"sec-fetch-mode")
    if mode and mode != "navigate":
        return "not a navigation"
    if get(fields, b"sec-fetch-dest") in ("iframe", "frame", "object", "embed"):
        return "frame"
    if any(get(fields, name) for name in _FRAGMENT_HEADERS):
        return "fragment"
    if not mode:
        asks_for_page = "text/html" in tokens(get(fields, b"accept"))
        if not asks_for_page and get(fields, b"upgrade-insecure-requests") != "1":
            return "not a navigation"
    return SPLICE


def page(status: int, fields: Fields) -> str:
    """SPLICE when the response to a navigation is a page that may be spliced, else why not."""
    if status < 200 or status in _NO_BODY:
        return "no body"
    if 300 <= status < 400 and get(fields, b"location"):
        return "redirect"
    if tokens(get(fields, b"content-type"))[:1] != ["text/html"]:
        return "not HTML"
    if _WIDE_CHARSET.search(get(fields, b"content-type")):
        return "charset"
    if tokens(get(fields, b"content-disposition"))[:1] == ["attachment"]:
        return "download"
    if get(fields, b"content-range"):
        return "part of a file"
    if "no-transform" in tokens(get(fields, b"cache-control")):
        return "no-transform"
    if get(fields, b"content-encoding").strip().lower() not in ("", "identity", "gzip", "x-gzip"):
        return "coding"
    return SPLICE
