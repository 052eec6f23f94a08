"""What visitors were sent lately: images, fonts, style sheets. Kept for sessions to come. Pure.

A file belongs to the visitor who got it, unless any visitor would have got the same: asked for
without cookies and not marked as one person's. One visitor's file is never found for another.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from urllib.parse import urldefrag, urljoin

from proxy_addon.compression import Broken, decoder
from proxy_addon.fields import Values, tokens
from proxy_addon.settings import AssetSettings

# As owner: whoever asks.
EVERYBODY: Final = ""
MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TYPES: Final = ("image/", "font/", "text/css", "application/font", "application/x-font")
_MORE_TYPES: Final = frozenset({"application/vnd.ms-fontobject"})
# Servers that do not know a font's type call it this.
_UNKNOWN_TYPES: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_DESTINATIONS: Final = frozenset({"image", "style", "font"})
# Each entry costs some memory beside its bytes.
_ENTRY_BYTES: Final = 512


@dataclass(frozen=True)
class Asset:
    """One file as it came. codings: still around the body, in order of use."""

    media_type: str
    body: bytes
    codings: tuple[str, ...] = ()

    def decoded(self, cap_bytes: int) -> bytes | None:
        """The file itself; None for one that is broken or larger than that."""
        data = self.body
        for coding in reversed(self.codings):
            out, size = [], 0
            try:
                for piece in decoder(coding).decode(data):
                    size += len(piece)
                    if size > cap_bytes:
                        return None
                    out.append(piece)
            except Broken:
                return None
            data = b"".join(out)
        return data


@dataclass(frozen=True)
class _Entry:
    digest: bytes
    media_type: str
    codings: tuple[str, ...]
    at: float
    leads_to: str = ""


class Assets:
    """Files by visitor and address; each body once, however many have got it.

    Limits: settings.memory_mb for all of it, the oldest goes first; settings.keep_s for each.
    """

    def __init__(self, settings: AssetSettings) -> None:
        self._settings = settings
        self._cap_bytes = settings.memory_mb * 1024 * 1024
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._bodies: dict[bytes, tuple[bytes, int]] = {}  # digest: body, users
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, owner: str, url: str, asset: Asset, now: float) -> None:
        """Args: url: absolute, as the visitor's browser has it. now: seconds on any clock."""
        digest = hashlib.sha256(asset.body).digest()
        body, users = self._bodies.get(digest, (asset.body, 0))
        self.size_bytes += 0 if users else len(body)
        self._bodies[digest] = (body, users + 1)
        self._put(owner, url, _Entry(digest, asset.media_type, asset.codings, now), now)

    def keep_redirect(self, owner: str, url: str, location: str, now: float) -> None:
        self._put(owner, url, _Entry(b"", "", (), now, urljoin(url, location)), now)

    def find(self, owner: str, url: str, now: float) -> Asset | None:
        """What was sent to a visitor, or to everybody, from an address."""
        for _ in range(MAX_REDIRECTS):
            url = urldefrag(url).url
            entry = self._entries.get((owner, url)) or self._entries.get((EVERYBODY, url))
            if entry is None or now - entry.at > self._settings.keep_s:
                return None
            if not entry.leads_to:
                # Asked for from another thread: it may have gone meanwhile.
                body, _ = self._bodies.get(entry.digest, (None, 0))
                return Asset(entry.media_type, body, entry.codings) if body is not None else None
            url = entry.leads_to
        return None

    def _put(self, owner: str, url: str, entry: _Entry, now: float) -> None:
        key = (owner, urldefrag(url).url)
        if key in self._entries:
            self._drop(key)
        self._entries[key] = entry
        self.size_bytes += _ENTRY_BYTES + len(url)
        while self._entries:
            oldest, first = next(iter(self._entries.items()))
            if self.size_bytes <= self._cap_bytes and now - first.at <= self._settings.keep_s:
                break
            self._drop(oldest)

    def _drop(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key)
        self.size_bytes -= _ENTRY_BYTES + len(key[1])
        if not entry.digest:
            return
        body, users = self._bodies[entry.digest]
        if users > 1:
            self._bodies[entry.digest] = (body, users - 1)
        else:
            del self._bodies[entry.digest]
            self.size_bytes -= len(body)


class Coming:
    """One response on its way to the visitor, kept when all of it has come.

    Args: owner: as owner_of() says. cap_bytes: of a larger one nothing is kept.
    """

    def __init__(
        self, owner: str, url: str, media_type: str, codings: tuple[str, ...], cap_bytes: int
    ) -> None:
        self.owner, self.url = owner, url
        self._media_type, self._codings, self._cap_bytes = media_type, codings, cap_bytes
        self._chunks: list[bytes] = []
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """A stream callable of mitmproxy: everything goes on as it came."""
        self._size_bytes += len(chunk)
        if self._size_bytes <= self._cap_bytes:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()
        return [chunk] if chunk else []

    def asset(self) -> Asset | None:
        """None for one that was empty or too large."""
        if not 0 < self._size_bytes <= self._cap_bytes:
            return None
        return Asset(self._media_type, b"".join(self._chunks), self._codings)


def owner_of(visitor: str, request: Values, response: Values, *, has_cookies: bool) -> str | None:
    """Whose a file is: a visitor's, EVERYBODY's, or None where that cannot be told.

    Args: visitor: "" if unknown. has_cookies: the request carried some of the site's own.
    Source: RFC 9111, section 3, on what caches may share.
    """
    directives = tokens(response.get("cache-control", ""))
    is_personal = (
        has_cookies
        or "authorization" in request
        or "set-cookie" in response
        or any(directive.startswith(("private", "no-store")) for directive in directives)
        or {"cookie", "authorization", "*"} & set(tokens(response.get("vary", "")))
    )
    return (visitor or None) if is_personal else EVERYBODY


def media_type(status: int, request: Values, response: Values) -> str:
    """The type of a file that is worth keeping; "" for any other response."""
    if status != 200 or "content-range" in response:
        return ""
    types = tokens(response.get("content-type", ""))
    kind = types[-1] if types else ""
    if kind.startswith(_TYPES) or kind in _MORE_TYPES:
        return kind
    if kind in _UNKNOWN_TYPES and request.get("sec-fetch-dest", "") in _DESTINATIONS:
        return kind or "application/octet-stream"
    return ""


def is_redirect(status: int, request: Values, response: Values) -> bool:
    """Whether a request for a file is sent on to another address."""
    is_page = request.get("sec-fetch-mode", "no-cors") == "navigate"
    return status in _REDIRECTS and "location" in response and not is_page
