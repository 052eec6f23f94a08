"""Edits of header fields for spliced pages and for the way between visitor and origin. Pure."""

from typing import Final

from proxy_addon.fields import Fields, get, tokens, without

# A cached copy or a part of one must never carry another visitor's values or an old nonce.
_CONDITIONAL: Final = frozenset(
    {b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since"}
    | {b"if-range", b"range"}
)
# True of the origin's bytes, no longer of ours.
_ABOUT_THE_BYTES: Final = frozenset(
    {b"content-length", b"content-md5", b"digest", b"repr-digest", b"content-digest"}
    | {b"accept-ranges", b"etag", b"last-modified", b"cache-control"}
)


def for_navigation(fields: Fields) -> Fields:
    """Request fields that make the origin answer with a whole page in a coding we can stream."""
    out = without(fields, _CONDITIONAL)
    if b"accept-encoding" in {k.lower() for k, _ in out}:
        offered = get(out, b"accept-encoding")
        coding = b"gzip" if _accepts_gzip(offered) else b"identity"
        out = tuple((k, coding if k.lower() == b"accept-encoding" else v) for k, v in out)
    return out


def _accepts_gzip(offered: str) -> bool:
    for item in offered.lower().split(","):
        name, _, parameter = item.partition(";")
        if name.strip() in ("gzip", "x-gzip", "*"):
            return parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def for_spliced_page(fields: Fields, *, chunked: bool, close_delimited: bool) -> Fields:
    """Response fields of a page whose body grows.

    Args:
        chunked: both sides speak HTTP/1.1, so the length can be left to the chunks.
        close_delimited: the visitor speaks HTTP/1.0 and takes the end of the connection as the
            end of the page.
    """
    no_store = "no-store" in tokens(get(fields, b"cache-control"))
    drop = _ABOUT_THE_BYTES | ({b"transfer-encoding"} if close_delimited else frozenset())
    out = without(fields, drop)
    if chunked and not get(out, b"transfer-encoding"):
        out += ((b"Transfer-Encoding", b"chunked"),)
    caching = b"no-store" if no_store else b"private, no-cache"
    return (*out, (b"Cache-Control", caching))


def moved(fields: Fields, names: frozenset[bytes], old: str, new: str) -> Fields:
    """The fields, with the origin old replaced by new where a named value starts with it.

    Args: old, new: scheme://host[:port], as browsers write them.
    """
    before, after = old.encode("utf-8", "surrogateescape"), new.encode("utf-8", "surrogateescape")
    out = []
    for name, value in fields:
        if name.lower() in names and value.lower().startswith(before):
            rest = value[len(before) :]
            if rest[:1] in (b"", b"/", b"?", b"#"):
                value = after + rest
        out.append((name, value))
    return tuple(out)
