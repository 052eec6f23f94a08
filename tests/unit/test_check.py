"""What the check makes of what it sees."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cobrowse import forwarding
from cobrowse.check import (
    judging,
    judging_frames,
    judging_session,
)
from cobrowse.check.command import _of_address
from cobrowse.check.documents import changed
from cobrowse.check.fields import Field
from cobrowse.check.findings import Finding, Grade, PageReport
from cobrowse.check.observed import FrameSeen, Load, Mirrored
from cobrowse.check.passages import Inserted, Passage, inserted
from cobrowse.check.pixels import difference, ink, movement, share
from cobrowse.check.redacting import Secrets
from cobrowse.processes import StartError
from tests.unit.checked import TREE, load, passage, picture


def judged(
    without: list[Load],
    through: list[Load],
    passed: Passage | None = None,
    went: bytes = b"<head><script>GLANCE</script><p>x",
) -> dict[str, Finding]:
    bodies = {"came": b"<head><p>x", "went": went}
    passed = passed or passage()
    return {found.code: found for found in judging.judge(without, through, passed, bodies.get)}  # type: ignore[arg-type]


def faults(found: dict[str, Finding]) -> set[str]:
    return {code for code, finding in found.items() if finding.grade}


# -- what was put in -----------------------------------------------------------------------------


@given(st.binary(max_size=60), st.binary(max_size=30), st.data())
def test_what_was_put_in_is_found(came: bytes, text: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(came)))
    went = came[:at] + text + came[at:]
    found = inserted(came, went)
    # Where bytes repeat, several places are as good.
    assert found and came[: found.at] + found.text + came[found.at :] == went
    assert len(found.text) == len(text)


@pytest.mark.parametrize("went", [b"abXc", b"ab", b"XbcYY", b"aXbcX"])
def test_anything_else_is_a_change(went: bytes) -> None:
    assert inserted(b"abc", went) in (None, Inserted(at=2, text=b"X"))
    assert inserted(b"abc", went) is None or went == b"abXc"


# -- one page ------------------------------------------------------------------------------------


def test_a_page_that_is_the_same_is_fine() -> None:
    found = judged([load()], [load()])
    assert not faults(found)
    assert found["script"].text == (
        "the script is in the page: line 1, behind <head>, 23 bytes: "
        "first in the head, before the page's own scripts"
    )
    assert found["bytes"].text == "all other 10 bytes are as they came"
    assert found["dom"].text == "all 3 nodes of the document are the same"


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("mode", {"mode": "quirks"}),
        ("charset", {"charset": "windows-1252"}),
        ("status", {"status": 502}),
        ("dom", {"trees": [[*TREE, ("/html/body/i", "I ")]]}),
        ("console", {"complaints": ["TypeError: x"]}),
        ("violations", {"violations": ["img-src: http://a.test/"]}),
        ("speed", {"first_paint_ms": 700.0}),
    ],
)
def test_what_is_worse_through_the_proxy_is_said(fault: str, value: dict[str, Any]) -> None:
    assert faults(judged([load()], [load(**value)])) == {fault}
    assert not judging.are_alike([load()], [load(**value)])
    # What a second pair does not show, was chance; of an error page much else was looked at.
    again = [load(**value), load()]
    assert faults(judged([load(), load()], again)) == ({fault} if fault == "status" else set())


def test_what_the_site_does_itself_is_not_ours() -> None:
    for value in ({"complaints": ["x 1"]}, {"mode": "quirks"}, {"first_paint_ms": 900.0}):
        other: Any = {**value, "complaints": ["x 2"]} if "complaints" in value else value
        assert not faults(judged([load(**value)], [load(**other)]))


def test_what_changes_by_itself_does_not_count() -> None:
    clocks = [[*TREE, ("/html/body/#text", str(second))] for second in range(4)]
    without = [load(trees=[clocks[0]]), load(trees=[clocks[1], clocks[2]])]
    found = judged(without, [load(trees=[clocks[3]]), load(trees=[clocks[3]])])
    assert not faults(found) and "; 1 differ from load to load" in found["dom"].text
    # A node that is another on each side, always, is the proxy's doing.
    steady = judged([load(trees=[clocks[0]])] * 2, [load(trees=[clocks[1]])] * 2)
    assert steady["dom"].details == ["- /html/body/#text 0", "+ /html/body/#text 1"]


@pytest.mark.parametrize(
    ("outcome", "why"),
    [("XHTML", "XHTML, where"), ("sandbox", "sandbox"), ("frameset", "frameset"), ("", "nothing")],
)
def test_why_a_page_has_no_script_is_said(outcome: str, why: str) -> None:
    found = judged([load()], [load()], passage(outcome=outcome))
    assert faults(found) == {"script"} and why in found["script"].text
    assert found["script"].grade is Grade.BROKEN


def test_bytes_that_have_changed_are_said() -> None:
    assert faults(judged([load()], [load()], went=b"<head><p>y")) == {"bytes"}
    (found,) = [f for f in judging.judge([load()], [load()], None, dict.get) if f.grade]  # type: ignore[arg-type]
    assert found.code == "script"


def test_changes_of_a_policy_are_a_diff() -> None:
    name = "Content-Security-Policy"
    before = [(name, "default-src 'none'; script-src 'nonce-a'"), ("X", "y")]
    after = [(name, "default-src 'none'; script-src 'nonce-b' 'self'"), ("X", "z")]
    found = judged([load()], [load()], passage(before=before, after=after))["policy"]
    assert found.details == [
        f"- {name}: script-src 'nonce-…'",
        f"+ {name}: script-src 'nonce-…' 'self'",
    ]
    same = passage(before=before, after=[(name, before[0][1].replace("-a", "-b"))])
    assert "policy" not in judged([load()], [load()], same)


def test_what_a_long_policy_got_at_its_end_is_seen() -> None:
    before = [
        ("Content-Security-Policy", "script-src " + " ".join(f"cdn{n}.test" for n in range(99)))
    ]
    after = [(before[0][0], before[0][1] + " 'self'")]
    found = judged([load()], [load()], passage(before=before, after=after))["policy"]
    assert [line.endswith("'self'") for line in found.details] == [False, True]


def test_a_site_that_answers_differently_from_load_to_load_is_said() -> None:
    limited = load(status=429)
    found = judged([load(), load(status=429)], [limited, limited])["status"]
    assert found.grade is Grade.DEGRADED and "status 200, 429" in found.text
    found = judged([load()], [load(url="http://shop.test/login")])["load"]
    assert found.grade is Grade.DEGRADED and "leads elsewhere" in found.text


def test_what_nobody_gets_is_told_in_other_words_by_a_proxy() -> None:
    gone, said = {"http://ads.test/x.js?1": False}, ["502 http://ads.test/x.js?2"]
    assert not faults(judged([load(files=gone)], [load(files=gone, complaints=said)]))
    assert faults(judged([load()], [load(files=gone, complaints=said)])) == {"console"}


def test_an_error_page_is_not_what_was_asked_for() -> None:
    found = judged([load(status=404)], [load(status=404)], passage())["status"]
    assert found.grade is Grade.DEGRADED and "404" in found.text


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (b'<head><meta charset="utf-8">', "behind what must be declared first"),
        (b"<!doctype html>", "the page writes no head"),
        (b"", "at byte 0, 6 bytes: the page writes no head"),
    ],
)
def test_where_the_script_is_and_why_is_said(came: bytes, why: str) -> None:
    bodies = {"came": came + b"<p>x", "went": came + b"<b></b"[:6] + b"<p>x"}
    found = next(judging.judge([load()], [load()], passage(), bodies.__getitem__))
    assert why in found.text


def test_what_is_put_in_moves_what_follows_and_changes_only_itself() -> None:
    row, other = ("/ul/li", "LI "), ("/ul/li", "LI class=new")
    before, after = [TREE[0], row, row], [TREE[0], other, row, row]
    assert changed([before], [after]) == (["+ /ul/li LI class=new"], 1)
    assert changed([after], [before]) == (["- /ul/li LI class=new"], 1)
    assert changed([after], [after[:1] + after[2:] + [other]])[0] == [
        "moved: /ul/li LI class=new",
        "moved: /ul/li LI ",
    ]
    # A ticker puts in rows of its own, before what the proxy puts in.
    ticks = [[TREE[0], ("/p", f"#text {n}"), row, row] for n in range(4)]
    put_in = [[*tick, other] for tick in ticks[2:]]
    assert changed(ticks[:2], put_in) == (["+ /ul/li LI class=new"], 2)


def test_a_document_that_cannot_be_compared_is_not_called_the_same() -> None:
    trees = [[*TREE, *(("/p", str(n)) for n in range(at, at + 9))] for at in (0, 9, 18)]
    pairs = [load(trees=[trees[0]]), load(trees=[trees[1]])], [load(trees=[trees[2]])] * 2
    found = judged(*pairs)["dom"]
    assert found.grade is Grade.DEGRADED and "too many to compare" in found.text
    cut = [load(is_whole=False)]
    assert judged(cut, cut)["dom"].text.endswith("; there are more, which were not compared")


def test_complaints_of_a_session_are_told_apart_from_the_pages_own() -> None:
    later = load(complaints=["TypeError: x of 7", "blocked: http://cdn.test/a.png"])
    lacks = Mirrored(missing=["http://cdn.test/a.png"])
    (found,) = judging_session.judge_meanwhile([load()], later, lacks)
    assert found.code == "console" and found.text.endswith(
        "1 new error in the console, during a session"
    )
    known = [load(), load(complaints=["TypeError: x of 8"])]
    assert not list(judging_session.judge_meanwhile(known, later, lacks))
    assert list(judging_session.judge_meanwhile(known, later, Mirrored()))
    # They are part of what is said of the session and of the files.
    (failed,) = judging_session.judge_session(Mirrored(error="no answer"), later)
    assert failed.details == later.complaints
    assert not list(judging_session.judge_meanwhile([load()], later, Mirrored(error="no answer")))
    *_, files = judging_session.judge_session(lacks, later)
    assert files.text.endswith("the page's console says so during a session")


@pytest.mark.parametrize(
    ("leads_to", "html", "is_logged_in", "grade"),
    [
        ("http://shop.test/login?next=/", "", True, Grade.DEGRADED),
        ("http://shop.test/hello", "<input type='password'>", True, Grade.DEGRADED),
        ("http://shop.test/home", "", True, Grade.FINE),
        ("http://shop.test/login", "", False, Grade.FINE),
    ],
)
def test_a_login_that_is_over_is_said(
    leads_to: str, html: str, is_logged_in: bool, grade: Grade
) -> None:
    (found,) = judging.judge_landing(load(url=leads_to, html=html), is_logged_in=is_logged_in)
    assert found.grade is grade and leads_to in found.text
    assert not list(judging.judge_landing(load(html=html), is_logged_in=is_logged_in))


def frame(url: str, **values: bool) -> FrameSeen:
    return FrameSeen(url=url, **values)


def test_frames_that_stay_empty_are_said() -> None:
    frames = [
        frame("http://shop.test/in#part", has_script=True),
        frame("about:srcdoc", is_reached=True),
        frame("http://pay.test/"),
        frame("http://shop.test/plain", can_script=False),
        frame("http://shop.test/broken"),
        frame("http://shop.test/strict"),
        frame("about:srcdoc"),
        frame("data:text/html,x"),
        frame("http://later.test/", is_waiting=True),
        frame("chrome-extension://pdf/"),
    ]
    passed = [
        passage(url="http://shop.test/in", is_frame=True),
        passage(url="http://shop.test/broken", is_frame=True),
        passage(url="http://shop.test/strict", is_frame=True, outcome="sandbox"),
    ]
    (found,) = judging_frames.judge_frames([], frames, passed)
    assert found.grade is Grade.DEGRADED and "7 frames of 9" in found.text
    assert [line.partition(": ")[2][:20] for line in found.details] == [
        "its host is not incl", "its sandbox lets no ", "the script is in it ",
        "its policy puts it i", "no page around it re", "no page around it re",
        "it has not loaded ye",
    ]  # fmt: skip
    assert found.proposal == ["--include pay.test", "--include later.test"]
    (found,) = judging_frames.judge_frames([], frames[:2], passed)
    assert not found.grade and "all 2 frames" in found.text
    assert not list(judging_frames.judge_frames([], [], passed))


def test_a_frame_that_fails_with_the_proxy_alone_is_broken() -> None:
    failed, fine = (
        frame("chrome-error://chromewebdata/"),
        frame("http://shop.test/", has_script=True),
    )
    assert not [f for f in judging_frames.judge_frames([failed], [failed], []) if f.grade]
    (found,) = judging_frames.judge_frames([fine], [failed], [])
    assert found.code == "frames" and found.grade is Grade.BROKEN


def test_policies_of_frames_are_a_diff_too() -> None:
    name = "Content-Security-Policy"
    policies = {
        "before": [(name, "script-src a"), (name, "script-src a")],
        "after": [(name, "script-src a")],
    }
    (found,) = judging_frames.judge_frames([], [], [passage(is_frame=True, **policies)])
    assert found.code == "policy" and "of the frame http://shop.test/" in found.text
    assert found.details == [f"- {name}: script-src a"]


def test_a_service_worker_is_told_of() -> None:
    assert not list(judging_frames.judge_workers([], True))
    assert [f.grade for f in judging_frames.judge_workers(["/"], True)] == [Grade.FINE]
    assert [f.grade for f in judging_frames.judge_workers(["/"], False)] == [Grade.DEGRADED]


@pytest.mark.parametrize(
    ("share", "grade"), [(0.005, Grade.FINE), (0.05, Grade.DEGRADED), (0.2, Grade.BROKEN)]
)
def test_a_session_is_as_good_as_its_picture(share: float, grade: Grade) -> None:
    (found,) = judging_session.judge_session(Mirrored(difference=share, masked=2), load())
    assert found.grade is grade and "2 masked places" in found.text


def test_a_page_that_moves_is_compared_where_it_rests() -> None:
    (found,) = judging_session.judge_session(Mirrored(difference=0.001, moving=0.2), load())
    assert found.grade is Grade.FINE and "20% that move by themselves left out" in found.text
    (found,) = judging_session.judge_session(Mirrored(difference=0.001, moving=0.6), load())
    assert found.grade is Grade.DEGRADED and "too much to compare" in found.text
    (found,) = judging_session.judge_session(Mirrored(is_pictured=False), load())
    assert found.grade is Grade.DEGRADED
    one, two = picture(0, (0, 0, 5, 5)), picture(0, (2, 0, 7, 5))
    moving = movement([one, two])
    assert 0 < share(moving) < 0.5
    assert difference(one, two) > 0 == difference(one, two, moving=moving)
    assert share(movement([one, one])) == 0


def test_a_page_that_was_not_looked_at_whole_is_said() -> None:
    assert judging.unfinished("no answer in 9 s").grade is Grade.DEGRADED
    assert not list(judging.judge_later(load(), "http://shop.test/#x"))
    (found,) = judging.judge_later(load(), "http://shop.test/next")
    assert found.grade is Grade.FINE and "goes on by itself" in found.text


def test_a_copy_that_stays_empty_breaks_the_page() -> None:
    empty = Mirrored(difference=0.001, is_empty=True, missing=["http://cdn.test/a.css"])
    found, why = judging_session.judge_session(empty, load())
    assert found.grade is Grade.BROKEN and why.code == "files"
    assert ink(picture(255)) == 0 and ink(picture(0, (0, 0, 9, 9))) == pytest.approx(81 / 5000)


def test_a_session_that_does_not_start_breaks_the_page() -> None:
    (found,) = judging_session.judge_session(Mirrored(error="policy"), load())
    assert found.grade is Grade.BROKEN and "the page's own policy" in found.text


def test_a_page_that_is_no_page_without_the_proxy_is_not_broken_by_it() -> None:
    assert judging.unchecked("it is a download", is_page=False).grade is Grade.FINE
    assert judging.unchecked("net::ERR_X", is_page=True).grade is Grade.DEGRADED
    assert judging.unloadable("net::ERR_X").grade is Grade.BROKEN


# -- secrets -------------------------------------------------------------------------------------


def test_no_secret_is_in_a_report() -> None:
    secrets = Secrets(["s3cret%20value", "7Ab9x", "en", "1"])
    secrets.learn(["s3cret%20value-and-more", "of-a-page", "default"])
    assert secrets.without("a=s3cret%20value-; b=s3cret value 7Ab9x 7Ab9xy en 1") == (
        "a=…-; b=… … 7Ab9xy en 1"
    )
    assert secrets.without("it ends in s3cret%20va…") == "it ends in …"
    assert secrets.without("it ends in s3c…") == "it ends in s3c…"
    given = "http://a.test/x;jsessionid=0123456789?id=12&token=0123456789abc#key=0123456789"
    cleaned = "http://a.test/x;jsessionid=…?id=12&token=…#key=…"
    lines = [given, "said s3cret%20value-and-more and of-a-page by default"]
    found = [Finding("load", Grade.FINE, f"of-a-page {given}", lines, ["x = 'of-a-page'"])]
    page = secrets.page(PageReport(url=given, findings=found))
    assert page.url == cleaned
    (told,) = page.findings
    # Words that pages use are not left out of our own.
    assert told.text == f"of-a-page {cleaned}" and told.proposal == ["x = 'of-a-page'"]
    assert told.details == [cleaned, "said … and … by default"]


def test_an_address_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(StartError) as told:
        forwarding.site_of("https://me:pa/ss-obviously-fake@shop.test/")
    assert "obviously-fake" not in str(told.value) and "shop.test" in str(told.value)


def test_a_password_in_an_address_is_for_its_site_alone() -> None:
    assert _of_address("https://me:s%40fe@shop.test:8443/x?y") == (
        "https://shop.test:8443/x?y",
        {"username": "me", "password": "s@fe", "origin": "https://shop.test:8443"},
    )
    assert _of_address("https://shop.test/@x") == ("https://shop.test/@x", None)


def test_rules_are_proposed_as_the_config_file_takes_them() -> None:
    readable = [
        Field("#tax", "Tax", "tax", ""),
        Field('input[name="it\'s"]', "\x1b[31mred\n", "income", ""),
        Field(hostile := 'input[name="a\n\x1b]0;b"]', "", "tax", ""),
    ]
    *_, found = judging_session.judge_session(
        Mirrored(readable=readable, missing=["http://a.test/b.png"]), load()
    )
    told = tomllib.loads("\n".join(found.proposal).replace("<groupid>", "1"))
    rows = told["groups"]["1"]["settings"]["masked_elements"]
    assert [row["selector"] for row in rows] == ["#tax", 'input[name="it\'s"]', hostile]
    assert "\x1b" not in "".join([*found.details, *found.proposal])
