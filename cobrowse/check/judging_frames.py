"""What of a page's frames and service workers is a finding. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from cobrowse.check.findings import Finding, Grade
from cobrowse.check.judging import REASONS, policies
from cobrowse.check.observed import FrameSeen
from cobrowse.check.passages import Passage, plain_url
from cobrowse.check.wording import count, cut, short
from proxy_addon.splice import SPLICED

# What browsers show for a frame that does not load, or may not be in a frame.
_ERROR_PAGE: Final = "chrome-error:"


def judge_frames(
    without: Sequence[FrameSeen], frames: Sequence[FrameSeen], passages: Sequence[Passage]
) -> Iterator[Finding]:
    """Which frames an agent sees into, and what became of their policies.

    Args: without, frames: of a load without the proxy, and of one with it.
    """
    for passage in passages:
        if passage.is_frame and passage.outcome == SPLICED:
            yield from policies(passage)
    failed = [frame for frame in frames if frame.url.startswith(_ERROR_PAGE)]
    more = len(failed) - sum(frame.url.startswith(_ERROR_PAGE) for frame in without)
    if more > 0:
        text = f"{count(more, 'frame')} fail through the proxy only"
        yield Finding("frames", Grade.BROKEN, text)
    # The browser's own, as for PDF, are not the page's.
    shown = [
        frame
        for frame in frames
        if frame not in failed and not frame.url.startswith("chrome-extension:")
    ]
    outcomes = {passage.url: passage.outcome for passage in passages}
    hidden = [frame for frame in shown if not (frame.has_script or frame.is_reached)]
    lines = [f"{short(frame.url)}: {_why_empty(frame, outcomes)}" for frame in hidden]
    if lines:
        hosts = [urlsplit(frame.url).hostname for frame in hidden if _is_elsewhere(frame, outcomes)]
        text = f"{count(lines, 'frame')} of {len(shown)} empty for the agent"
        proposal = [f"--include {host}" for host in dict.fromkeys(hosts)]
        yield Finding("frames", Grade.DEGRADED, text, cut(lines), proposal)
    elif shown:
        yield Finding("frames", Grade.FINE, f"the agent sees into all {len(shown)} frames")


def _is_elsewhere(frame: FrameSeen, outcomes: Mapping[str, str]) -> bool:
    is_web = frame.url.startswith(("http:", "https:"))
    return is_web and frame.can_script and not outcomes.get(plain_url(frame.url))


def _why_empty(frame: FrameSeen, outcomes: Mapping[str, str]) -> str:
    outcome = outcomes.get(plain_url(frame.url), "")
    if not frame.can_script:
        return "its sandbox lets no script run"
    if frame.is_waiting:
        return "it has not loaded yet"
    if _is_elsewhere(frame, outcomes):
        return "its host is not included"
    if outcome == SPLICED:
        return "the script is in it and does not run, or does not answer"
    return REASONS.get(outcome, outcome) or "no page around it reaches into it"


def judge_workers(workers: Sequence[str], has_script: bool) -> Iterator[Finding]:
    """Args: workers: their scripts. has_script: on the page's second load, which its service worker
    may have answered.
    """
    if workers and has_script:
        text = "a service worker is there; pages get the script all the same"
        yield Finding("workers", Grade.FINE, text, cut(workers))
    elif workers:
        text = "the service worker answers pages itself: they have no script once it is there"
        yield Finding("workers", Grade.DEGRADED, text, cut(workers))
