"""What is told of the responses, and when."""

import urllib.request

import pytest

from proxy_addon.outcomes import PROGRESS_EVERY_S, MetricsServer, Outcomes
from proxy_addon.splice import SPLICED
from tests.stack import free_port


def test_the_first_page_is_told_of_then_one_line_a_while() -> None:
    outcomes = Outcomes()
    outcomes.record("not HTML")
    assert outcomes.progress(0.0) == ""
    outcomes.record(SPLICED)
    assert outcomes.progress(1.0) == "1 page with the script; untouched: not HTML 1"
    outcomes.record(SPLICED)
    assert outcomes.progress(1.0 + PROGRESS_EVERY_S - 0.1) == ""
    assert outcomes.progress(1.0 + PROGRESS_EVERY_S) == (
        "2 pages with the script; untouched: not HTML 1"
    )
    assert outcomes.progress(1.1 + PROGRESS_EVERY_S) == ""


def test_the_summary_names_the_frequent_first() -> None:
    outcomes = Outcomes()
    for outcome, times in (("redirect", 2), (SPLICED, 1), ("not a navigation", 1_200)):
        for _ in range(times):
            outcomes.record(outcome)
    assert outcomes.summary() == (
        "1 page with the script; untouched: not a navigation 1,200, redirect 2"
    )
    assert Outcomes().summary() == "0 pages with the script"


def test_metrics_are_served_and_the_address_is_given_back() -> None:
    outcomes, port = Outcomes(), free_port()
    for _ in range(2):
        server = MetricsServer(outcomes, "127.0.0.1", port)
        outcomes.record('odd " outcome')
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        assert 'cobrowse_responses_total{outcome="odd \\" outcome"}' in text
        with pytest.raises(OSError, match="in use"):
            MetricsServer(outcomes, "127.0.0.1", port)
        server.close()
