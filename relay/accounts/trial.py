"""A page of the site, as harmless HTML: to try on it what a selector would hide."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit
from zlib import MAX_WBITS, decompressobj
from zlib import error as ZlibError

import anyio.to_thread
import httpx
from bs4 import BeautifulSoup

TIMEOUT_S: Final = 10.0
MAX_PAGE_BYTES: Final = 3 * 1024 * 1024
MAX_SHEET_BYTES: Final = 1024 * 1024
MAX_SHEETS: Final = 12
MAX_REDIRECTS: Final = 5
MAX_AT_ONCE: Final = 4
_NEVER: Final = (
    "script", "noscript", "iframe", "frame", "object", "base", "meta", "template",
    "portal", "fencedframe", "applet",
)  # fmt: skip
# What would fetch, lead away or run; a page without addresses looks nearly the same.
_ADDRESS: Final = re.compile(
    r"(?:on.*|src|srcset|srcdoc|href|xlink:href|action|formaction|background|poster|data|ping|"
    r"target|autofocus|nonce|integrity|http-equiv|style)\Z",
    re.IGNORECASE,
)
# Addresses that run nothing; browsers leave spaces and the like out of the scheme.
_LINK: Final = re.compile(r"(?:(?:https?|mailto|tel):|[^:]*(?:[/?#].*)?\Z)", re.I | re.S)
_IGNORED: Final = re.compile(r"[\x00-\x20]")
# What a site can cause: no answer, addresses and charsets that are none, broken compression.
_FAULTS: Final = (httpx.HTTPError, httpx.InvalidURL, ZlibError, LookupError, ValueError)


class TrialError(Exception):
    """A page that cannot be shown; says why to who asked for it."""


class Trial:
    """Args: sites: URL of each site behind the proxy, by the host that visitors know, or ""."""

    def __init__(self, sites: Mapping[str, str]) -> None:
        self._sites = sites
        self._room = asyncio.Semaphore(MAX_AT_ONCE)

    @property
    def origins(self) -> list[str]:
        """Of whose pages there is a choice."""
        return sorted({_origin(url) for url in self._sites.values()})

    async def page(self, url: str) -> str:
        """Raises: TrialError."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._room, self._client() as client:
                address, body, charset = await self._get(client, self._site_of(url))
                soup = await anyio.to_thread.run_sync(_parse, body, charset)
                sheets = await self._sheets(client, soup, address)
                return await anyio.to_thread.run_sync(_harmless, soup, sheets)
        except TimeoutError as error:
            raise TrialError(f"The site gave no page within {TIMEOUT_S:.0f} seconds.") from error
        except _FAULTS as error:
            raise TrialError(f"The site gave no page: {type(error).__name__}.") from error
        except RecursionError as error:
            raise TrialError("The page is nested too deep.") from error

    def _client(self) -> httpx.AsyncClient:
        # Neither this machine's proxies nor its .netrc: nothing of ours goes along.
        headers = {"Accept": "text/html,*/*;q=0.1", "Accept-Encoding": "gzip"}
        return httpx.AsyncClient(trust_env=False, headers=headers)

    def _site_of(self, url: str) -> str:
        """The address at the site itself. Raises: TrialError for any other host."""
        if not self._sites:
            raise TrialError("The config file names no site: set `origin` in [proxy].")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise TrialError("This is no address.") from None
        host = parts.hostname or ""
        names = {host, f"{host}:{port}"}
        for known, site in self._sites.items():
            if parts.scheme in ("http", "https") and (
                (known and known in names) or _origin(site) == _origin(url)
            ):
                origin = urlsplit(site)
                path = parts.path or "/"
                return urlunsplit((origin.scheme, origin.netloc, path, parts.query, ""))
        raise TrialError(
            f"Only pages of the sites behind the proxy can be tried: {', '.join(self.origins)}."
        )

    async def _get(self, client: httpx.AsyncClient, url: str) -> tuple[str, bytes, str]:
        """Address, body and charset of a page. Raises: TrialError, httpx's own."""
        for _ in range(MAX_REDIRECTS + 1):
            async with client.stream("GET", url) as response:
                if response.has_redirect_location:
                    target = self._site_of(urljoin(url, response.headers["location"]))
                    if _origin(target) != _origin(url):
                        raise TrialError("The page leads to another site: ask for that one.")
                    url = target
                    continue
                kind = response.headers.get("content-type", "").partition(";")[0].strip()
                if kind not in ("text/html", "application/xhtml+xml", ""):
                    raise TrialError(f"This is no page, but {kind[:60]}.")
                body = await _read(response, MAX_PAGE_BYTES)
                return url, body, response.charset_encoding or ""
        raise TrialError("The site leads from one address to the next, without an end.")

    async def _sheets(
        self, client: httpx.AsyncClient, soup: BeautifulSoup, address: str
    ) -> list[str]:
        """The page's style sheets, as far as they are the sites' own."""
        found = []
        for link in soup.select("link[rel~=stylesheet][href]")[:MAX_SHEETS]:
            try:
                url = self._site_of(urljoin(address, str(link["href"])))
                async with client.stream("GET", url) as response:
                    if response.status_code == 200:
                        sheet = await _read(response, MAX_SHEET_BYTES)
                        found.append(sheet.decode(response.charset_encoding or "utf-8", "replace"))
            except (TrialError, *_FAULTS):
                continue
        return found


async def _read(response: httpx.Response, cap_bytes: int) -> bytes:
    """A body, never held larger than the cap. Raises: TrialError, zlib's and httpx's own."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise TrialError(f"The site compresses its page by {coding[:20]}, which was not asked for.")
    # One byte more than the cap tells that there is more.
    inflate = decompressobj(MAX_WBITS | 16) if coding == "gzip" else None
    body = bytearray()
    async for chunk in response.aiter_raw(65_536):
        body += inflate.decompress(chunk, cap_bytes + 1 - len(body)) if inflate else chunk
        if len(body) > cap_bytes:
            raise TrialError(f"The page is larger than {cap_bytes // 1024 // 1024} MB.")
    return bytes(body)


def _parse(body: bytes, charset: str) -> BeautifulSoup:
    return BeautifulSoup(body, "lxml", from_encoding=charset or None)


def _harmless(soup: BeautifulSoup, sheets: list[str]) -> str:
    for element in soup(list(_NEVER)):
        element.decompose()
    for element in soup("embed"):
        element.unwrap()  # lxml takes what stands behind one for its content
    for element in soup.select("link"):
        element.decompose()
    for element in soup(True):
        for name in [name for name in element.attrs if _ADDRESS.match(name)]:
            value = element.attrs.pop(name)
            if _may_stay(element.name, name.lower(), str(value)):
                element[name] = value
    for text in sheets:
        style = soup.new_tag("style")
        style.string = text.replace("</", "<\\/")
        (soup.head or soup.html or soup).append(style)
    return str(soup)


def _may_stay(element: str, name: str, value: str) -> bool:
    """Selectors may ask for these; a policy keeps what they name from being fetched."""
    if name == "style":
        return True
    if (element, name) not in (("a", "href"), ("area", "href"), ("form", "action")):
        return False
    return bool(_LINK.match(_IGNORED.sub("", value)))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
