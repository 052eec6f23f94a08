import pytest

from proxy_addon.fields import edited
from proxy_addon.headers import for_navigation, for_spliced_page, telling_field, varied

MODE = b"Sec-Fetch-Mode"


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ("gzip, deflate, br, zstd", "zstd, gzip"),
        ("gzip, deflate, br", "gzip"),
        ("br", "br"),
        ("deflate", "deflate"),
        ("gzip;q=0, br", "br"),
        ("gzip;q=0.000", "identity"),
        ("gzip; q=0.5", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("dcb, dcz", "identity"),
        ("identity", "identity"),
        ("", "identity"),
    ],
)
def test_a_page_is_asked_for_in_a_coding_that_streams(offered: str, asked: str) -> None:
    assert for_navigation({"accept-encoding": offered}) == {b"accept-encoding": asked.encode()}


def test_a_page_is_asked_for_whole_and_anew() -> None:
    names = ("if-none-match", "if-modified-since", "range", "if-range", "accept")
    edits = for_navigation(dict.fromkeys(names, "x"))
    before = tuple((name.title().encode(), b"x") for name in names)
    assert edited(before, edits) == ((b"Accept", b"x"),)


def test_what_was_true_of_the_old_bytes_goes() -> None:
    before = (
        (b"Content-Type", b"text/html"),
        (b"Content-Length", b"5"),
        (b"ETag", b'"x"'),
        (b"Last-Modified", b"today"),
        (b"Accept-Ranges", b"bytes"),
        (b"Cache-Control", b"public, max-age=60"),
        (b"CDN-Cache-Control", b"max-age=60"),
        (b"Cloudflare-CDN-Cache-Control", b"max-age=60"),
        (b"Surrogate-Control", b"max-age=60"),
        (b"X-Accel-Expires", b"60"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    )
    after = for_spliced_page(before, varies_by=MODE, chunked=True, http10=False)
    assert after == (
        (b"Content-Type", b"text/html"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Cache-Control", b"private, no-cache"),
        (b"Vary", b"Sec-Fetch-Mode"),
    )


def test_no_store_stays_and_an_old_client_gets_no_chunks() -> None:
    before = ((b"Cache-Control", b"No-Store"), (b"Transfer-Encoding", b"chunked"))
    after = for_spliced_page(before, varies_by=MODE, chunked=False, http10=True)
    assert after == ((b"Cache-Control", b"no-store"), (b"Vary", b"Sec-Fetch-Mode"))


@pytest.mark.parametrize(
    ("before", "added"),
    [
        ([], True),
        ([b"Cookie"], True),
        ([b"Accept-Encoding", b"Cookie"], True),
        ([b"*"], False),
        ([b"Cookie", b"Accept, sec-fetch-mode"], False),
    ],
)
def test_what_a_page_varies_by_is_added_and_nothing_lost(before: list[bytes], added: bool) -> None:
    fields = tuple((b"vary", value) for value in before)
    assert varied(fields, MODE) == fields + (((b"Vary", MODE),) if added else ())


def test_over_plain_http_it_is_accept_that_tells() -> None:
    assert telling_field({"sec-fetch-mode": "cors"}) == MODE
    assert telling_field({"accept": "*/*"}) == b"Accept"
