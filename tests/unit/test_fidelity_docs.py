"""docs/fidelity.md is what the cases and rrweb's last run make of it."""

from tests.fidelity.cases import ALL
from tests.fidelity.compare import STYLES
from tests.fidelity.report import DOCS, Peer, report


def test_the_page_is_made_of_the_cases() -> None:
    assert DOCS.read_text() == report(ALL, Peer.read(), len(STYLES))


def test_there_are_enough_cases() -> None:
    assert len(ALL) >= 155
    assert sum(case.listed for case in ALL.values()) >= 57


def test_rrweb_was_run_with_these_cases() -> None:
    assert set(Peer.read().passes) == set(ALL)


def test_what_rrweb_is_said_to_fail_it_fails() -> None:
    passes = Peer.read().passes
    assert not [slug for slug, case in ALL.items() if case.listed and passes[slug]]
