import json

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from proxy_addon.snippet import SnippetMaker, to_script_literal

STUB = "run(__COBROWSE__);\n"
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "\u2028\u2029",
    "';alert(1)//",
    "\\",
    "&quot;",
    "\x7f\x00",
    "\ud800",
    "__proto__",
]


def make(name: str, nonce: str = "") -> bytes:
    return SnippetMaker(STUB).make(
        prefix="/.cobrowse/",
        group="1",
        site="production",
        socket="",
        identity={"name": name},
        nonce=nonce,
    )


@given(st.one_of(st.sampled_from(HOSTILE), st.text(alphabet=st.characters(exclude_categories=()))))
def test_no_value_leaves_the_script(name: str) -> None:
    snippet = make(name)
    assert snippet.isascii()
    inside = snippet.removeprefix(b'<script id="glance-cobrowse">').removesuffix(b"</script>")
    assert not any(byte in b"<>&'" for byte in inside)
    literal = inside.decode().removeprefix("run(").removesuffix(");")
    assert json.loads(literal)["identity"]["name"] == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_second_parser_sees_one_script(name: str) -> None:
    page = b"<html><head>" + make(name) + b"<title>t</title></head><body><p>x</p></body></html>"
    tree = BeautifulSoup(page, "lxml")
    assert len(tree.find_all("script")) == 1
    assert tree.title is not None and tree.title.string == "t"


def test_numbers_that_are_no_json_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_script_literal(float("nan"))


def test_the_nonce_is_an_attribute() -> None:
    assert b'<script id="glance-cobrowse" nonce="abc+/=">' in make("x", "abc+/=")


@pytest.mark.parametrize("stub", ["", "x", "__COBROWSE__ __COBROWSE__", "__COBROWSE__</script>"])
def test_a_stub_that_the_build_did_not_make_is_refused(stub: str) -> None:
    with pytest.raises(ValueError, match="build"):
        SnippetMaker(stub)
