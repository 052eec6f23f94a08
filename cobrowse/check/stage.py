"""Proxy and relay of the check's own: the user's rules for pages, and nothing of what runs."""

import asyncio
import contextlib
import time
import tomllib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
import tomli_w

import proxy_addon.settings as proxy_conf
from certs.authority import load
from cobrowse import config, forwarding, up
from cobrowse.check.passages import BODY, LIST, Passage
from cobrowse.processes import Processes, StartError, free_port, running
from proxy_addon.forward import Hosts
from relay.auth import make_login_key

GROUP: Final = "12345"
AGENT: Final = "check"
# Of [proxy], what makes a difference to a page.
_RULES: Final = (
    *("assets", "exclude", "ignore_no_transform", "include", "origin_ca", "origin_tls_min"),
    *("prefix", "reverse"),
)
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Stage:
    """proxy: its address. pin: of its authority's key. settings: what the proxy was told.

    hosts: that are opened. folder: of what the proxy records.
    """

    proxy: str
    pin: str
    relay: str
    group: str
    api_key: str
    settings: proxy_conf.Settings
    hosts: Hosts
    folder: Path
    processes: Processes

    def agent_view(self, key: str) -> str:
        """The agent's page of a session."""
        expiry = int(time.time()) + 600
        login = quote(make_login_key(self.group, AGENT, self.api_key, expiry))
        who = f"partnerid={self.group}&partneruserid={AGENT}&loginkey={login}"
        return f"{self.relay}/cobrowse/AgentView.aspx?SessionKey={key}&{who}"

    def passages(self) -> list[Passage]:
        """All pages that have passed until now, the oldest first."""
        path = self.folder / LIST
        # The last may be half written.
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [msgspec.json.decode(line, type=Passage) for line in lines]

    async def passage(self, urls: Container[str], status: int, after: int) -> Passage | None:
        """The page's own, which is written a moment after the browser has it.

        Args: urls: that may be its own, without fragments. status: of the response; one that asked
            for a password may have come first. after: how many had passed before it was asked for.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            for passage in self.passages()[after:]:
                if (passage.is_frame, passage.status) == (False, status) and passage.url in urls:
                    return passage
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.05)

    def body(self, name: str) -> bytes:
        return self.folder.joinpath(name).read_bytes()

    def forget_bodies(self) -> None:
        """Of pages that have been judged: a crawl would keep gigabytes."""
        for path in self.folder.glob(f"*{BODY}"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def serving(url: str, path: str | None, include: Sequence[str]) -> Iterator[Stage]:
    """Proxy and relay, until the end of the block.

    Args: url: of the site. path: the user's config file. include: further hosts that are opened.
    Raises: ConfigError, StartError, ValueError.
    """
    given = config.load(path or "")[0]
    host = urlsplit(url).hostname or ""
    with forwarding.own_folder() as folder, running() as processes:
        group, own = _own_config(host, path, given, folder)
        file = folder / "cobrowse.toml"
        file.write_bytes(tomli_w.dumps(own).encode())
        hosts = [*forwarding.site_of(url)[1], *include]
        if given.proxy.include:
            if not any(_may_hold(pattern, host) for pattern in given.proxy.include):
                raise StartError(f"include in {path} holds no page of {host}")
            hosts = list(include)
        forward = up.forward_of(str(file), hosts, folder / "certs", asks=False)
        at, relay_at = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        up.start(processes, str(file), "", at, relay_at, replace(forward, recording=folder))
        yield Stage(
            f"http://127.0.0.1:{at[1]}",
            load(forward.folder).pin,
            f"http://127.0.0.1:{relay_at[1]}",
            group,
            own["groups"][group]["api_key"],
            config.load(str(file))[0],
            Hosts([*given.proxy.include, *forward.include]),
            folder,
            processes,
        )


def _may_hold(pattern: str, host: str) -> bool:
    name = pattern.partition("/")[0].lower()
    return name == host or (name.startswith("*.") and host.endswith(name[1:]))


def _own_config(
    host: str, path: str | None, given: proxy_conf.Settings, folder: Path
) -> tuple[str, dict[str, Any]]:
    """The group that the site belongs to, and the check's config file."""
    raw = tomllib.loads(Path(path).expanduser().read_text("utf-8")) if path else {}
    found = given.group_for(host)
    if given.groups and found is None:
        raise StartError(f"no group in {path} is for {host}: name it in the group's hosts")
    group_id = found[0] if found else GROUP
    group = dict(raw.get("groups", {}).get(group_id, {}))
    group.pop("hosts", None)
    group.setdefault("api_key", "of-the-check-alone")
    rules = {key: value for key, value in raw.get("proxy", {}).items() if key in _RULES}
    own = {
        "token_secret_file": str(folder / "token_secret"),
        "proxy": rules,
        "relay": {"data_dir": str(folder)},
        "groups": {group_id: group},
    }
    return group_id, own
