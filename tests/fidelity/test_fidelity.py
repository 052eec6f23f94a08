"""What the visitor sees, the agent sees: one small page after the other, in one session.

pytest tests/fidelity -k popover      the cases with this in their names
FIDELITY_PICTURES=/tmp/pictures       keep a picture of both sides of each case there
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

from tests.fidelity.cases import ALL
from tests.fidelity.judge import judge
from tests.fidelity.ours import Ours, serving_cases
from tests.fidelity.visitors import Visitors


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    with (
        serving_cases(tmp_path_factory.mktemp("fidelity")) as site,
        sync_playwright() as playwright,
    ):
        visitors = Visitors(playwright)
        yield Ours(visitors, site)
        visitors.close()


@pytest.mark.parametrize("name", ALL)
def test_the_copy_equals_the_page(ours: Ours, name: str) -> None:
    case = ALL[name]
    found = judge(ours, case)
    if not case.why:
        assert not found, "\n".join(found)
    else:
        assert found, f"it passes: the case no longer needs its reason ({case.why})"
