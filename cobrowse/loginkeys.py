"""Login keys for operators: makes one, and says why one is refused."""

import re
import time
from typing import Final

from cobrowse import config
from relay.auth import LOGIN_KEY_MAX_AGE_S, make_login_key
from relay.settings import GroupSettings, Settings

_SHAPE: Final = re.compile(r"\$1\$([0-9]{1,12})\$([A-Za-z0-9_-]{43})")


def make(path: str, group: str, user: str, ttl_s: int) -> str:
    """A login key by the config file's API key. Raises: ValueError, ConfigError."""
    if not 0 < ttl_s <= LOGIN_KEY_MAX_AGE_S:
        raise ValueError(f"--ttl must be 1 to {LOGIN_KEY_MAX_AGE_S} seconds")
    if not user:
        raise ValueError("--user must name the agent")
    settings = config.load(path)[1]
    group = group or _only_group(settings)
    if group not in settings.groups or not settings.groups[group].api_key:
        raise ValueError(f"{path} has no group {group!r} with an api_key")
    return make_login_key(group, user, settings.groups[group].api_key, int(time.time()) + ttl_s)


def check(path: str, group: str, user: str, key: str) -> tuple[bool, str]:
    """Whether the relay accepts a login key, and a text that says why. Raises: ConfigError."""
    settings = config.load(path)[1]
    group = group or _only_group(settings)
    problems = problems_of(settings, group, user, key, time.time())
    if problems:
        return False, "Refused:\n" + "\n".join(f"  - {problem}" for problem in problems)
    values = settings.groups[group]
    expiry = int(key.split("$")[2])
    lines = [f"Accepted for another {expiry - int(time.time())} s."]
    lines.append(f"Role: {'administrator' if user in values.admins else 'agent'}.")
    if key != make_login_key(group, user, values.api_key, expiry):
        lines.append("It is signed with previous_api_key: who makes it needs the new one.")
    if values.loginkey_single_use:
        lines.append("It counts once; whether it was used was not looked at.")
    return True, "\n".join(lines)


def problems_of(settings: Settings, group: str, user: str, key: str, now: float) -> list[str]:
    """Everything that keeps a login key from being accepted. Pure."""
    found = []
    values = settings.groups.get(group)
    if values is None:
        known = ", ".join(settings.groups) or "none"
        found.append(f"group unknown: there is no [groups.{group}]; there is: {known}")
    elif not values.api_key:
        found.append(f"group closed: [groups.{group}] has no api_key, so nobody can log in")
    elif not values.admits(user):
        found.append(f"user shut out: {user!r} is not in `agents` of [groups.{group}]")
    shape = _SHAPE.fullmatch(key)
    if shape is None:
        return [*found, f"malformed: {_malformed(key)}"]
    expiry, skew_s = int(shape[1]), settings.relay.clock_skew_s
    if now >= expiry + skew_s:
        found.append(f"expired: {int(now) - expiry} s ago, by the clock of this machine")
    if expiry > now + LOGIN_KEY_MAX_AGE_S + skew_s:
        hint = " (it looks like milliseconds)" if expiry > 1000 * now * 0.9 else ""
        found.append(
            f"too far ahead: it expires in {expiry - int(now)} s{hint}; "
            f"{LOGIN_KEY_MAX_AGE_S} are allowed"
        )
    if values is not None and values.api_key:
        keys = [make_login_key(group, user, api_key, expiry) for api_key in values.api_keys()]
        if key not in keys:
            found.append(f"wrong key: {_wrong(settings, values, group, user, key, expiry)}")
    return found


def _malformed(key: str) -> str:
    parts = key.split("$")
    if key != key.strip():
        return "there is white space around it"
    if "%24" in key:
        return "it is percent-encoded: decode it once"
    if len(parts) != 4 or parts[0]:
        return "it must be $1$expiry$signature (in a shell, put it into single quotes)"
    if parts[1] != "1":
        return f"its version is {parts[1]!r}, and must be 1"
    if not re.fullmatch("[0-9]{1,12}", parts[2]):
        return f"its expiry is {parts[2]!r}, and must be Unix seconds"
    signature = parts[3]
    if signature.endswith("="):
        return "its signature has padding (=), which must be taken off"
    if re.search("[+/]", signature):
        return "its signature is in base64 with + and /, and must be in base64url with - and _"
    if re.fullmatch("[0-9A-Fa-f]{64}", signature):
        return "its signature is in hex, and must be in base64url"
    return f"its signature has {len(signature)} characters, and must have 43 of base64url"


def _wrong(
    settings: Settings, values: GroupSettings, group: str, user: str, key: str, expiry: int
) -> str:
    for other, other_values in settings.groups.items():
        if other != group and key in (
            make_login_key(name, user, api_key, expiry)
            for api_key in other_values.api_keys()
            for name in (group, other)
        ):
            return f"it is signed for, or with the api_key of, the group {other}"
    for api_key in values.api_keys():
        if key == make_login_key(group, user.lower(), api_key, expiry):
            return f"it is signed for the user {user.lower()!r}; case counts"
    return (
        "the signature is of another API key, another user or another group "
        "(what is signed: group, user, 1, expiry, with nothing between them)"
    )


def _only_group(settings: Settings) -> str:
    return next(iter(settings.groups)) if len(settings.groups) == 1 else ""
