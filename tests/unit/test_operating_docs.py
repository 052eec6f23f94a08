"""docs/operating.md and docs/deployment.md say what there is."""

import re
from pathlib import Path

from cobrowse.docs import metrics_table
from proxy_addon.outcomes import MetricsServer, Outcomes
from relay.asset_pages import BATCH_CAP_BYTES
from relay.assets import FILE_CAP_BYTES, SESSION_CAP_BYTES
from tests.stack import free_port

ROOT = Path(__file__).parent.parent.parent
OPERATING, DEPLOYMENT = ((ROOT / "docs" / n).read_text() for n in ("operating.md", "deployment.md"))


def test_every_metric_is_listed() -> None:
    assert metrics_table() in OPERATING
    server = MetricsServer(Outcomes(), "127.0.0.1", free_port())
    try:
        [family] = server.collect()
    finally:
        server.close()
    named = set(re.findall(r"cobrowse_[a-z_]+\b", OPERATING)) - {"cobrowse_config"}
    known = set(re.findall(r"`(cobrowse_\w+)`", metrics_table())) | {f"{family.name}_total"}
    assert named == known


def test_numbers_are_those_of_the_benchmarks_tables() -> None:
    published = (ROOT / "README.md").read_text() + (ROOT / "docs" / "design.md").read_text()
    [relay] = re.findall(r"\| of the relay .*?\n\n", OPERATING, re.S)
    numbers = re.findall(r"\d[\d.,]* (?:µs|kB)", relay)
    assert len(numbers) == 5
    assert not [number for number in numbers if number not in published]


def test_caps_are_those_of_the_code() -> None:
    assert (FILE_CAP_BYTES, BATCH_CAP_BYTES) == (8 << 20, 40 << 20)
    assert "files of 8 MiB, 40 MiB together" in DEPLOYMENT
    assert SESSION_CAP_BYTES == 64 << 20 and "at most 64 MiB" in OPERATING


def test_every_shipped_file_is_explained() -> None:
    for path in (ROOT / "deploy").glob("*.*"):
        if path.suffix != ".service":
            assert f"deploy/{path.name}" in DEPLOYMENT or path.name == "setup.py", path
    assert "deploy/cobrowse-*.service" in DEPLOYMENT
