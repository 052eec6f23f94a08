"""What of two pairs of loads, of what passed, and of a session is a finding. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from cobrowse.check.findings import Finding, Grade, Metrics
from cobrowse.check.identity import proposals
from cobrowse.check.observed import FrameSeen, Load, Mirrored
from cobrowse.check.passages import Passage, inserted
from proxy_addon.splice import SPLICED

# Shares of clearly different pixels.
ALIKE: Final = 0.01
UNLIKE: Final = 0.10
# A first paint that comes later is seen.
LATER_MS: Final = 500.0
_MAX_DETAILS: Final = 20
_MAX_CHARACTERS: Final = 160
_POLICY: Final = re.compile(r"content-security-policy", re.IGNORECASE)
_NONCE: Final = re.compile(r"'nonce-[^']*'")
_NEW_NONCE: Final = "'nonce-…'"
_NUMBERS: Final = re.compile(r"[0-9a-f]{6,}|\d+", re.IGNORECASE)
# Why a page passes untouched, for who wants to mend it.
_REASONS: Final = {
    "sandbox": "its policy puts it into a sandbox without scripts",
    "XHTML": "it is XHTML, where one wrong character would be an error in place of the page",
    "no-transform": "it says Cache-Control: no-transform; ignore_no_transform = true overrides it",
    "excluded": "include or exclude in the config file leave it out",
    "not HTML": "it is no HTML",
    "coding": "its compression is one that nobody knows",
}


Reader = Callable[[str], bytes]


def judge(
    without: Sequence[Load], through: Sequence[Load], passage: Passage | None, read: Reader
) -> Iterator[Finding]:
    """All that two or four loads and the page's way through the proxy show.

    Args: without, through: one load each, or two where the first pair is not alike.
        read: gives a recorded body.
    """
    if without[0].url != without[0].asked:
        yield Finding("load", Grade.FINE, f"leads to {_short(without[0].url)}")
    yield from _snippet(passage, read)
    yield from _document(without, through)
    if passage:
        yield from _policies(passage)
    yield from _complaints(without, through)
    yield from _speed(without, through)


def are_alike(without: Load, through: Load) -> bool:
    """Whether one pair of loads says all that there is to say."""
    pair = ([without], [through])
    return not any(
        finding.grade for finding in (*_document(*pair), *_complaints(*pair), *_speed(*pair))
    )


def _snippet(passage: Passage | None, read: Reader) -> Iterator[Finding]:
    if passage is None:
        yield Finding("script", Grade.BROKEN, "the page did not come through the proxy")
        return
    if passage.outcome != SPLICED:
        reason = _REASONS.get(passage.outcome, passage.outcome or "nothing was counted")
        yield Finding("script", Grade.BROKEN, f"the page is left as it is: {reason}")
        return
    if not passage.came:
        yield Finding("script", Grade.FINE, "the script is in the page")
        yield Finding("bytes", Grade.FINE, "too large to compare")
        return
    came = read(passage.came)
    found = inserted(came, read(passage.went))
    if found is None:
        yield Finding("bytes", Grade.BROKEN, "the page's own bytes have changed")
        return
    before = came[: found.at].decode("latin-1")
    tag = re.search(r"<[^<>]*>\s*\Z", before)
    behind = f"behind {_short(tag[0].strip())}" if tag else f"at byte {found.at:,}"
    line = before.count("\n") + 1
    size = f"{len(found.text):,} bytes"
    yield Finding("script", Grade.FINE, f"the script is in the page: line {line}, {behind}, {size}")
    yield Finding("bytes", Grade.FINE, f"all other {len(came):,} bytes are as they came")


def _document(without: Sequence[Load], through: Sequence[Load]) -> Iterator[Finding]:
    first, other = without[0], through[0]
    for code, name, values in (
        ("status", "status", (first.status, other.status)),
        ("mode", "mode", (first.seen.mode, other.seen.mode)),
        ("charset", "charset", (first.seen.charset, other.seen.charset)),
    ):
        if values[0] != values[1]:
            text = f"the {name} is {values[1]}; without the proxy it is {values[0]}"
            yield Finding(code, Grade.BROKEN, text)
    if first.seen.mode == "quirks" and other.seen.mode == "quirks":
        yield Finding("mode", Grade.FINE, "quirks mode, with and without")
    different, unstable = changed(
        [dict(tree) for load in without for tree in load.trees],
        [dict(tree) for load in through for tree in load.trees],
    )
    if different:
        text = f"{len(different)} nodes of the document differ"
        yield Finding("dom", Grade.BROKEN, text, _cut(different))
    else:
        text = f"all {len(other.seen.tree):,} nodes of the document are the same"
        if unstable:
            text += f", but {unstable:,} that differ from load to load by themselves"
        yield Finding("dom", Grade.FINE, text)


def changed(
    without: Sequence[Mapping[str, str]], through: Sequence[Mapping[str, str]]
) -> tuple[list[str], int]:
    """What the proxy changes: lines; and how many nodes differ without its doing.

    Args: trees, by path. A node counts as changed only if all trees of a side agree about it.
    """
    lines, unstable = [], 0
    for path in dict.fromkeys([*without[0], *through[0]]):
        ours = {tree.get(path) for tree in through}
        theirs = {tree.get(path) for tree in without}
        if len(ours) > 1 or len(theirs) > 1:
            unstable += 1
        elif ours != theirs:
            lines += [f"- {path} {node}" for node in theirs if node is not None]
            lines += [f"+ {path} {node}" for node in ours if node is not None]
    return lines, unstable


def _policies(passage: Passage) -> Iterator[Finding]:
    """Each change of a policy, as a diff. A nonce is another at each load."""
    before, after = (_policy_lines(fields) for fields in (passage.before, passage.after))
    lines = [f"- {line}" for line in before if line not in after]
    lines += [f"+ {line}" for line in after if line not in before]
    if lines:
        text = "the page's policy lets the script in"
        yield Finding("policy", Grade.FINE, text, _cut(lines))


def _policy_lines(fields: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for name, value in fields:
        if _POLICY.match(name):
            for directive in value.split(";"):
                if directive.strip():
                    lines.append(f"{name}: {' '.join(_NONCE.sub(_NEW_NONCE, directive).split())}")
    return lines


def _complaints(without: Sequence[Load], through: Sequence[Load]) -> Iterator[Finding]:
    for code, text, before, after in (
        (
            *("console", "errors in the console are new"),
            [load.complaints for load in without],
            [load.complaints for load in through],
        ),
        (
            *("violations", "violations of the page's policy are new"),
            [load.violations for load in without],
            [load.violations for load in through],
        ),
    ):
        known = {_without_numbers(line) for lines in before for line in lines}
        always = set.intersection(*({_without_numbers(line) for line in lines} for lines in after))
        new = [line for line in after[0] if _without_numbers(line) in always - known]
        if new:
            yield Finding(code, Grade.DEGRADED, f"{len(new)} {text}", _cut(new))


def _without_numbers(text: str) -> str:
    return _NUMBERS.sub("#", text)


def metrics(loads: Sequence[Load]) -> Metrics:
    """The best of some loads: what disturbs one only makes it slower."""
    paints = [load.seen.first_paint_ms for load in loads if load.seen.first_paint_ms is not None]
    ends = [load.seen.loaded_ms for load in loads if load.seen.loaded_ms is not None]
    return Metrics(
        first_paint_ms=min(paints, default=None),
        blocking_ms=min(load.seen.blocking_ms for load in loads),
        loaded_ms=min(ends, default=None),
        transfer_bytes=min(load.transfer_bytes for load in loads),
    )


def _speed(without: Sequence[Load], through: Sequence[Load]) -> Iterator[Finding]:
    before, after = metrics(without), metrics(through)
    if before.first_paint_ms is None or after.first_paint_ms is None:
        return
    later = after.first_paint_ms - before.first_paint_ms
    if later > LATER_MS:
        yield Finding("speed", Grade.DEGRADED, f"the first paint comes {later:,.0f} ms later")


def judge_frames(frames: Sequence[FrameSeen], passages: Sequence[Passage]) -> Iterator[Finding]:
    """Which frames an agent sees into."""
    spliced = {passage.url for passage in passages if passage.outcome == SPLICED}
    outcomes = {passage.url: passage.outcome for passage in passages}
    covered, hosts, lines = 0, [], []
    for frame in frames:
        parts = urlsplit(frame.url)
        if frame.can_script and (
            frame.url in spliced or parts.scheme in ("about", "blob") or not parts.scheme
        ):
            covered += 1
            continue
        reason = outcomes.get(frame.url, "its host is not included")
        if not frame.can_script:
            reason = "its sandbox lets no script run"
        elif frame.url not in outcomes and parts.hostname:
            hosts.append(parts.hostname)
        lines.append(f"{_short(frame.url)}: {reason}")
    if lines:
        text = f"{len(lines)} of {len(frames)} frames are empty boxes to the agent"
        proposal = [f"--include {host}" for host in dict.fromkeys(hosts)]
        yield Finding("frames", Grade.DEGRADED, text, _cut(lines), proposal)
    elif covered:
        yield Finding("frames", Grade.FINE, f"the agent sees into all {covered} frames")


def judge_workers(scopes: Sequence[str], has_script: bool) -> Iterator[Finding]:
    """has_script: on the page's second load, which its service worker may have answered."""
    if scopes and has_script:
        text = "a service worker is there; pages get the script all the same"
        yield Finding("workers", Grade.FINE, text, list(scopes))
    elif scopes:
        text = "the service worker answers pages itself: they have no script once it is there"
        yield Finding("workers", Grade.DEGRADED, text, list(scopes))


def judge_cookies(cookies: Mapping[str, str], mapped: Sequence[str]) -> Iterator[Finding]:
    """Args: mapped: fields that the config file has a cookie for."""
    found = [one for one in proposals(cookies) if one.field not in mapped]
    if found:
        names = ", ".join(dict.fromkeys(one.cookie for one in found))
        text = f"cookies seem to say who the visitor is: {names}"
        lines = ["[groups.<groupid>.cookies]", *(one.line for one in found)]
        yield Finding("cookies", Grade.FINE, text, proposal=lines)


def judge_session(mirrored: Mirrored) -> Iterator[Finding]:
    if mirrored.error:
        yield Finding("session", Grade.BROKEN, mirrored.error)
        return
    share = mirrored.difference
    grade = Grade.FINE if share <= ALIKE else Grade.DEGRADED if share <= UNLIKE else Grade.BROKEN
    text = f"the agent's copy differs in {share:.2%} of its pixels"
    if mirrored.masked:
        text += f"; {mirrored.masked} masked places are left out"
    yield Finding("session", grade, text)
    if mirrored.missing:
        text = f"{len(mirrored.missing)} files do not get to the agent"
        yield Finding("files", Grade.DEGRADED, text, _cut(mirrored.missing))
    if mirrored.readable:
        lines = [
            f"{one.selector} ({one.label or 'no label'}): {one.kind}" for one in mirrored.readable
        ]
        text = f"{len(lines)} fields look sensitive, and the agent sees what is typed"
        rules = [
            "[groups.<groupid>.settings]",
            "masked_elements = [",
            *(f"  {{ selector = {_toml(one.selector)} }}," for one in mirrored.readable),
            "]",
        ]
        yield Finding("fields", Grade.DEGRADED, text, lines, rules)


def _toml(text: str) -> str:
    return (
        f"'{text}'"
        if "'" not in text
        else '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
    )


def _short(text: str) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= _MAX_CHARACTERS else whole[: _MAX_CHARACTERS - 1] + "…"


def _cut(lines: Sequence[str]) -> list[str]:
    """As many as a reader looks at, none of them long."""
    shown = [_short(line) for line in lines[:_MAX_DETAILS]]
    more = len(lines) - len(shown)
    return [*shown, f"and {more:,} more"] if more else shown
