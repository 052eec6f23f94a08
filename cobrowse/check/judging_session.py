"""What of a session is a finding. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from cobrowse.check.findings import Finding, Grade
from cobrowse.check.judging import is_about, new_complaints
from cobrowse.check.observed import Load, Mirrored
from cobrowse.check.wording import count, cut, short, toml

# Shares of clearly different pixels.
ALIKE: Final = 0.01
UNLIKE: Final = 0.10
# Of a page's pixels: more that move by themselves, and nothing can be said of the rest.
_RESTLESS: Final = 0.5
# Codes of the visitor API's error event that say something of the page.
_REFUSALS: Final = {
    "policy": "the page's own policy, in its HTML, keeps the script out",
}


def judge_session(mirrored: Mirrored, later: Load) -> Iterator[Finding]:
    """Args: later: the load with what the page has complained of since."""
    if mirrored.error:
        why = _REFUSALS.get(mirrored.error, mirrored.error)
        told = cut([*later.complaints, *later.violations])
        yield Finding("session", Grade.BROKEN, f"no session: {short(why)}", told)
        return
    yield _pictured(mirrored)
    if mirrored.missing:
        text = f"not for the agent: {count(mirrored.missing, 'file')} of other sites"
        if any(is_about(line, mirrored.missing) for line in later.complaints):
            text += "; the page's console says so during a session"
        yield Finding("files", Grade.DEGRADED, text, cut(mirrored.missing))
    if mirrored.readable:
        readable = {one.selector: one for one in mirrored.readable}.values()
        lines = [
            short(f"{one.selector} ({one.label or 'no label'}): {one.kind}") for one in readable
        ]
        text = f"the agent sees what is typed into {count(lines, 'field')} that may be sensitive"
        rules = [
            "[groups.<groupid>.settings]",
            "masked_elements = [",
            *(f"  {{ selector = {toml(one.selector)} }}," for one in readable),
            "]",
        ]
        yield Finding("fields", Grade.DEGRADED, text, lines, rules)

    if mirrored.untried:
        lines = [short(f"{one.selector}: {one.kind}") for one in mirrored.untried]
        text = f"{count(lines, 'field')} that may be sensitive took no text to try it with"
        yield Finding("fields", Grade.FINE, text, cut(lines))


def judge_meanwhile(without: Sequence[Load], later: Load, mirrored: Mirrored) -> Iterator[Finding]:
    """What a page has complained of during a session, besides files that the agent does not get."""
    if mirrored.error:
        return
    others = [line for line in later.complaints if not is_about(line, mirrored.missing)]
    for finding in new_complaints(without, [replace(later, complaints=others)]):
        yield msgspec.structs.replace(finding, text=f"{finding.text}, during a session")


def _pictured(mirrored: Mirrored) -> Finding:
    if not mirrored.is_pictured:
        text = "a session runs, and the browser gave no picture of the page to compare"
        return Finding("session", Grade.DEGRADED, text)
    if mirrored.is_empty:
        return Finding("session", Grade.BROKEN, "the agent sees little of what is on the page")
    if mirrored.moving > _RESTLESS:
        text = f"{mirrored.moving:.0%} of the page moves by itself: too much to compare"
        return Finding("session", Grade.DEGRADED, text)
    share = mirrored.difference
    grade = Grade.FINE if share <= ALIKE else Grade.DEGRADED if share <= UNLIKE else Grade.BROKEN
    text = f"the agent's copy differs in {share:.2%} of its pixels"
    if mirrored.masked:
        text += f"; {count(mirrored.masked, 'masked place')} left out"
    if mirrored.moving >= ALIKE:
        text += f"; {mirrored.moving:.0%} that move by themselves left out"
    return Finding("session", grade, text)
