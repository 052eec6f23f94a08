"""The same vectors as web/test/wire.test.ts: both languages mean the same bytes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay import wire
from relay.errors import Close, Malformed

VECTORS = json.loads((Path(__file__).parent.parent / "cases" / "wire.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda v: v["hex"])
def test_frames(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["payload"])
    frame = wire.pack_frame(payload, keyframe=vector["keyframe"], sequence=vector["sequence"])
    assert frame.hex() == vector["hex"]
    assert wire.is_keyframe(frame) is vector["keyframe"]


@pytest.mark.parametrize("vector", VECTORS["from_visitor"], ids=lambda v: v["type"])
def test_what_a_visitor_sends(vector: dict[str, Any]) -> None:
    message = wire.decode_from_visitor(json.dumps({**vector, "unknown": "ignored"}))
    assert json.loads(msgspec.json.encode(message)) == vector


@pytest.mark.parametrize("vector", VECTORS["to_visitor"], ids=lambda v: v["type"])
def test_what_a_visitor_gets(vector: dict[str, Any]) -> None:
    message = msgspec.json.decode(json.dumps(vector), type=wire.ToPeer)
    assert json.loads(wire.encode(message)) == vector


def test_close_codes() -> None:
    codes = VECTORS["close_codes"]
    assert sorted(c for c in Close if c.retry) == codes["may_reconnect"]
    assert sorted(c for c in Close if not c.retry) == codes["final"]


def test_limits_are_kept() -> None:
    start = VECTORS["from_visitor"][0]
    for change in ({"key": "a" * 51}, {"person": {"name": "x" * 64}}, {"token": 5}):
        with pytest.raises(Malformed):
            wire.decode_from_visitor(json.dumps({**start, **change}))
    with pytest.raises(Malformed):
        wire.is_keyframe(bytes.fromhex(VECTORS["frames"][0]["hex"]) + b"x" * wire.MAX_FRAME_BYTES)
