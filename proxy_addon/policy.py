"""Which pages get the snippet. Pure: header fields in, a reason out.

Every answer is one of the reasons below; SPLICE is the only one that changes a page.
"""

from typing import Final

from proxy_addon.coding import codings_of
from proxy_addon.fields import Values, tokens
from proxy_addon.prescan import is_known_charset

SPLICE: Final = "splice"
NOT_A_NAVIGATION: Final = "not a navigation"
FRAGMENT: Final = "fragment"

# Of these libraries' requests, some carry what looks like a navigation's Accept.
_FRAGMENT_HEADERS: Final = (
    "x-requested-with",
    "hx-request",
    "turbo-frame",
    "x-pjax",
    "x-up-target",
)
_FRAMES: Final = frozenset({"iframe", "frame", "object", "embed", "fencedframe"})
_NO_BODY: Final = frozenset({204, 205, 206, 304})
# What browsers take for no Content-Type at all.
_UNKNOWN_TYPES: Final = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})


def navigation(method: str, values: Values) -> str:
    """SPLICE when a request loads a page into a tab or a frame, else why it does not.

    Browsers leave Sec-Fetch-* out on plain http to a host name: then the headers that only a
    navigation carries decide. A service worker that passes a navigation on says "navigate" too,
    with an empty Sec-Fetch-Dest.
    """
    if method not in ("GET", "POST"):
        return "method"
    mode = values.get("sec-fetch-mode", "")
    if mode and mode != "navigate":
        return NOT_A_NAVIGATION
    if any(name in values for name in _FRAGMENT_HEADERS):
        return FRAGMENT
    upgrades = values.get("upgrade-insecure-requests") == "1"
    if mode and values.get("sec-fetch-dest") == "empty" and not upgrades:
        return "download"  # a link that saves what it leads to
    if not mode and not upgrades and "text/html" not in tokens(values.get("accept", "")):
        return NOT_A_NAVIGATION
    return SPLICE


def is_for_frame(values: Values) -> bool:
    """Whether a navigation fills a frame. False where the browser does not say so."""
    return values.get("sec-fetch-dest", "") in _FRAMES


def _type(values: Values) -> str:
    """The media type, or ""; of several the last, as in browsers."""
    types = tokens(values.get("content-type", ""))
    return types[-1] if types else ""


def is_html(values: Values) -> bool:
    return _type(values) == "text/html"


def must_sniff(values: Values) -> bool:
    """Whether the body decides if this is a page, as there is no Content-Type."""
    nosniff = tokens(values.get("x-content-type-options", ""))[:1] == ["nosniff"]
    return not nosniff and _type(values) in _UNKNOWN_TYPES


def charset(values: Values) -> str:
    """The charset that the Content-Type names, or "": browsers go on looking past unknown ones.

    Source: Chromium's HttpUtil::ParseContentType, which of several types takes the last.
    """
    kind = found = ""
    for item in values.get("content-type", "").split(","):
        named, *parameters = item.split(";")
        if named.strip().lower() != kind:
            kind, found = named.strip().lower(), ""
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.lstrip().lower() == "charset":
                value = value.strip()
                found = value[1:].partition('"')[0] if value.startswith('"') else value
                break
    return found if is_known_charset(found) else ""


def page(status: int, values: Values, *, obey_no_transform: bool = True) -> str:
    """SPLICE when the response to a navigation is a page that may be spliced, else why not.

    Error pages are pages: that is where visitors are stuck.
    """
    if status < 200 or status in _NO_BODY:
        return "no body"
    if 300 <= status < 400 and "location" in values:
        return "redirect"
    if not is_html(values) and not must_sniff(values):
        # In XML one unescaped character of ours would be an error in place of the page.
        return "XHTML" if _type(values) == "application/xhtml+xml" else "not HTML"
    if _is_attachment(values.get("content-disposition", "")):
        return "download"
    if "content-range" in values:
        return "part of a file"
    if obey_no_transform and "no-transform" in tokens(values.get("cache-control", "")):
        return "no-transform"
    if codings_of(values.get("content-encoding", "")) is None:
        return "coding"
    return SPLICE


def _is_attachment(disposition: str) -> bool:
    """Browsers save what is not said to be inline, and show what only has a name."""
    kind = disposition.partition(";")[0].strip().lower()
    return kind not in ("", "inline") and "=" not in kind


class PageFilter:
    """The pages that include and exclude name.

    Args: patterns of host and path, as "shop.test/account/*"; "*" stands for any characters. The
        host is lower case and has no port, the path no query. No include means every page.
    """

    def __init__(self, include: list[str], exclude: list[str]) -> None:
        self._include = [pattern.split("*") for pattern in include]
        self._exclude = [pattern.split("*") for pattern in exclude]

    def takes(self, host: str, path: str) -> bool:
        page = host + path.partition("?")[0]
        if any(_matches(parts, page) for parts in self._exclude):
            return False
        return not self._include or any(_matches(parts, page) for parts in self._include)


def _matches(parts: list[str], page: str) -> bool:
    """Whether a page is the parts with anything between them. No search starts over."""
    first, *rest = parts
    if not rest:
        return page == first
    *middle, last = rest
    at, end = len(first), len(page) - len(last)
    if at > end or not page.startswith(first) or not page.endswith(last):
        return False
    for part in middle:
        at = page.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
