"""Content security policies: let the snippet run and reach the relay, and nothing else. Pure.

Source: CSP Level 3; Integrity Policy. No "unsafe-*" is ever added.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy_addon.fields import Fields
from proxy_addon.origins import STANDARD_PORTS

HEADERS: Final = (b"content-security-policy", b"content-security-policy-report-only")
_BASE64: Final = r"[A-Za-z0-9+/_-]+={0,2}"
_NONCE: Final = re.compile(f"'nonce-({_BASE64})'", re.IGNORECASE)
# What switches 'unsafe-inline' off, if it is well formed: browsers ignore any other.
_BINDING: Final = re.compile(
    f"'(?:nonce|sha-?256|sha-?384|sha-?512)-{_BASE64}'|'strict-dynamic'", re.IGNORECASE
)
# Browsers ignore a directive that holds any other character.
_DIRECTIVE: Final = re.compile(r"[\t\n\f\r -~]*")
_SPACE: Final = re.compile(r"[\t\n\f\r ]+")
_HOST_SOURCE: Final = re.compile(
    r"(?:(?P<scheme>https?|wss?)://)?(?P<wild>\*\.)?(?P<host>[^/:*'\s]+|\*)"
    r"(?P<port>:(?:[0-9]{1,5}|\*))?(?P<path>/.*)?",
    re.IGNORECASE,
)
_SOCKET_SCHEME: Final = re.compile(r"wss?:(?://|$)", re.IGNORECASE)
_TAKES_HOSTS: Final = re.compile(r"-src(-elem|-attr)?$|^(base-uri|form-action|frame-ancestors)$")
TRUSTED_TYPES_POLICY: Final = "cobrowse"

Policy = dict[str, list[str]]


@dataclass(frozen=True)
class Needs:
    """What the snippet has to do: source expressions, as narrow as a policy can say it.

    scripts and connect name the reserved prefix of the page's own origin, or (connect) the relay's
    public address; own_origin tells that 'self' covers connect already.
    """

    scripts: Sequence[str]
    connect: Sequence[str]
    own_origin: bool


@dataclass(frozen=True)
class Admitted:
    """Fields whose policies admit the snippet, the scripts it loads, and the visitor socket.

    nonce: what the snippet must carry; "" where none is needed.
    changes: one line for each policy that was changed: what went in (+) and what went out (-).
    """

    fields: Fields
    nonce: str
    changes: tuple[str, ...]


def allow(fields: Fields, needs: Needs, *, make_nonce: Callable[[], str]) -> Admitted:
    """Edit each policy, enforced or report-only, as far as the snippet needs it.

    Args:
        make_nonce: gives base64 text, for policies that do not have one nonce in common.
    Returns:
        the fields; a policy that needs no change stays as it was, byte for byte.
    """
    policies = [policy for name, value in fields for policy in _policies(name, value)]
    if not policies:
        return Admitted(fields, "", ())
    # A nonce that one policy has is not put into another, which may be stricter for it.
    governing = [s for p in policies if (s := _sources(p, _SCRIPT)) is not None]
    own = {_nonce_of(sources) for sources in governing if _binds(sources)}
    nonce = own.pop() if len(own) == 1 and "" not in own else make_nonce()
    used, changes = False, []
    out = []
    for name, value in fields:
        if name.lower() in HEADERS:
            edited = []
            for text in value.decode("latin-1").split(","):
                before, policy = parse(text), parse(text)
                used = _admit(policy, nonce, needs) or used
                if policy != before:
                    changes.append(f"{name.decode('latin-1')}: {_difference(before, policy)}")
                    text = rewritten(text, policy)
                edited.append(text)
            value = ",".join(edited).encode("latin-1")
        out.append((name, value))
    return Admitted(tuple(out), nonce if used else "", tuple(changes))


def parse(text: str) -> Policy:
    """Directives by lower-case name; of duplicates the first counts, as in a browser."""
    policy: Policy = {}
    for directive in text.split(";"):
        name, sources = _parts(directive)
        if name:
            policy.setdefault(name, sources)
    return policy


def rewritten(text: str, policy: Policy) -> str:
    """The text with the directives as a policy has them now; what did not change stays as it is."""
    left, out = dict(policy), []
    unused = parse(text)
    for directive in text.split(";"):
        name, sources = _parts(directive)
        if name in unused:
            del unused[name]  # only the first of a name counts
            if name not in left:
                continue
            now = left.pop(name)
            if now != sources:
                lead = directive[: len(directive) - len(directive.lstrip())]
                directive = lead + " ".join([name, *now])
        out.append(directive)
    while left and out and not out[-1].strip():
        out.pop()
    fresh = [" " + " ".join([name, *sources]) for name, sources in left.items()]
    # Chromium counts the name of a directive whose value it ignores: ours must be the first.
    ignores = any(not _DIRECTIVE.fullmatch(directive) for directive in out)
    out = fresh + out if ignores else out + fresh
    return ";".join(out) if text[:1] == " " else ";".join(out).lstrip()


def _parts(directive: str) -> tuple[str, list[str]]:
    """Lower-case name and sources; "" where browsers see no directive."""
    if not _DIRECTIVE.fullmatch(directive):
        return "", []
    name, *sources = _SPACE.split(directive.strip("\t\n\f\r "))
    return name.lower(), sources


def _policies(name: bytes, value: bytes) -> list[Policy]:
    if name.lower() not in HEADERS:
        return []
    return [parse(text) for text in value.decode("latin-1").split(",")]


def _difference(before: Policy, after: Policy) -> str:
    told = []
    for name in after:
        old, new = (dict.fromkeys(policy.get(name, [])) for policy in (before, after))
        signs = [f"+{s}" for s in new if s not in old] + [f"-{s}" for s in old if s not in new]
        if signs:
            told.append(" ".join([name, *signs]))
    return "; ".join(told)


_SCRIPT: Final = ("script-src-elem", "script-src", "default-src")
_CONNECT: Final = ("connect-src", "default-src")


def _sources(policy: Policy, chain: Sequence[str]) -> list[str] | None:
    """The sources of the first directive of a fallback chain that the policy has."""
    return next((policy[name] for name in chain if name in policy), None)


def _nonce_of(sources: Sequence[str]) -> str:
    return next((m[1] for s in sources if (m := _NONCE.fullmatch(s))), "")


def _binds(sources: Sequence[str]) -> bool:
    """Whether an inline script needs a nonce.

    Where 'unsafe-inline' rules, a nonce would switch it off and stop the page's own scripts.
    """
    is_unsafe = "'unsafe-inline'" in {s.lower() for s in sources}
    return not is_unsafe or any(_BINDING.fullmatch(s) for s in sources)


def _admit(policy: Policy, nonce: str, needs: Needs) -> bool:
    """Edit one policy in place. True when the snippet needs the nonce because of it."""
    scripts = _sources(policy, _SCRIPT)
    needs_nonce = scripts is not None and _binds(scripts)
    if needs_nonce:
        _add(policy, _SCRIPT, [f"'nonce-{nonce}'"])
    elif scripts is not None and not {"'self'", "*"} & {s.lower() for s in scripts}:
        # The inline snippet runs as it is; the scripts that it loads need their path allowed.
        _add(policy, _SCRIPT, needs.scripts)
    reach = _sources(policy, _CONNECT)
    if reach is not None:
        covering = {"*", "'self'"} if needs.own_origin else {"*"}
        if not covering & {s.lower() for s in reach}:
            _add(policy, _CONNECT, needs.connect)
    types = policy.get("trusted-types")
    if types is not None and "*" not in types:
        _add(policy, ("trusted-types",), [TRUSTED_TYPES_POLICY])
    return needs_nonce


def _add(policy: Policy, chain: Sequence[str], more: Sequence[str]) -> None:
    """Add to the directive of the chain that governs, or to a copy of default-src for it."""
    name = next(n for n in chain if n in policy)
    kept = [s for s in policy[name] if s.lower() != "'none'"]
    # Not the "-elem" form: browsers that lack it would see no change at all.
    target = chain[-2] if name == "default-src" else name
    policy[target] = [*kept, *(m for m in more if m not in kept)]


def forbids_scripts(fields: Fields) -> bool:
    """Whether an enforced policy puts the page into a sandbox where no script runs."""
    return any(
        "sandbox" in policy and "allow-scripts" not in {s.lower() for s in policy["sandbox"]}
        for name, value in fields
        if name.lower() == HEADERS[0]
        for policy in _policies(name, value)
    )


def wants_integrity(integrity_policy: str) -> bool:
    """Whether an Integrity-Policy header blocks scripts that come without a digest.

    Source: Integrity Policy: a dictionary, whose blocked-destinations lists "script".
    """
    lists = re.findall(r"blocked-destinations\s*=\s*\(([^()]*)\)", integrity_policy)
    return any("script" in destinations.split() for destinations in lists)


def moved(value: bytes, pairs: Sequence[tuple[str, str]], *, is_plain: bool) -> bytes:
    """A policy header in which what names a site's own host names the visitor's for it too.

    Args:
        pairs: (upstream, visitor's) of each site, scheme://host[:port]; the page's own first.
        is_plain: the visitor comes by http: then upgrade-insecure-requests would send every
            request of the page to a port that speaks no TLS.
    """
    texts = []
    for text in value.decode("latin-1").split(","):
        before, policy = parse(text), parse(text)
        for name, sources in before.items():
            if _TAKES_HOSTS.search(name):
                policy[name] = [*sources, *_visitors(sources, pairs)]
        if is_plain:
            policy.pop("upgrade-insecure-requests", None)
        texts.append(text if policy == before else rewritten(text, policy))
    return ",".join(texts).encode("latin-1")


def _visitors(sources: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """What the sources that cover an upstream's address are for the visitor's."""
    found = []
    for upstream, visitor in pairs:
        scheme, _, netloc = visitor.partition("://")
        for source in sources:
            path = _covered_path(source, upstream, is_plain=scheme == "http")
            if path is not None:
                is_socket = bool(_SOCKET_SCHEME.match(source))
                own = scheme.replace("http", "ws") if is_socket else scheme
                found.append(f"{own}://{netloc}{path}")
    known = set(sources)
    return [source for source in dict.fromkeys(found) if source not in known]


def _covered_path(source: str, upstream: str, *, is_plain: bool) -> str | None:
    """The path of a source that covers the upstream's origin; None where it covers another.

    Source: CSP Level 3, "Does url match expression in origin with redirect count?".
    """
    their_scheme, _, netloc = upstream.lower().partition("://")
    if source.lower() in ("https:", "wss:"):
        # It covers any address of its scheme; the visitor's, by http, is none of them.
        return "" if is_plain and their_scheme == "https" else None
    match = _HOST_SOURCE.fullmatch(source)
    if match is None or source == "*":
        return None  # "*" alone covers the visitor's address too
    host, _, explicit = netloc.rpartition("]")[2].partition(":")
    their_port = int(explicit) if explicit else STANDARD_PORTS[their_scheme]
    named = match["host"].lower()
    if named != "*" and not (host.endswith(f".{named}") if match["wild"] else host == named):
        return None
    scheme = (match["scheme"] or their_scheme).lower().replace("ws", "http")
    if scheme == "https" and their_scheme == "http":
        return None
    port = (match["port"] or ":")[1:]
    covered = {int(port) if port.isdecimal() else STANDARD_PORTS[scheme]}
    if scheme == "http" and STANDARD_PORTS["http"] in covered:
        covered.add(STANDARD_PORTS["https"])  # what is upgraded is covered too
    return (match["path"] or "") if port == "*" or their_port in covered else None
