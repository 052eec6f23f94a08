"""What of two pairs of loads, and of what passed, is a finding. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from cobrowse.check.documents import changed
from cobrowse.check.findings import Code, Finding, Grade, Metrics
from cobrowse.check.identity import proposals
from cobrowse.check.observed import Load
from cobrowse.check.passages import Passage, inserted, plain_url
from cobrowse.check.wording import count, cut, short
from proxy_addon.splice import SPLICED

# A first paint that comes later is seen.
LATER_MS: Final = 500.0
_MAX_POLICY: Final = 8_000
_POLICY: Final = re.compile(r"content-security-policy", re.IGNORECASE)
_NONCE: Final = re.compile(r"'nonce-[^']*'")
_NEW_NONCE: Final = "'nonce-…'"
_NUMBERS: Final = re.compile(r"[0-9a-f]{6,}|\d+", re.IGNORECASE)
# Of nodes that differ from load to load by themselves: more, and nothing can be said of the rest.
_UNSTEADY: Final = 0.5
_LOGS_IN: Final = re.compile(
    r"log[ _-]?[io]n|sign[ _-]?in|\bauth(?!or)|\bsso\b|anmeld|connexion|iniciar", re.IGNORECASE
)
# Where the script stands, by the tag before it, and why there.
_PLACES: Final = {
    "head": "first in the head, before the page's own scripts",
    **dict.fromkeys(
        ("meta", "title", "link", "base"),
        "behind what must be declared first, before the page's own scripts",
    ),
}
_NO_HEAD: Final = "the page writes no head, so where its head begins by itself"

# Why a page passes untouched, for who wants to mend it.
REASONS: Final = {
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
    yield from _snippet(passage, read)
    yield from _document(without, through)
    if passage:
        yield from policies(passage)
    yield from new_complaints(without, through)
    yield from _speed(without, through)


def are_alike(without: Sequence[Load], through: Sequence[Load]) -> bool:
    """Whether these loads say all that there is to say."""
    pair = (without, through)
    return not any(
        finding.grade for finding in (*_document(*pair), *new_complaints(*pair), *_speed(*pair))
    )


def _snippet(passage: Passage | None, read: Reader) -> Iterator[Finding]:
    if passage is None:
        yield Finding("script", Grade.BROKEN, "the page did not come through the proxy")
        return
    if passage.outcome != SPLICED:
        reason = REASONS.get(passage.outcome, passage.outcome or "nothing was counted")
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
    tag = re.search(r"<(/?\w*)[^<>]*>\s*\Z", before)
    behind = f"behind {short(tag[0].strip())}" if tag else f"at byte {found.at:,}"
    why = _PLACES.get(tag[1].lower().lstrip("/") if tag else "", _NO_HEAD)
    place = f"line {before.count(chr(10)) + 1}, {behind}, {len(found.text):,} bytes: {why}"
    yield Finding("script", Grade.FINE, f"the script is in the page: {place}")
    yield Finding("bytes", Grade.FINE, f"all other {len(came):,} bytes are as they came")


def _document(without: Sequence[Load], through: Sequence[Load]) -> Iterator[Finding]:
    for code, before, after in _properties(without, through):
        # What is another from load to load is not the proxy's doing.
        if len(before) == len(after) == 1 and before != after:
            text = f"{code} {after.pop()}; without the proxy {before.pop()}"
            yield Finding(code, Grade.BROKEN, text)
    yield from _answers((*without, *through))
    if {load.seen.mode for load in (*without, *through)} == {"quirks"}:
        yield Finding("mode", Grade.FINE, "quirks, with the proxy and without")
    yield _tree(without, through)


def _tree(without: Sequence[Load], through: Sequence[Load]) -> Finding:
    loads = (*without, *through)
    different, unsteady = changed(
        [tree for load in without for tree in load.trees],
        [tree for load in through for tree in load.trees],
    )
    if different:
        text = f"{count(different, 'node')} of the document: not as without the proxy"
        return Finding("dom", Grade.BROKEN, text, cut(different))
    most = max(len(tree) for load in loads for tree in load.trees)
    if unsteady > most * _UNSTEADY:
        text = f"{unsteady:,} of {most:,} nodes differ from load to load: too many to compare"
        return Finding("dom", Grade.DEGRADED, text)
    same = f"{most - unsteady:,} of" if unsteady else "all"
    text = f"{same} {most:,} nodes of the document are the same"
    if unsteady:
        text += f"; {unsteady:,} differ from load to load by themselves"
    if not all(load.seen.is_whole for load in loads):
        text += "; there are more, which were not compared"
    return Finding("dom", Grade.FINE, text)


def _answers(loads: Sequence[Load]) -> Iterator[Finding]:
    """What makes it doubtful that the page that was looked at is the one that was meant."""
    statuses = list(dict.fromkeys(load.status for load in loads))
    if len(statuses) == 1 and statuses[0] >= 400:
        text = f"an error page was checked: status {statuses[0]}"
        yield Finding("status", Grade.DEGRADED, text)
    elif max(statuses) >= 400:
        told = ", ".join(map(str, statuses))
        text = f"the site answers differently from load to load: status {told}"
        yield Finding("status", Grade.DEGRADED, text)
    urls = list(dict.fromkeys(plain_url(load.url) for load in loads))
    if len(urls) > 1:
        text = f"leads elsewhere from load to load: {' and '.join(map(short, urls[:2]))}"
        yield Finding("load", Grade.DEGRADED, text)


def _properties(
    without: Sequence[Load], through: Sequence[Load]
) -> Iterator[tuple[Code, set[str], set[str]]]:
    """What a side's loads say, each value once."""
    yield "status", {str(load.status) for load in without}, {str(load.status) for load in through}
    yield "mode", {load.seen.mode for load in without}, {load.seen.mode for load in through}
    yield (
        "charset",
        {load.seen.charset for load in without},
        {load.seen.charset for load in through},
    )


def policies(passage: Passage) -> Iterator[Finding]:
    """Each change of a policy, as a diff. A nonce is another at each load."""
    before, after = (Counter(_policy_lines(fields)) for fields in (passage.before, passage.after))
    lines = [f"- {line}" for line in (before - after).elements()]
    lines += [f"+ {line}" for line in (after - before).elements()]
    if lines:
        whose = f"policy of the frame {short(passage.url)}" if passage.is_frame else "page's policy"
        text = f"the {whose} lets the script in"
        # Whole: what was added stands at the end.
        yield Finding("policy", Grade.FINE, text, cut(lines, _MAX_POLICY))


def _policy_lines(fields: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for name, value in fields:
        if _POLICY.match(name):
            for directive in value.split(";"):
                if directive.strip():
                    lines.append(f"{name}: {' '.join(_NONCE.sub(_NEW_NONCE, directive).split())}")
    return lines


def _never_there(loads: Sequence[Load]) -> set[str]:
    """Addresses, without queries, of what no load got."""
    failed = (
        {url.partition("?")[0] for url, came in load.files.items() if not came} for load in loads
    )
    return set.intersection(*failed)


def is_about(complaint: str, addresses: Collection[str]) -> bool:
    return any(address in complaint for address in addresses)


def new_complaints(without: Sequence[Load], through: Sequence[Load]) -> Iterator[Finding]:
    """What the page complains of on one side only."""
    complaints = [load.complaints for load in without], [load.complaints for load in through]
    violations = [load.violations for load in without], [load.violations for load in through]
    dead = _never_there(without)
    kinds: list[tuple[Code, str, str, tuple[list[list[str]], list[list[str]]]]] = [
        ("console", "new error", "in the console", complaints),
        ("violations", "new violation", "of the page's policy", violations),
    ]
    for code, what, where, (before, after) in kinds:
        known = {_without_numbers(line) for lines in before for line in lines}
        always = set.intersection(*({_without_numbers(line) for line in lines} for lines in after))
        told = dict.fromkeys(after[0])
        new = [line for line in told if _without_numbers(line) in always - known]
        # It is told in other words through a proxy.
        new = [line for line in new if not is_about(line, dead)]
        if new:
            yield Finding(code, Grade.DEGRADED, f"{count(new, what)} {where}", cut(new))


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


def judge_later(load: Load, url: str) -> Iterator[Finding]:
    """Args: url: where the page is after all that."""
    if plain_url(url) != plain_url(load.url):
        yield Finding("load", Grade.FINE, f"goes on by itself to {short(url)}")


def judge_landing(load: Load, *, is_logged_in: bool) -> Iterator[Finding]:
    """Where an address leads. is_logged_in: with cookies of a login, as far as the user knows."""
    if load.url == load.asked:
        return
    text = f"leads to {short(load.url)}"
    asks = _LOGS_IN.search(load.url) or re.search(r"""type=["']?password""", load.seen.html)
    if is_logged_in and asks and not _LOGS_IN.search(load.asked):
        text += ", which seems to ask for a login: are the cookies still good?"
        yield Finding("load", Grade.DEGRADED, text)
    else:
        yield Finding("load", Grade.FINE, text)


def judge_cookies(cookies: Mapping[str, str], mapped: Sequence[str]) -> Iterator[Finding]:
    """Args: mapped: fields that the config file has a cookie for."""
    found = [one for one in proposals(cookies) if one.field not in mapped]
    if found:
        names = ", ".join(dict.fromkeys(one.cookie for one in found))
        text = f"cookies seem to say who the visitor is: {names}"
        lines = ["[groups.<groupid>.cookies]", *(one.line for one in found)]
        yield Finding("cookies", Grade.FINE, text, proposal=lines)


def unchecked(why: str, *, is_page: bool) -> Finding:
    """Of what cannot be loaded without the proxy, either. is_page: as far as anybody knows."""
    grade = Grade.DEGRADED if is_page else Grade.FINE
    return Finding("load", grade, f"not checked: {short(why)}")


def unfinished(why: str) -> Finding:
    """Of a page that has loaded, and of which not all could be looked at."""
    return Finding("session", Grade.DEGRADED, f"not finished: {short(why)}")


def unloadable(why: str) -> Finding:
    return Finding("load", Grade.BROKEN, f"through the proxy: {short(why)}")
