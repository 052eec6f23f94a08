"""Which pages of the same site a page leads to. Pure."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

from bs4 import BeautifulSoup

from proxy_addon.origins import STANDARD_PORTS

# What a link does that nobody asked for, in words of its address or its text.
_ACTS: Final = re.compile(
    r"log[ _-]?(out|off)|sign[ _-]?(out|off)|\bexit\b|abmelden|d[eé]connexion|cerrar sesi"
    r"|uitloggen|\besci\b|wyloguj|\bsair\b"
    r"|delete|remove|destroy|cancel|deactivate|revoke|unsubscribe|l[öo]schen|supprimer|eliminar",
    re.IGNORECASE,
)
_FILES: Final = re.compile(
    r"\.(pdf|zip|gz|docx?|xlsx?|pptx?|csv|jpe?g|png|gif|svg|webp|mp[34]|exe|dmg|xml|json|txt|css|js)$",
    re.IGNORECASE,
)


def links(html: str, url: str) -> Iterator[str]:
    """Addresses of pages at the same origin, in the order of the page, without fragments.

    Left out: files by their ending, and what seems to act or to log out.
    """
    tree = BeautifulSoup(html, "lxml")
    base = tree.find("base", href=True)
    try:
        around = urljoin(url, str(base["href"])) if base else url
    except ValueError:
        around = url
    here = _site(urlsplit(url))
    for tag in tree.find_all(["a", "area"], href=True):
        try:
            found = urlsplit(urldefrag(urljoin(around, str(tag["href"]).strip())).url)
            is_here = _site(found) == here
        except ValueError:
            continue
        if not is_here or tag.has_attr("download") or _FILES.search(found.path):
            continue
        if not _ACTS.search(f"{found.path}?{found.query} {tag.get_text(' ', strip=True)}"):
            yield found.geturl()


def _site(parts: SplitResult) -> tuple[str, str, int | None]:
    """Scheme, host and port, however they are written. Raises: ValueError."""
    host = (parts.hostname or "").rstrip(".")
    name = host if host.isascii() else host.encode("idna").decode()
    return parts.scheme, name, parts.port or STANDARD_PORTS.get(parts.scheme)
