"""The session's rules, driven by events and a clock."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import wire
from relay.errors import Close, Malformed
from relay.replay import REPLAY_LONG_FRAMES
from relay.session import (
    AGENT_GRACE_S,
    KEYFRAME_GAP_S,
    TRANSITIONS,
    Action,
    Forward,
    Hint,
    Limits,
    Saved,
    Send,
    Session,
    Shut,
    State,
    merged,
)

PAGE = wire.Page(url="http://shop.test/", title="Shop")
OTHER_PAGE = wire.Page(url="http://shop.test/cart", title="Cart")
VISITOR, NEXT_VISITOR, ANNA, BERT = 1, 2, 11, 12


def keyframe(size: int = 10) -> bytes:
    return wire.pack_frame(b"K" * size, keyframe=True, sequence=0)


def frame(size: int = 10) -> bytes:
    return wire.pack_frame(b"f" * size, keyframe=False, sequence=1)


def session(*, started: bool = True) -> Session:
    saved = Saved(
        id="id",
        group="12",
        key="KEY",
        visitor="digest",
        person=wire.KnownPerson(name="Niels", levels={"name": "cookie"}),
        started=1_000_000.0,
    )
    made = Session(saved, 0.0, Limits())
    if started:
        made.visitor_starts(VISITOR, "ticket-1", "handover-1")
        made.page_changed(VISITOR, PAGE)
    return made


def join(made: Session, peer: int, name: str, now: float) -> list[Action]:
    """An agent whose end and user are called as it is."""
    return made.agent_joins(peer, f"end-{name}", name.lower(), name, now)


def resume(
    made: Session, peer: int, ticket: str, now: float, visitor: str = "digest", handover: str = "h"
) -> list[Action]:
    made.offer(visitor, ticket, handover)
    return made.visitor_resumes(peer, visitor, ticket, handover, now)


def agents(*names: str, gone: tuple[str, ...] = ()) -> wire.Agents:
    shown = [wire.AgentShown(f"end-{name}", name) for name in names]
    return wire.Agents(shown, [f"end-{name}" for name in gone])


def sent(actions: list[Action], peer: int) -> list[Any]:
    """What one peer gets: messages, frames, and the close code at the end."""
    got: list[Any] = []
    for action in actions:
        match action:
            case Send(peers, message) if peer in peers:
                got.append(message)
            case Forward(peers, data, _) if peer in peers:
                got.append(data)
            case Shut(number, code) if number == peer:
                got.append(code)
    return got


RULES = wire.Rules()


def test_a_visitor_starts_and_gets_a_ticket() -> None:
    made = session(started=False)
    made.offer("digest", "ticket-1", "handover-1")
    assert made.accepts("digest", "ticket-1")
    actions = made.visitor_starts(VISITOR, "ticket-1", "handover-1")
    assert sent(actions, VISITOR) == [
        wire.Started("KEY", "KEY.ticket-1", RULES, 600.0, "KEY.handover-1")
    ]
    assert made.state is State.WAITING


def test_an_agent_comes_late_and_gets_all_since_the_keyframe() -> None:
    made = session()
    first, second, third = keyframe(), frame(), frame(20)
    for data in (keyframe(99), frame(99), first, second, third):
        made.frame(VISITOR, data, 1.0)
    actions = join(made, ANNA, "Anna", 2.0)
    person = wire.KnownPerson(name="Niels", levels={"name": "cookie"})
    assert sent(actions, ANNA) == [
        wire.Joined("KEY", "active", PAGE, person, end="end-Anna"),
        agents("Anna"),
        first,
        second,
        third,
        wire.StateChanged("active"),
    ]
    # The visitor hears of the agent and is not asked for anything.
    assert sent(actions, VISITOR) == [agents("Anna"), wire.AgentJoined("Anna")]
    assert sent(made.frame(VISITOR, second, 3.0), ANNA) == [second]


def test_a_fresh_keyframe_is_asked_for_where_it_is_quicker() -> None:
    made = session()
    made.frame(VISITOR, keyframe(), 1.0)
    for _ in range(REPLAY_LONG_FRAMES + 1):
        made.frame(VISITOR, frame(), 1.0)
    joined = join(made, ANNA, "Anna", 2.0)
    assert not [m for m in sent(joined, ANNA) if isinstance(m, bytes)]
    assert wire.SendKeyframe() in sent(joined, VISITOR)
    # Not so soon again: then all that has gathered is better than nothing.
    second = join(made, BERT, "Bert", 3.0)
    assert len([m for m in sent(second, BERT) if isinstance(m, bytes)]) == REPLAY_LONG_FRAMES + 2


def test_frames_of_the_page_before_are_not_replayed() -> None:
    made = session()
    made.frame(VISITOR, keyframe(), 1.0)
    resume(made, NEXT_VISITOR, "ticket-2", 2.0)
    made.frame(NEXT_VISITOR, frame(), 3.0)
    assert not [m for m in sent(join(made, ANNA, "A", 4.0), ANNA) if isinstance(m, bytes)]


def test_a_lost_visitor_without_agents_leaves_no_frames_in_memory() -> None:
    made = session()
    made.frame(VISITOR, keyframe(), 1.0)
    made.visitor_leaves(VISITOR, 2.0)
    assert not [m for m in sent(join(made, ANNA, "A", 3.0), ANNA) if isinstance(m, bytes)]


def test_with_nothing_to_replay_the_visitor_is_asked_for_a_keyframe() -> None:
    made = session()
    assert wire.SendKeyframe() in sent(join(made, ANNA, "Anna", 1.0), VISITOR)


def test_a_keyframe_is_asked_for_at_most_once_per_gap_and_never_forgotten() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    assert made.needs_keyframe(2.0) == []
    assert made.tick(1.0 + KEYFRAME_GAP_S - 0.1) == []
    later = made.tick(1.0 + KEYFRAME_GAP_S)
    assert sent(later, VISITOR) == [wire.SendKeyframe()]
    assert made.tick(1.0 + KEYFRAME_GAP_S + 1) == []


def test_a_keyframe_that_came_by_itself_is_not_asked_for_again() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    made.needs_keyframe(2.0)
    made.frame(VISITOR, keyframe(), 3.0)
    assert made.tick(1.0 + KEYFRAME_GAP_S) == []


def test_a_full_buffer_asks_for_a_keyframe_when_there_is_an_agent() -> None:
    made = session()
    made.frame(VISITOR, keyframe(5 * 1024 * 1024), 1.0)  # its own size does not count
    for _ in range(3):
        assert sent(made.frame(VISITOR, frame(1000 * 1024), 2.0), VISITOR) == []
    join(made, ANNA, "Anna", 2.0)
    made.frame(VISITOR, keyframe(), 2.0)
    asked = []
    for _ in range(4):
        asked += sent(made.frame(VISITOR, frame(1024 * 1024), 2.0), VISITOR)
    assert asked == [wire.SendKeyframe()]


def test_a_page_load_leaves_the_session_away_and_the_next_page_goes_on() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    gone = made.visitor_leaves(VISITOR, 2.0)
    assert made.state is State.AWAY
    assert sent(gone, ANNA) == [wire.StateChanged("away")]
    back = resume(made, NEXT_VISITOR, "ticket-2", 3.0)
    assert sent(back, NEXT_VISITOR) == [
        wire.Continued("KEY", "KEY.ticket-2", RULES, 600.0, "KEY.h"),
        agents("Anna"),
    ]
    assert sent(back, ANNA) == [wire.StateChanged("active")]
    told = made.page_changed(NEXT_VISITOR, OTHER_PAGE)
    assert sent(told, ANNA) == [wire.Navigate(OTHER_PAGE, load=True)]


def test_another_address_is_a_navigation_and_another_title_is_not() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    made.page_changed(VISITOR, PAGE)
    titled = msgspec.structs.replace(PAGE, title="Other")
    assert sent(made.page_changed(VISITOR, titled), ANNA) == [wire.PageChanged(titled)]
    moved = msgspec.structs.replace(titled, url="http://shop.test/#elsewhere")
    assert sent(made.page_changed(VISITOR, moved), ANNA) == [wire.Navigate(moved, load=False)]
    assert made.page_changed(NEXT_VISITOR, PAGE) == []


def said(seq: int, end: str = "") -> wire.Said:
    return wire.Said("stream-1", seq, 1, "note", msgspec.Raw(b'{"a": 1.0}'), end)


def test_session_messages_go_to_whom_they_are_for() -> None:
    made = session()
    lost = made.visitor_says(VISITOR, said(1, "end-Anna"), 1.0)
    assert sent(lost, VISITOR) == [wire.Undelivered("stream-1", 1, "note", "end-Anna")]
    assert made.agent_says(ANNA, said(1), 1.0) == []  # not in the session
    join(made, ANNA, "Anna", 1.0)
    join(made, BERT, "Bert", 1.0)
    actions = made.visitor_says(VISITOR, said(1, "end-Anna"), 1.0)
    assert sent(actions, ANNA) == [said(1, "end-Anna")] and sent(actions, BERT) == []
    ack = wire.Acknowledged("stream-1", 1)
    acked = wire.Acknowledged("stream-1", 1, "end-Anna")
    assert sent(made.agent_acknowledges(ANNA, ack), VISITOR) == [acked]
    assert sent(made.agent_says(ANNA, said(1), 1.0), VISITOR) == [said(1, "end-Anna")]
    assert sent(made.visitor_acknowledges(VISITOR, acked), ANNA) == [acked]
    assert made.visitor_says(NEXT_VISITOR, said(2, "end-Anna"), 1.0) == []
    assert made.visitor_acknowledges(NEXT_VISITOR, acked) == []


def test_nothing_is_said_to_who_is_cut_off_nor_called_lost() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    made.agent_leaves(ANNA, 2.0, lost=True)
    assert made.visitor_says(VISITOR, said(1, "end-Anna"), 2.0) == []
    back = join(made, BERT, "Anna", 3.0)  # by another connection
    assert wire.AgentJoined("Anna") not in sent(back, VISITOR)
    assert sent(made.visitor_says(VISITOR, said(1, "end-Anna"), 3.0), BERT)
    made.visitor_leaves(VISITOR, 4.0)
    assert made.agent_says(BERT, said(1), 5.0) == []


def test_an_agent_who_is_cut_off_is_here_for_a_moment_and_awaited_for_longer() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    assert sent(made.agent_leaves(ANNA, 2.0, lost=True), VISITOR) == []
    assert made.tick(2.0 + AGENT_GRACE_S - 0.1) == []
    gone = made.tick(2.0 + AGENT_GRACE_S)
    assert sent(gone, VISITOR) == [agents()]
    assert made.state.value == "waiting"
    [attendance] = made.saved.attendances
    assert attendance.left == 1_000_000.0 + 2.0 + AGENT_GRACE_S
    assert made.visitor_says(VISITOR, said(1, "end-Anna"), 20.0) == []
    back = join(made, BERT, "Anna", 100.0)
    assert agents("Anna") in sent(back, VISITOR)
    assert msgspec.to_builtins(attendance)["left"] is None
    made.agent_leaves(BERT, 100.0, lost=True)
    made.tick(111.0)
    made.limits = Limits(waiting_s=1e6)
    assert sent(made.tick(701.0), VISITOR) == [agents(gone=("Anna",))]
    assert sent(made.visitor_says(VISITOR, said(2, "end-Anna"), 701.0), VISITOR)


def test_one_agent_has_one_connection() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    assert sent(join(made, BERT, "Anna", 2.0), ANNA) == [Close.TAKEN_OVER]
    assert made.agent_leaves(ANNA, 3.0) == []
    assert sent(made.frame(VISITOR, keyframe(), 3.0), BERT) == [keyframe()]


def test_a_session_that_is_kept_goes_on_elsewhere() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    join(made, BERT, "Bert", 1.0)
    made.agent_leaves(BERT, 2.0)
    kept = msgspec.json.decode(msgspec.json.encode(made.saved), type=Saved)
    assert b"ticket-1" not in msgspec.json.encode(kept)
    # The other relay's clock has nothing to do with this one's.
    again = Session.restored(kept, 1_000_050.0, 7_000.0, 1_000_060.0, Limits(), RULES, "", True)
    assert again.state is State.AWAY
    assert again.accepts("digest", "ticket-1") and not again.accepts("digest", "ticket-2")
    back = resume(again, NEXT_VISITOR, "ticket-2", 7_001.0)
    assert agents("Anna") in sent(back, NEXT_VISITOR)
    assert again.listed(7_001.0).age_s == 61.0
    assert wire.AgentJoined("Anna") not in sent(join(again, ANNA, "Anna", 7_002.0), NEXT_VISITOR)
    # Nobody came in time: the minutes without a relay count.
    late = Session.restored(kept, 1_000_000.0, 7_000.0, 1_000_599.0, Limits(), RULES, "", True)
    assert late.tick(7_000.0) == []
    late.tick(7_001.0)
    assert late.state is State.ENDED


@pytest.mark.parametrize("jump_s", [-1e6, 1e6])
def test_a_clock_that_jumps_ends_nothing_that_runs(jump_s: float) -> None:
    kept = session().saved
    unix = 1_000_000.0 + min(0.0, jump_s)
    again = Session.restored(kept, 1_000_000.0, 50.0, unix, Limits(), RULES, "", True)
    assert again.tick(51.0) == []
    resume(again, NEXT_VISITOR, "ticket-2", 52.0)
    assert again.tick(53.0) == [] and again.state is State.WAITING


@pytest.mark.parametrize(("setting", "after_s"), [("idle_s", 100.0), ("longest_s", 200.0)])
def test_a_session_does_not_go_on_for_ever(setting: str, after_s: float) -> None:
    made = session()
    made.limits = Limits(waiting_s=1e9, **{setting: after_s})
    made.frame(VISITOR, keyframe(), 50.0)
    lasts = after_s + 50.0 if setting == "idle_s" else after_s
    assert made.tick(lasts - 1) == []
    assert wire.Ended("timeout") in sent(made.tick(lasts), VISITOR)


def test_values_are_as_well_known_as_where_they_come_from() -> None:
    cookies = wire.Person(visitorid="v", name="Niels", email="n@shop.test")
    known = merged(
        wire.Person(name="Other", email="n@shop.test", phone="1"),
        cookies,
        {"visitorid": "signed", "name": "signed", "email": "signed"},
    )
    assert known == wire.KnownPerson(
        "v",
        "Other",
        "n@shop.test",
        "1",
        {"visitorid": "signed", "name": "claimed", "email": "signed", "phone": "claimed"},
    )


def test_the_visitor_knows_which_agents_are_there() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    joined = join(made, BERT, "Bert", 1.0)
    assert agents("Anna", "Bert") in sent(joined, VISITOR)
    assert agents("Bert", gone=("Anna",)) in sent(made.agent_leaves(ANNA, 2.0), VISITOR)


def test_the_next_page_may_come_before_the_old_socket_is_gone() -> None:
    made = session()
    actions = resume(made, NEXT_VISITOR, "ticket-2", 1.0)
    assert sent(actions, VISITOR) == [Close.TAKEN_OVER]
    assert made.visitor_leaves(VISITOR, 2.0) == []
    assert made.state is State.WAITING
    assert made.frame(VISITOR, keyframe(), 3.0) == []


def test_an_old_ticket_is_good_until_the_new_holder_confirms() -> None:
    made = session()
    resume(made, 2, "ticket-2", 1.0)
    resume(made, 3, "ticket-3", 2.0)
    assert all(made.accepts("digest", f"ticket-{n}") for n in (1, 2, 3))
    made.visitor_confirms(2, "KEY.ticket-2")  # no longer the visitor: counts for nothing
    assert made.accepts("digest", "ticket-1")
    made.visitor_confirms(3, "KEY.ticket-9")
    assert made.accepts("digest", "ticket-1")
    made.visitor_confirms(3, "KEY.ticket-3")
    assert [made.accepts("digest", f"ticket-{n}") for n in (1, 2, 3)] == [False, False, True]


def test_pages_that_never_confirm_do_not_pile_up_tickets() -> None:
    made = session()
    for n in range(2, 100):
        resume(made, n, f"ticket-{n}", 1.0)
    assert made.accepts("digest", "ticket-1")
    assert sum(made.accepts("digest", f"ticket-{n}") for n in range(100)) == 8
    assert made.accepts("digest", "ticket-99")


@pytest.mark.parametrize(("state", "waits_s"), [("waiting", 900.0), ("away", 600.0)])
def test_a_session_that_nobody_comes_to_ends(state: str, waits_s: float) -> None:
    made = session()
    if state == "away":
        made.visitor_leaves(VISITOR, 0.0)
    assert made.tick(waits_s - 1) == []
    ended = made.tick(waits_s)
    assert made.state is State.ENDED
    expected = [] if state == "away" else [wire.Ended("timeout"), Close.ENDED]
    assert sent(ended, VISITOR) == expected


def test_the_end_is_told_to_all_and_only_once() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    join(made, BERT, "Bert", 1.0)
    actions = made.end("visitor", 2.0)
    for peer in (VISITOR, ANNA, BERT):
        assert sent(actions, peer) == [wire.Ended("visitor"), Close.ENDED]
    assert made.end("visitor", 3.0) == []
    assert made.visitor_leaves(VISITOR, 3.0) == []


def test_the_last_agent_leaves() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    join(made, BERT, "Bert", 1.0)
    made.agent_leaves(ANNA, 2.0)
    assert made.state.value == "active"
    made.agent_leaves(BERT, 2.0)
    assert made.state.value == "waiting"
    assert made.agent_leaves(BERT, 3.0) == []


@pytest.mark.parametrize("data", [b"", b"short", b"\x02" + frame()[1:], b"\x01\x80" + frame()[2:]])
def test_a_malformed_frame_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        session().frame(VISITOR, data, 1.0)


def step(made: Session, kind: int, peer: int, now: float) -> list[Action]:
    """One of the eight things that can happen to a session."""
    agent = 10 + peer
    match kind:
        case 0:
            return resume(made, peer, f"t{now}", now)
        case 1:
            return made.visitor_leaves(peer, now)
        case 2:
            return made.frame(peer, keyframe(), now)
        case 3:
            return made.frame(peer, frame(), now)
        case 4:
            return join(made, agent, f"A{peer}", now)
        case 5:
            return made.agent_leaves(agent, now, lost=peer % 2 == 0)
        case 6:
            return made.tick(now)
    return made.end("visitor", now)


EVENTS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(1, 4), st.floats(0, 1000, allow_nan=False)),
    max_size=40,
)


@given(EVENTS)
def test_any_order_of_events_leaves_a_legal_state(events: list[tuple[int, int, float]]) -> None:
    made, now = session(), 0.0
    for kind, peer, passed in events:
        now += passed
        before = made.state
        if before is State.ENDED and kind in (0, 4):
            continue  # the hub forgets an ended session
        actions = step(made, kind, peer, now)
        if made.state is not before:
            assert made.state in {after for (old, _), after in TRANSITIONS.items() if old is before}
        if made.state is State.ACTIVE:
            assert made.listed(now).agents
        for action in actions:
            if isinstance(action, Forward):
                assert set(action.peers) <= set(made.peers)


def test_a_handover_opens_the_session_once_for_another_site_of_the_visitor() -> None:
    made = session()
    assert not made.accepts("elsewhere", "ticket-1")
    assert made.accepts("elsewhere", "handover-1")
    resume(made, NEXT_VISITOR, "ticket-2", 1.0, "elsewhere", "handover-2")
    assert not made.accepts("elsewhere", "handover-1")
    assert made.accepts("elsewhere", "ticket-2")
    assert made.knows("digest") and made.knows("elsewhere") and not made.knows("third")
    # Back on the first site, its own ticket is still good there, and only there.
    assert made.accepts("digest", "ticket-1")
    assert not made.accepts("elsewhere", "ticket-1")


# -- agents among themselves ---------------------------------------------------------------------


def test_agents_know_of_one_another() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    joined = join(made, BERT, "Bert", 2.0)
    assert agents("Anna", "Bert") in sent(joined, ANNA) and agents("Anna", "Bert") in sent(
        joined, BERT
    )
    made.visitor_leaves(VISITOR, 3.0)
    assert sent(made.agent_leaves(BERT, 4.0), ANNA) == [agents("Anna", gone=("Bert",))]


def test_agents_who_waited_are_there_when_the_session_begins() -> None:
    made = session(started=False)
    made.offer("digest", "ticket-1", "handover-1")
    joined = sent(join(made, ANNA, "Anna", 1.0), ANNA)
    assert joined[0].page == wire.Page() and joined[0].end == "end-Anna"
    started = sent(made.visitor_starts(VISITOR, "ticket-1", "handover-1"), VISITOR)
    assert started[1:] == [agents("Anna"), wire.AgentJoined("Anna")]
    assert made.state is State.ACTIVE
    first = keyframe()
    assert sent(made.frame(VISITOR, first, 2.0), ANNA) == [first]


# -- gestures ------------------------------------------------------------------------------------


def test_what_an_agent_points_at_goes_to_the_visitor_alone() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    join(made, BERT, "Bert", 1.0)
    box = wire.Gesture("box", 1.5, 2, 30, 40, end="made-up", name="made-up")
    shown = wire.Gesture("box", 1.5, 2, 30, 40, "end-Anna", "Anna")
    assert made.agent_points(ANNA, box) == [Hint(VISITOR, shown)]
    assert made.agent_points(99, box) == []


@pytest.mark.parametrize("lost", [False, True])
def test_an_agent_who_is_gone_points_at_nothing(lost: bool) -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    gone = made.agent_leaves(ANNA, 2.0, lost=lost)
    assert gone[0] == Hint(VISITOR, wire.Gesture("none", end="end-Anna"))


def test_gestures_are_worth_nothing_without_a_visitor_or_where_the_group_wants_none() -> None:
    made = session()
    join(made, ANNA, "Anna", 1.0)
    made.visitor_leaves(VISITOR, 2.0)
    assert made.agent_points(ANNA, wire.Gesture("pointer", 1, 2)) == []
    without = session()
    without.pointer = False
    joined = sent(join(without, ANNA, "Anna", 1.0), ANNA)
    assert joined[0].pointer is False
    assert without.agent_points(ANNA, wire.Gesture("pointer", 1, 2)) == []
    assert not [a for a in without.agent_leaves(ANNA, 2.0) if isinstance(a, Hint)]
