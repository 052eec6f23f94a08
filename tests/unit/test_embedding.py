"""Which sites may show the agent's pages in a frame."""

import pytest

from relay.embedding import frame_ancestors, is_trusted

DOMAINS = ["desk.test", "*.crm.test", "localhost:8000", "Upper.Test:8443", "127.0.0.1"]


def test_the_policy_names_hosts_by_https_and_this_machine_by_http_too() -> None:
    assert frame_ancestors([]) == "'self'"
    assert frame_ancestors([*DOMAINS, "[::1]"]) == (
        "'self' https://desk.test:* https://*.crm.test:* https://localhost:8000 "
        "http://localhost:8000 https://upper.test:8443 https://127.0.0.1:* http://127.0.0.1:*"
    )


@pytest.mark.parametrize(
    ("origin", "trusted"),
    [
        ("https://desk.test", True),
        ("https://desk.test:8443", True),
        ("http://desk.test", False),
        ("https://a.crm.test", True),
        ("https://a.b.crm.test:99", True),
        ("https://crm.test", False),
        ("https://evilcrm.test", False),
        ("http://localhost:8000", True),
        ("http://localhost:8001", False),
        ("https://upper.test:8443", True),
        ("https://upper.test", False),
        ("http://127.0.0.1:5", True),
        ("https://desk.test.evil.test", False),
        ("null", False),
        ("", False),
        ("javascript://desk.test", False),
        ("https://[", False),
        ("https://desk.test:99999999", False),
    ],
)
def test_an_origin_is_trusted_or_not(origin: str, trusted: bool) -> None:
    assert is_trusted(origin, DOMAINS) is trusted
