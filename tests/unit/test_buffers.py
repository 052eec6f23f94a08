"""The two places where frames wait: for a late agent, and for a slow one."""

from hypothesis import given
from hypothesis import strategies as st

from relay.outbox import Outbox
from relay.replay import ReplayBuffer


def drained(outbox: Outbox) -> list[str | bytes]:
    return list(iter(outbox.pop, None))


def test_replay_starts_at_the_newest_keyframe() -> None:
    buffer = ReplayBuffer()
    buffer.add(b"lost", keyframe=False)
    assert buffer.frames == [] and buffer.wants_keyframe
    for name in (b"K1", b"a", b"K2", b"b", b"c"):
        buffer.add(name, keyframe=name.startswith(b"K"))
    assert buffer.frames == [b"K2", b"b", b"c"]
    assert not buffer.wants_keyframe


def test_replay_never_has_a_gap() -> None:
    buffer = ReplayBuffer(cap_bytes=10)
    buffer.add(b"K", keyframe=True)
    buffer.add(b"12345678", keyframe=False)
    assert buffer.wants_keyframe
    buffer.add(b"901", keyframe=False)
    assert buffer.frames == []
    buffer.add(b"1", keyframe=False)
    assert buffer.frames == []


def test_replay_is_short_in_number_too() -> None:
    buffer = ReplayBuffer(cap_frames=4, long_frames=3)
    for name in (b"K", b"a", b"b"):
        buffer.add(name, keyframe=name == b"K")
    wants = [buffer.wants_keyframe]
    buffer.add(b"c", keyframe=False)
    wants.append(buffer.wants_keyframe)
    assert wants == [False, True] and len(buffer.frames) == 4
    buffer.add(b"d", keyframe=False)
    assert buffer.frames == []


def test_a_keyframe_alone_is_kept_and_asks_for_no_other() -> None:
    buffer = ReplayBuffer(cap_bytes=10)
    buffer.add(b"K" * 100, keyframe=True)
    assert buffer.frames and not buffer.wants_keyframe


def test_a_joiner_gets_nothing_before_a_keyframe() -> None:
    outbox = Outbox()
    assert outbox.push_frame(b"f", keyframe=False)
    outbox.push("hello")
    outbox.push_frame(b"K", keyframe=True)
    outbox.push_frame(b"f", keyframe=False)
    assert drained(outbox) == ["hello", b"K", b"f"]


def test_a_slow_agent_loses_all_frames_up_to_the_next_keyframe_and_no_message() -> None:
    outbox = Outbox(cap_bytes=10)
    outbox.push_frame(b"K", keyframe=True)
    outbox.push("m1")
    assert outbox.push_frame(b"1234", keyframe=False)
    assert not outbox.push_frame(b"5678", keyframe=False)
    outbox.push("m2")
    outbox.push_frame(b"9", keyframe=False)
    assert not outbox.stuck
    outbox.push_frame(b"K2", keyframe=True)
    outbox.push_frame(b"f", keyframe=False)
    assert drained(outbox) == ["m1", "m2", b"K2", b"f"]


def test_a_newer_keyframe_takes_the_place_of_what_waits() -> None:
    outbox = Outbox()
    outbox.push_frame(b"K1", keyframe=True)
    outbox.push_frame(b"f", keyframe=False)
    outbox.push_frame(b"K2", keyframe=True)
    assert drained(outbox) == [b"K2"]


def test_a_peer_that_takes_nothing_is_stuck() -> None:
    outbox = Outbox(cap_bytes=10)
    for _ in range(2):
        outbox.push_frame(b"K", keyframe=True)
        assert not outbox.push_frame(b"x" * 10, keyframe=False)
    assert outbox.stuck
    words = Outbox(cap_bytes=10)
    words.push("x" * 11)
    assert words.stuck
    words.push_frame(b"K", keyframe=True)
    words.push_frame(b"f", keyframe=False)
    assert words.stuck  # and stays so


@given(st.lists(st.tuples(st.sampled_from("mKfp"), st.integers(1, 9)), max_size=60))
def test_any_order_keeps_the_cap_and_the_stream(events: list[tuple[str, int]]) -> None:
    outbox, taken = Outbox(cap_bytes=20), list[str | bytes]()
    number = 0
    for kind, size in events:
        number += 1
        if kind == "m":
            outbox.push("m" * size)
        elif kind == "p":
            taken += [m for m in [outbox.pop()] if m is not None]
        else:
            outbox.push_frame(bytes([number]) * size, keyframe=kind == "K")
        waiting = [m for m in outbox._queue if isinstance(m, bytes)]
        assert sum(map(len, outbox._queue)) <= 20 or outbox.stuck or len(waiting) == 1
    keyframes = {bytes([i + 1]) for i, (kind, _) in enumerate(events) if kind == "K"}
    frames = [m for m in [*taken, *drained(outbox)] if isinstance(m, bytes)]
    numbers = [frame[0] for frame in frames]
    assert numbers == sorted(numbers)
    for before, after in zip([None, *frames], frames, strict=False):
        if after[:1] not in keyframes:
            assert before is not None
            between = range(before[0] + 1, after[0])
            assert all(events[n - 1][0] in "mp" for n in between)
