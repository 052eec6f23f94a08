"""What a browser would find declared, by the standard's own steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addon.prescan import WINDOW_BYTES, declared_charset, declared_charsets


@pytest.mark.parametrize(
    ("page", "label"),
    [
        (b"", b""),
        (b"<meta charset=foo><meta charset=l3>", b"l3"),
        (b"<meta charset=utf-8>", b"utf-8"),
        (b"<META CHARSET = 'Shift_JIS' >", b"Shift_JIS"),
        (b'<meta/charset="euc-jp"/>', b"euc-jp"),
        (b"<meta charset=utf-8", b""),  # cut off
        (b"<metacharset=utf-8>", b""),
        (b"<!-- <meta charset=l2> --><meta charset=l3>", b"l3"),
        (b"<!--><meta charset=l3>", b"l3"),
        (b"<!-- <meta charset=l2>", b""),
        (b"<!doctype a><?x <meta charset=l2>", b""),
        (b"<p title='<meta charset=l2>'><meta charset=l3>", b"l3"),
        (b"</p title='>'><meta charset=l3>", b"l3"),
        (
            b"<script>'<meta charset=l2>'</script>",
            b"l2",
        ),  # the standard's steps see no scripts
        (b"<meta content='text/html; charset=l2'>", b""),
        (b"<meta content='text/html; charset=l2' http-equiv=Content-Type>", b"l2"),
        (b"<meta http-equiv=content-type content='charset=\"l2\"'>", b"l2"),
        (b"<meta http-equiv=content-type content=text/html;charset=l2;x>", b"l2"),
        (b"<meta http-equiv=refresh content='1;charset=l2'>", b""),
        (b"<meta charset=l2 charset=l3>", b"l2"),
        (b"<meta http-equiv=content-type charset='' content='charset=l2'>", b""),
        (b"<meta charset='x><script>'><meta charset=l3>", b"l3"),
        (b"< meta charset=l2>", b""),
        (b"<" * 50 + b"<meta charset=l2>", b"l2"),
        (b" " * (WINDOW_BYTES - 17) + b"<meta charset=l2>", b"l2"),
        (b" " * (WINDOW_BYTES - 16) + b"<meta charset=l2>", b""),
    ],
)
def test_declarations(page: bytes, label: bytes) -> None:
    assert declared_charset(page) == label


@given(
    st.lists(st.sampled_from(b"<|meta|charset|=|l2|'|\"| |>|/|!|--|x".split(b"|"))).map(b"".join)
)
def test_any_bytes_end_in_a_clean_label(page: bytes) -> None:
    label = declared_charset(page)
    assert label == b"" or (label in page and not set(label) & set(b"<>\"' "))


@pytest.mark.parametrize(
    ("page", "labels"),
    [
        (b"<title>t</title><meta charset=l2>", (b"l2", b"l2")),
        (b"<TITLE><meta charset=l2></title ><meta charset=l3>", (b"l2", b"l3")),
        (b"<title><meta charset=l2>", (b"l2", b"")),
        (b"<script x='>'>'<meta charset=l2>'</script>", (b"l2", b"")),
        (b"<meta charset=l2 charset=l3>", (b"l2", b"l3")),
        (b"<titles><meta charset=l2>", (b"l2", b"l2")),
        (
            b"<style></styles><meta charset=l2></style><meta charset=l3>",
            (b"l2", b"l3"),
        ),
    ],
)
def test_what_stands_in_text_is_no_declaration_to_chromium(
    page: bytes, labels: tuple[bytes, bytes]
) -> None:
    assert declared_charsets(page) == labels
