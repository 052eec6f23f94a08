import pytest

from proxy_addon.headers import for_navigation, for_spliced_page, moved


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        (b"gzip, deflate, br, zstd", b"gzip"),
        (b"br", b"identity"),
        (b"gzip;q=0, br", b"identity"),
        (b"gzip; q=0.5", b"gzip"),
        (b"*", b"gzip"),
        (b"identity", b"identity"),
        (b"", b"identity"),
    ],
)
def test_a_page_is_asked_for_in_a_coding_that_streams(offered: bytes, asked: bytes) -> None:
    assert for_navigation(((b"Accept-Encoding", offered),)) == ((b"Accept-Encoding", asked),)


def test_a_page_is_asked_for_whole() -> None:
    before = tuple(
        (name, b"x")
        for name in (b"If-None-Match", b"If-Modified-Since", b"Range", b"If-Range", b"Accept")
    )
    assert for_navigation(before) == ((b"Accept", b"x"),)


def test_what_was_true_of_the_old_bytes_goes() -> None:
    before = (
        (b"Content-Type", b"text/html"),
        (b"Content-Length", b"5"),
        (b"ETag", b'"x"'),
        (b"Last-Modified", b"today"),
        (b"Accept-Ranges", b"bytes"),
        (b"Cache-Control", b"public, max-age=60"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    )
    after = for_spliced_page(before, chunked=True, close_delimited=False)
    assert after == (
        (b"Content-Type", b"text/html"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Cache-Control", b"private, no-cache"),
    )


def test_no_store_stays_and_an_old_client_gets_no_chunks() -> None:
    before = ((b"Cache-Control", b"No-Store"), (b"Transfer-Encoding", b"chunked"))
    after = for_spliced_page(before, chunked=False, close_delimited=True)
    assert after == ((b"Cache-Control", b"no-store"),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"http://old:81", b"https://new"),
        (b"HTTP://OLD:81/a?b", b"https://new/a?b"),
        (b"http://old:81?b", b"https://new?b"),
        (b"http://old:812/", b"http://old:812/"),
        (b"http://old:81.evil.test/", b"http://old:81.evil.test/"),
        (b"/relative", b"/relative"),
    ],
)
def test_only_the_whole_origin_is_moved(value: bytes, expected: bytes) -> None:
    before = ((b"Location", value), (b"X-Other", value))
    after = moved(before, frozenset({b"location"}), "http://old:81", "https://new")
    assert after == ((b"Location", expected), (b"X-Other", value))
