"""docs/wire.md says what the code does."""

from pathlib import Path

import pytest

from cobrowse.docs import WIRE_TABLES
from relay import wire
from relay.protocol import HEAD_TIMEOUT_S
from relay.server import PING_S
from relay.sockets import HELLO_TIMEOUT_S

ROOT = Path(__file__).parent.parent.parent
DOCS = (ROOT / "docs" / "wire.md").read_text()


@pytest.mark.parametrize(("name", "table"), WIRE_TABLES, ids=[name for name, _ in WIRE_TABLES])
def test_the_tables_are_those_of_the_code(name: str, table: object) -> None:
    assert callable(table)
    assert str(table()) in DOCS


def test_the_numbers_are_those_of_the_code() -> None:
    source = (ROOT / "web" / "src" / "messages.ts").read_text()
    assert "WINDOW = 8;" in source and "AGAIN_MS = 2_000;" in source
    assert f"`{wire.SUBPROTOCOL}`" in DOCS
    assert f"{wire.MAX_CONTROL_BYTES:,}" in DOCS and f"{wire.MAX_PAYLOAD_BYTES:,}" in DOCS
    assert wire.MAX_FRAME_BYTES == 8 << 20 and PING_S == 5
    assert HELLO_TIMEOUT_S == HEAD_TIMEOUT_S == 10
    header = wire.pack_frame(b"x", keyframe=True, sequence=0x01020304)[:8]
    assert header == bytes([1, 1, 0, 0, 1, 2, 3, 4])
