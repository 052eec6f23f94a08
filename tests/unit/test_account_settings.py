"""Account settings as TOML and as a form, and what differs between two of them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.account import AccountSettings, Button, MaskedElement, Terms
from relay.accounts import forms
from relay.accounts.texts import BadSettings, Change, changes, from_toml, to_toml

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
DOMAINS = st.sampled_from(["chat.test", "*.help.test", "localhost:8000", "[::1]:1"])
SECONDS = st.floats(min_value=0.1, max_value=86_400)
ACCOUNTS = st.builds(
    AccountSettings,
    mask=st.sampled_from(["inputs", "text", "none"]),
    masked_elements=st.lists(
        st.builds(MaskedElement, selector=WORDS.filter(bool), label=WORDS), max_size=3
    ),
    masked_pages=st.lists(WORDS, max_size=3),
    mask_query=st.booleans(),
    canvas_fps=st.floats(min_value=0, max_value=10),
    trusted_domains=st.lists(DOMAINS, max_size=3),
    embed_origins=st.lists(DOMAINS, max_size=3),
    terms_first=st.booleans(),
    language=st.sampled_from(["auto", "ar"]),
    waiting_s=SECONDS,
    max_sessions=st.integers(1, 1_000_000),
    button=st.builds(Button, shown=st.booleans(), text=WORDS, color=st.just("rgb(1, 2, 3)")),
    terms=st.builds(Terms, title=WORDS, text=WORDS, link=st.just("https://shop.test/t?a=1&b=2")),
)


@given(ACCOUNTS)
def test_toml_and_back_changes_nothing(account: AccountSettings) -> None:
    assert from_toml(to_toml(account)) == account


def test_what_nobody_has_set_is_not_written() -> None:
    assert to_toml(AccountSettings()) == ""
    assert to_toml(AccountSettings(button=Button(shown=True))) == "[button]\nshown = true\n"


@pytest.mark.parametrize("text", ["a\r\nb", "\r", 'say """no"""', "\\", "\x00\x7f", "\n\n", "🙂"])
def test_texts_that_toml_finds_hard(text: str) -> None:
    account = AccountSettings(terms=Terms(text=text))
    assert from_toml(to_toml(account)).terms.text == text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("maks = 1", "maks"),
        ("[button]\ncolr = 'red'", "button.colr"),
        ("[groups.1.settings]\nmask = 'none'", "groups"),
        ("[button]\ncolor = 'red;}body{x:y'", "button.color"),
        ("[terms]\nlink = 'javascript:alert(1)'", "terms.link"),
        ("masked_elements = [{ selector = '' }]", "masked_elements[0].selector"),
        ("masked_elements = [{ selector = 'a', x = 1 }]", "masked_elements[0]"),
        ("trusted_domains = ['a.test; script-src *']", "trusted_domains[0]"),
        ("canvas_fps = nan", "canvas_fps"),
        ("waiting_s = inf", "waiting_s"),
        ("waiting_s = true", "waiting_s"),
        ("longest_s = 0", "longest_s"),
        ("max_sessions = 1.5", "max_sessions"),
        ("max_sessions = 0", "max_sessions"),
        ("masked_pages = 5", "masked_pages"),
        ("button = 'x'", "button"),
        (f"masked_pages = {['a'] * 501}", "masked_pages"),
        ("=", ""),
        ("a" * 400_001, ""),
        ("x = " + "[" * 5_000, ""),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key(text: str, key: str) -> None:
    with pytest.raises(BadSettings) as refused:
        from_toml(text)
    assert refused.value.key == key


def test_what_differs_is_told_by_key_as_toml_writes_it() -> None:
    old = AccountSettings(masked_pages=["/a"])
    new = msgspec.structs.replace(
        old, mask="text", masked_pages=["/a", "/b"], button=Button(text='Say "hi"')
    )
    assert changes(old, old) == []
    [mask, pages, text] = changes(old, new)
    assert mask == Change("mask", '"inputs"', '"text"')
    assert pages.key == "masked_pages" and '"/b"' in pages.new and '"/b"' not in pages.old
    assert (text.key, text.old) == ("button.text", '""') and "hi" in text.new


@given(ACCOUNTS, ACCOUNTS)
def test_two_that_differ_are_never_said_to_be_the_same(
    one: AccountSettings, other: AccountSettings
) -> None:
    assert bool(changes(one, other)) == (one != other)


# -- the form ------------------------------------------------------------------------------------


def pairs(account: AccountSettings, **changed: str) -> list[tuple[str, str]]:
    """What a browser sends for a form that shows these settings."""
    sent: list[tuple[str, str]] = []
    for fields in forms.fields(forms.values_of(account), {}).values():
        for field in fields:
            if field.kind == "rows":
                for selector, label in field.value:
                    sent += [(f"{field.key}.selector", selector), (f"{field.key}.label", label)]
            elif field.kind == "check":
                sent += [(field.key, "1")] if field.value else []
            else:
                sent.append((field.key, changed.get(field.key, field.value)))
    return sent


def test_the_form_holds_every_setting() -> None:
    shown = {
        field.key
        for f in forms.fields(forms.values_of(AccountSettings()), {}).values()
        for field in f
    }
    table: dict[str, Any] = msgspec.to_builtins(AccountSettings())
    wanted = {
        f"{name}.{inner}" if inner else name
        for name, value in table.items()
        for inner in (value if isinstance(value, dict) else [""])
    }
    assert shown == wanted


@given(
    ACCOUNTS.filter(
        lambda a: not any("\r" in t or t != t.strip() for t in [*a.masked_pages, *_texts(a)])
    )
)
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(account: AccountSettings) -> None:
    lines = [p for p in account.masked_pages if p.splitlines() == [p]]
    account = msgspec.structs.replace(account, masked_pages=lines)
    filled = forms.read(pairs(account))
    assert filled.problems == {} and filled.account == account


def _texts(account: AccountSettings) -> list[str]:
    rows = [text for row in account.masked_elements for text in (row.selector, row.label)]
    return [*rows, account.button.text, account.terms.title, account.terms.text]


def test_every_problem_stands_at_its_field_and_nothing_is_lost() -> None:
    sent = pairs(
        AccountSettings(),
        waiting_s="soon",
        **{"button.color": "red;x", "terms.link": "javascript:x", "trusted_domains": "a b\nc.test"},
    )
    filled = forms.read([*sent, ("masked_elements.selector", ""), ("masked_elements.label", "Pin")])
    assert filled.account is None
    assert set(filled.problems) == {
        "waiting_s",
        "button.color",
        "terms.link",
        "trusted_domains",
        "masked_elements",
    }
    assert filled.problems["waiting_s"] == "This is no number."
    assert (
        filled.values["waiting_s"] == "soon" and filled.values["trusted_domains"] == "a b\nc.test"
    )
    assert filled.values["masked_elements"] == [("", "Pin")]


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e999", "", "0x10", "١"])
def test_numbers_that_are_none_never_pass(number: str) -> None:
    filled = forms.read(pairs(AccountSettings(), longest_s=number))
    if number == "١":  # a digit all the same
        assert filled.account is not None and filled.account.longest_s == 1
    else:
        assert list(filled.problems) == ["longest_s"]


def test_rows_that_were_left_empty_are_no_rows() -> None:
    sent = [
        *pairs(AccountSettings()),
        ("masked_elements.selector", " "),
        ("masked_elements.label", ""),
    ]
    filled = forms.read(sent)
    assert filled.account is not None and filled.account.masked_elements == []
