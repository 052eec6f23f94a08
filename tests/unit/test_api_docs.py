"""docs/api.md says what the code does: its tests exist, its codes and events are the code's."""

import json
import re
from pathlib import Path

from relay.service.lookup import CobrowseSession

ROOT = Path(__file__).parent.parent.parent
DOCS = (ROOT / "docs" / "api.md").read_text()


def test_every_named_test_exists() -> None:
    named = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", DOCS))
    assert len(named) > 30
    for file, test in named:
        files = (ROOT / "tests").glob(f"*/{file}")
        assert any(f"\ndef {test}(" in path.read_text() for path in files), test


def test_the_services_fields_are_those_of_the_code() -> None:
    table = DOCS.partition("\n| field | meaning |")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {"found", *CobrowseSession.__struct_fields__}
    wsdl = (ROOT / "relay" / "templates" / "service.wsdl").read_text()
    for name in named - {"ended", "reason"}:
        assert f'"{name}"' in wsdl, name


def test_the_error_codes_are_those_of_the_code() -> None:
    table = DOCS.partition("### Error codes")[2].partition("\n## ")[0]
    words = json.loads((ROOT / "web" / "src" / "words" / "errors.json").read_text())
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(words)


def test_the_events_and_methods_are_those_of_the_code() -> None:
    source = (ROOT / "web" / "src" / "visitor" / "events.ts").read_text()
    events = re.findall(r'\| "(\w+)"', source)
    table = DOCS.partition("## Events")[2].partition("### ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(events)
    stub = (ROOT / "web" / "src" / "stub.ts").read_text()
    names = re.search(r"METHODS = `([^`]+)`", stub)
    assert names is not None
    methods = {*names[1].split(), "inSession", "getKey"}
    table = DOCS.partition("## Methods")[2].partition("## Events")[0]
    assert set(re.findall(r"^\| `(\w+)\(", table, re.MULTILINE)) == methods


def test_the_agents_methods_events_and_codes_are_those_of_the_code() -> None:
    agent = DOCS.partition("# The agent's side of the API")[2].partition("\n# SessionService")[0]
    source = (ROOT / "web" / "src" / "agent" / "api.ts").read_text()
    methods = re.findall(r'"(\w+)"', source.partition("const METHODS = [")[2].partition("]")[0])
    table = agent.partition("## Calls of the embedding page")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)\(", table, re.MULTILINE) == methods
    bridge = (ROOT / "web" / "src" / "agent" / "bridge.ts").read_text()
    names = re.findall(r'"(\w+)"', bridge.partition("type EventName =")[2].partition(";")[0])
    table = agent.partition("## What the embedding page hears")[2].partition("\n### ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(names)
    words = json.loads((ROOT / "web" / "src" / "words" / "agent-errors.json").read_text())
    table = agent.partition("### Codes of error")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(words)
