"""The session's rules, driven by events and a clock."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import wire
from relay.errors import Close, Malformed
from relay.session import (
    KEYFRAME_GAP_S,
    TRANSITIONS,
    Action,
    Forward,
    Limits,
    Send,
    Session,
    Shut,
    State,
)

PAGE = wire.Page(url="http://shop.test/", title="Shop")
OTHER_PAGE = wire.Page(url="http://shop.test/cart", title="Cart")
VISITOR, NEXT_VISITOR, ANNA, BERT = 1, 2, 11, 12


def keyframe(size: int = 10) -> bytes:
    return wire.pack_frame(b"K" * size, keyframe=True, sequence=0)


def frame(size: int = 10) -> bytes:
    return wire.pack_frame(b"f" * size, keyframe=False, sequence=1)


def session(*, started: bool = True) -> Session:
    made = Session("12", "KEY", "digest", wire.Person(name="Niels"), 0.0, Limits())
    if started:
        made.visitor_starts(VISITOR, "ticket-1", "handover-1")
        made.page_changed(VISITOR, PAGE)
    return made


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
    actions = made.agent_joins(ANNA, "Anna", 2.0)
    person = wire.Person(name="Niels")
    assert sent(actions, ANNA) == [
        wire.Joined("KEY", "active", PAGE, person),
        first,
        second,
        third,
        wire.StateChanged("active"),
    ]
    # The visitor hears of the agent and is not asked for anything.
    assert sent(actions, VISITOR) == [wire.AgentJoined("Anna"), wire.Agents(["Anna"])]
    assert sent(made.frame(VISITOR, second, 3.0), ANNA) == [second]


def test_frames_of_the_page_before_are_not_replayed() -> None:
    made = session()
    made.frame(VISITOR, keyframe(), 1.0)
    made.visitor_resumes(NEXT_VISITOR, "digest", "ticket-2", "handover", 2.0)
    made.frame(NEXT_VISITOR, frame(), 3.0)
    assert not [m for m in sent(made.agent_joins(ANNA, "A", 4.0), ANNA) if isinstance(m, bytes)]


def test_a_lost_visitor_without_agents_leaves_no_frames_in_memory() -> None:
    made = session()
    made.frame(VISITOR, keyframe(), 1.0)
    made.visitor_leaves(VISITOR, 2.0)
    assert not [m for m in sent(made.agent_joins(ANNA, "A", 3.0), ANNA) if isinstance(m, bytes)]


def test_with_nothing_to_replay_the_visitor_is_asked_for_a_keyframe() -> None:
    made = session()
    assert wire.SendKeyframe() in sent(made.agent_joins(ANNA, "Anna", 1.0), VISITOR)


def test_a_keyframe_is_asked_for_at_most_once_per_gap_and_never_forgotten() -> None:
    made = session()
    made.agent_joins(ANNA, "Anna", 1.0)
    assert made.needs_keyframe(2.0) == []
    assert made.tick(1.0 + KEYFRAME_GAP_S - 0.1) == []
    later = made.tick(1.0 + KEYFRAME_GAP_S)
    assert sent(later, VISITOR) == [wire.SendKeyframe()]
    assert made.tick(1.0 + KEYFRAME_GAP_S + 1) == []


def test_a_keyframe_that_came_by_itself_is_not_asked_for_again() -> None:
    made = session()
    made.agent_joins(ANNA, "Anna", 1.0)
    made.needs_keyframe(2.0)
    made.frame(VISITOR, keyframe(), 3.0)
    assert made.tick(1.0 + KEYFRAME_GAP_S) == []


def test_a_full_buffer_asks_for_a_keyframe_when_there_is_an_agent() -> None:
    made = session()
    made.frame(VISITOR, keyframe(5 * 1024 * 1024), 1.0)  # its own size does not count
    for _ in range(3):
        assert sent(made.frame(VISITOR, frame(1000 * 1024), 2.0), VISITOR) == []
    made.agent_joins(ANNA, "Anna", 2.0)
    made.frame(VISITOR, keyframe(), 2.0)
    asked = []
    for _ in range(4):
        asked += sent(made.frame(VISITOR, frame(1024 * 1024), 2.0), VISITOR)
    assert asked == [wire.SendKeyframe()]


def test_a_page_load_leaves_the_session_away_and_the_next_page_goes_on() -> None:
    made = session()
    made.agent_joins(ANNA, "Anna", 1.0)
    gone = made.visitor_leaves(VISITOR, 2.0)
    assert made.state is State.AWAY
    assert sent(gone, ANNA) == [wire.StateChanged("away")]
    back = made.visitor_resumes(NEXT_VISITOR, "digest", "ticket-2", "handover", 3.0)
    assert sent(back, NEXT_VISITOR) == [
        wire.Continued("KEY", "KEY.ticket-2", RULES, 600.0, "KEY.handover"),
        wire.Agents(["Anna"]),
    ]
    assert sent(back, ANNA) == [wire.StateChanged("active")]
    told = made.page_changed(NEXT_VISITOR, OTHER_PAGE)
    assert sent(told, ANNA) == [wire.Navigate(OTHER_PAGE, load=True)]


def test_another_address_is_a_navigation_and_another_title_is_not() -> None:
    made = session()
    made.agent_joins(ANNA, "Anna", 1.0)
    made.page_changed(VISITOR, PAGE)
    titled = msgspec.structs.replace(PAGE, title="Other")
    assert sent(made.page_changed(VISITOR, titled), ANNA) == [wire.PageChanged(titled)]
    moved = msgspec.structs.replace(titled, url="http://shop.test/#elsewhere")
    assert sent(made.page_changed(VISITOR, moved), ANNA) == [wire.Navigate(moved, load=False)]
    assert made.page_changed(NEXT_VISITOR, PAGE) == []


def test_session_messages_go_to_whoever_is_there() -> None:
    made = session()
    said = wire.Said("note", msgspec.Raw(b'{"a": 1.0}'))
    assert sent(made.visitor_says(VISITOR, said), VISITOR) == [wire.Undelivered("note")]
    assert made.agent_says(ANNA, said) == []  # not in the session
    made.agent_joins(ANNA, "Anna", 1.0)
    made.agent_joins(BERT, "Bert", 1.0)
    actions = made.visitor_says(VISITOR, said)
    assert sent(actions, ANNA) == sent(actions, BERT) == [said]
    assert sent(made.agent_says(ANNA, said), VISITOR) == [said]
    assert made.visitor_says(NEXT_VISITOR, said) == []
    made.visitor_leaves(VISITOR, 2.0)
    assert sent(made.agent_says(ANNA, said), ANNA) == [wire.Undelivered("note")]


def test_the_visitor_knows_which_agents_are_there() -> None:
    made = session()
    made.agent_joins(ANNA, "Anna", 1.0)
    joined = made.agent_joins(BERT, "Bert", 1.0)
    assert wire.Agents(["Anna", "Bert"]) in sent(joined, VISITOR)
    assert wire.Agents(["Bert"]) in sent(made.agent_leaves(ANNA, 2.0), VISITOR)


def test_the_next_page_may_come_before_the_old_socket_is_gone() -> None:
    made = session()
    actions = made.visitor_resumes(NEXT_VISITOR, "digest", "ticket-2", "handover", 1.0)
    assert sent(actions, VISITOR) == [Close.TAKEN_OVER]
    assert made.visitor_leaves(VISITOR, 2.0) == []
    assert made.state is State.WAITING
    assert made.frame(VISITOR, keyframe(), 3.0) == []


def test_an_old_ticket_is_good_until_the_new_holder_confirms() -> None:
    made = session()
    made.visitor_resumes(2, "digest", "ticket-2", "handover", 1.0)
    made.visitor_resumes(3, "digest", "ticket-3", "handover", 2.0)
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
        made.visitor_resumes(n, "digest", f"ticket-{n}", "handover", 1.0)
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
    made.agent_joins(ANNA, "Anna", 1.0)
    made.agent_joins(BERT, "Bert", 1.0)
    actions = made.end("visitor", 2.0)
    for peer in (VISITOR, ANNA, BERT):
        assert sent(actions, peer) == [wire.Ended("visitor"), Close.ENDED]
    assert made.end("visitor", 3.0) == []
    assert made.visitor_leaves(VISITOR, 3.0) == []


def test_the_last_agent_leaves() -> None:
    made = session()
    made.agent_joins(ANNA, "Anna", 1.0)
    made.agent_joins(BERT, "Bert", 1.0)
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
            return made.visitor_resumes(peer, "digest", f"t{now}", "handover", now)
        case 1:
            return made.visitor_leaves(peer, now)
        case 2:
            return made.frame(peer, keyframe(), now)
        case 3:
            return made.frame(peer, frame(), now)
        case 4:
            return made.agent_joins(agent, "A", now)
        case 5:
            return made.agent_leaves(agent, now)
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
            assert made.agents
        for action in actions:
            if isinstance(action, Forward):
                assert set(action.peers) <= made.agents.keys()


def test_a_handover_opens_the_session_once_for_another_site_of_the_visitor() -> None:
    made = session()
    assert not made.accepts("elsewhere", "ticket-1")
    assert made.accepts("elsewhere", "handover-1")
    made.visitor_resumes(NEXT_VISITOR, "elsewhere", "ticket-2", "handover-2", 1.0)
    assert not made.accepts("elsewhere", "handover-1")
    assert made.accepts("elsewhere", "ticket-2")
    assert made.knows("digest") and made.knows("elsewhere") and not made.knows("third")
    # Back on the first site, its own ticket is still good there, and only there.
    assert made.accepts("digest", "ticket-1")
    assert not made.accepts("elsewhere", "ticket-1")
