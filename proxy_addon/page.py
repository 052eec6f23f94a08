"""One page on its way: what is known of its request, and what becomes of its response. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from proxy_addon import csp, headers, policy
from proxy_addon.coding import codings_of
from proxy_addon.fields import Fields, Values
from proxy_addon.reverse import Sides
from proxy_addon.settings import ProxySettings
from proxy_addon.snippet import SnippetMaker
from proxy_addon.splice import Splicer


@dataclass(frozen=True)
class Visit:
    """One request to the site: what the response needs to know of it."""

    sides: Sides
    is_reverse: bool
    group: str  # "" where no group is set for the host
    site: str
    identity: dict[str, str]
    is_frame: bool
    varies_by: bytes  # see headers.varied()
    # Whose files pass here: the value of the visitor's cookie for it, "" if there is none yet.
    assets_of: str
    values: Values
    has_cookies: bool
    reason: str  # policy.SPLICE, or why the response stays as it is


@dataclass(frozen=True)
class Page:
    """A page that gets the snippet: its new header fields, and what its body goes through."""

    fields: Fields
    codings: tuple[str, ...]
    splicer: Splicer
    policy_changes: tuple[str, ...]


def length_of(values: Values) -> int | None:
    length = values.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 16 else None


def decide(visit: Visit, status: int, fields: Fields, values: Values, proxy: ProxySettings) -> str:
    """policy.SPLICE when the response is a page that gets the snippet, else why not."""
    if visit.reason != policy.SPLICE:
        return visit.reason
    if length_of(values) == 0:
        return "empty"
    reason = policy.page(status, values, obey_no_transform=not proxy.ignore_no_transform)
    if reason == policy.SPLICE and csp.forbids_scripts(fields):
        return "sandbox"
    return reason


def prepare(
    visit: Visit,
    fields: Fields,
    values: Values,
    snippets: SnippetMaker,
    proxy: ProxySettings,
    *,
    chunked: bool,
    http10: bool,
    hosts: tuple[str, ...],
    make_nonce: Callable[[], str],
) -> Page:
    """Put the snippet into a page that decide() took.

    Args: chunked, http10: see headers.for_spliced_page(). hosts: of all our sites.
    """
    admitted = csp.allow(fields, _policy_needs(visit, proxy), make_nonce=make_nonce)
    with_integrity = csp.wants_integrity(values.get("integrity-policy", ""))
    snippet = snippets.make(
        prefix=proxy.prefix,
        group=visit.group,
        site=visit.site,
        socket=proxy.direct_url,
        hosts=hosts,
        identity=visit.identity,
        is_frame=visit.is_frame,
        with_integrity=with_integrity,
        nonce=admitted.nonce,
    )
    return Page(
        headers.for_spliced_page(
            admitted.fields, varies_by=visit.varies_by, chunked=chunked, http10=http10
        ),
        codings_of(values.get("content-encoding", "")) or (),
        Splicer(snippet, charset=policy.charset(values), sniff=policy.must_sniff(values)),
        admitted.changes,
    )


def _policy_needs(visit: Visit, proxy: ProxySettings) -> csp.Needs:
    own = f"{visit.sides.visitor}{proxy.prefix}"
    socket = "ws" + own.removeprefix("http")
    if proxy.direct_url:
        return csp.Needs(scripts=[own], connect=[own, proxy.direct_url], own_origin=False)
    return csp.Needs(scripts=[own], connect=[own, socket], own_origin=True)
