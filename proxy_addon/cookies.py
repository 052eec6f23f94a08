"""Cookies of a request: read some, take ours off, keep the rest byte for byte. Pure."""

import re
from collections.abc import Collection
from typing import Final

from proxy_addon.fields import Fields

# The script keeps the resume ticket here, so that the next page can go on with the session.
SESSION_COOKIE: Final = "cobrowse_session"
# Tells the relay that two requests come from one browser. HttpOnly: no script ever reads it.
VISITOR_COOKIE: Final = "cobrowse_visitor"
# Tells whose images and style sheets those are that pass here. HttpOnly. The browser sends it with
# every request, the site never gets it, and it has nothing to do with the visitor cookie.
ASSETS_COOKIE: Final = "cobrowse_assets"
_ESCAPE: Final = re.compile(rb"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)
OUR_COOKIES: Final = frozenset({SESSION_COOKIE, VISITOR_COOKIE, ASSETS_COOKIE})


def _unquoted(value: bytes) -> bytes:
    """A value out of its quotes, with the escapes that servers put into them."""
    if len(value) < 2 or not value.startswith(b'"') or not value.endswith(b'"'):
        return value
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 8)]) if m[1] else m[2], value[1:-1])


def read(fields: Fields) -> dict[str, bytes]:
    """The cookies by name, from one Cookie field or, as HTTP/2 sends them, from several.

    Of duplicates the first, which is the one with the closest path.
    """
    cookies: dict[str, bytes] = {}
    for key, line in fields:
        if key.lower() == b"cookie":
            for pair in line.split(b";"):
                name, separator, value = pair.partition(b"=")
                if separator:
                    text = name.strip().decode("latin-1")
                    cookies.setdefault(text, _unquoted(value.strip()))
    return cookies


def strip(fields: Fields, names: Collection[str] = OUR_COOKIES) -> Fields:
    """The fields without the named cookies. A field with none of them stays as it is."""
    out = []
    for key, line in fields:
        if key.lower() == b"cookie":
            kept = [p for p in line.split(b";") if _name_of(p) not in names]
            if len(kept) < line.count(b";") + 1:
                line = b";".join(kept).strip()
                if not line:
                    continue
        out.append((key, line))
    return tuple(out)


def _name_of(pair: bytes) -> str:
    return pair.partition(b"=")[0].strip().decode("latin-1")
