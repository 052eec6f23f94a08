"""Content security policies: let the snippet run and reach the relay, and nothing else. Pure.

Source: CSP Level 3. No "unsafe-*" is ever added.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy_addon.fields import Fields

_HEADERS: Final = (b"content-security-policy", b"content-security-policy-report-only")
_NONCE: Final = re.compile(r"'nonce-([A-Za-z0-9+/_=-]+)'", re.IGNORECASE)
_BINDING: Final = re.compile(r"'(nonce|sha256|sha384|sha512)-|'strict-dynamic'", re.IGNORECASE)
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


def allow(fields: Fields, needs: Needs, *, fresh_nonce: str) -> tuple[Fields, str]:
    """Fields whose policies admit the snippet, the scripts it loads, and the visitor socket.

    Args:
        fresh_nonce: base64 text to use where the policies do not have one nonce in common.
    Returns:
        the fields, and the nonce that the snippet must carry ("" where none is needed). A policy
        that needs no change stays as it was, byte for byte.
    """
    policies = [
        parse(policy)
        for name, value in fields
        if name.lower() in _HEADERS
        for policy in value.decode("latin-1").split(",")
    ]
    # A nonce that one policy has is not put into another, which may be stricter for it.
    own = {_nonce_of(s) for p in policies if (s := _sources(p, _SCRIPT)) is not None}
    nonce = own.pop() if len(own) == 1 and "" not in own else fresh_nonce
    used = False
    out = []
    for name, value in fields:
        if name.lower() in _HEADERS:
            texts = value.decode("latin-1").split(",")
            edited = []
            for text in texts:
                policy = parse(text)
                before = serialise(policy)
                used = _admit(policy, nonce, needs) or used
                after = serialise(policy)
                edited.append(text if after == before else after)
            value = ",".join(edited).encode("latin-1")
        out.append((name, value))
    return tuple(out), nonce if used else ""


def parse(text: str) -> Policy:
    """Directives by lower-case name; of duplicates the first counts, as in a browser."""
    policy: Policy = {}
    for directive in text.split(";"):
        words = directive.split()
        if words:
            policy.setdefault(words[0].lower(), words[1:])
    return policy


def serialise(policy: Policy) -> str:
    return "; ".join(" ".join([name, *sources]) for name, sources in policy.items())


_SCRIPT: Final = ("script-src-elem", "script-src", "default-src")
_CONNECT: Final = ("connect-src", "default-src")


def _sources(policy: Policy, chain: Sequence[str]) -> list[str] | None:
    """The sources of the first directive of a fallback chain that the policy has."""
    return next((policy[name] for name in chain if name in policy), None)


def _nonce_of(sources: Sequence[str]) -> str:
    return next((m[1] for s in sources if (m := _NONCE.fullmatch(s))), "")


def _admit(policy: Policy, nonce: str, needs: Needs) -> bool:
    """Edit one policy in place. True when the snippet needs the nonce because of it."""
    scripts = _sources(policy, _SCRIPT)
    needs_nonce = False
    if scripts is not None:
        lower = [s.lower() for s in scripts]
        if "'unsafe-inline'" in lower and not any(_BINDING.match(s) for s in lower):
            # A nonce here would switch 'unsafe-inline' off and stop the page's own scripts. The
            # inline snippet runs as it is; the scripts that it loads need their path allowed.
            if not {"'self'", "*"} & set(lower):
                _add(policy, _SCRIPT, needs.scripts)
        else:
            needs_nonce = True
            _add(policy, _SCRIPT, [f"'nonce-{nonce}'"])
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
        if name.lower() == _HEADERS[0]
        for policy in map(parse, value.decode("latin-1").split(","))
    )
