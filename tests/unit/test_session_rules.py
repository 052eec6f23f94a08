"""What a running session hides when its group's settings change."""

import msgspec

from relay import wire
from relay.session import Limits, Saved, Session
from tests.unit.test_session import NEXT_VISITOR, resume, sent, session

LOOSE = wire.Rules(mask="none", canvas_fps=2, assets="key")
TIGHT = wire.Rules(mask="inputs", selectors=[".iban"], pages=["/a*"], title=True, query=True)


def test_what_is_to_be_hidden_by_now_is_hidden_from_the_next_page_on() -> None:
    made = Session(session().saved, 0.0, Limits(), LOOSE)
    assert made.rules.mask == "inputs"  # as it began
    made = Session(msgspec.structs.replace(made.saved, rules=None), 0.0, Limits(), LOOSE)
    made.tighten(TIGHT)
    [continued, *_] = sent(resume(made, NEXT_VISITOR, "t", 1.0), NEXT_VISITOR)
    assert continued.rules == msgspec.structs.replace(TIGHT, canvas_fps=0)


def test_nothing_that_was_hidden_is_shown_in_the_same_session() -> None:
    saved = msgspec.structs.replace(session().saved, rules=None)
    made = Session(saved, 0.0, Limits(), TIGHT)
    made.tighten(LOOSE)
    assert made.rules == TIGHT
    # Nor at another relay, which knows of it only what was written down.
    kept = msgspec.json.decode(msgspec.json.encode(made.saved), type=Saved)
    moved = Session.restored(kept, 0.0, 0.0, 0.0, Limits(), LOOSE, "/assets/x/", True)
    assert moved.rules == TIGHT


def test_the_key_of_a_sessions_files_is_not_written_down() -> None:
    saved = msgspec.structs.replace(session().saved, rules=None)
    made = Session(saved, 0.0, Limits(), msgspec.structs.replace(LOOSE, assets="secret-upload-key"))
    text = msgspec.json.encode(made.saved)
    assert b"secret-upload-key" not in text
    kept = msgspec.json.decode(text, type=Saved)
    fresh = msgspec.structs.replace(LOOSE, assets="the-same-made-again")
    moved = Session.restored(kept, 0.0, 0.0, 0.0, Limits(), fresh, "/assets/x/", True)
    assert moved.rules.assets == "the-same-made-again"
