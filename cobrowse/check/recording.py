"""For mitmdump: the addon, between two others that keep what became of each page."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.http import HTTPFlow

from cobrowse.check.passages import BODY, LIST, MAX_BODY_BYTES, MAX_PLAIN_BYTES, Passage
from proxy_addon.addon import Cobrowse
from proxy_addon.coding import codings_of
from proxy_addon.compression import Broken, decoder
from proxy_addon.fields import Fields, by_name
from proxy_addon.policy import NOT_A_NAVIGATION, is_for_frame

_RECORD: Final = "cobrowse-recording"
_NOT_READ: Final = (NOT_A_NAVIGATION, "no body", "redirect")


@dataclass
class _Record:
    before: Fields
    counts: Counter[str]
    after: Fields = ()
    outcome: str = ""
    came: bytearray = field(default_factory=bytearray)
    went: bytearray = field(default_factory=bytearray)
    is_read: bool = False

    def learn(self, counts: Counter[str]) -> None:
        """What the addon has counted just now was counted for this page."""
        for outcome in counts - self.counts:
            self.outcome = self.outcome or outcome

    @property
    def is_kept(self) -> bool:
        return self.is_read and max(len(self.came), len(self.went)) <= MAX_BODY_BYTES


class Before:
    """Sees responses as they come."""

    def __init__(self, cobrowse: Cobrowse) -> None:
        self._cobrowse = cobrowse

    def load(self, loader: Loader) -> None:
        loader.add_option("cobrowse_recording", str, "", "Folder for what passes.")

    def responseheaders(self, flow: HTTPFlow) -> None:
        response = flow.response
        assert response is not None
        if response.raw_content is None:  # from the site: our own answers are here already
            counts = Counter(self._cobrowse.outcomes)
            flow.metadata[_RECORD] = _Record(response.headers.fields, counts)


class After:
    """Sees responses as they go on."""

    def __init__(self, cobrowse: Cobrowse) -> None:
        self._cobrowse = cobrowse
        self._number = 0

    def responseheaders(self, flow: HTTPFlow) -> None:
        record: _Record | None = flow.metadata.get(_RECORD)
        if record is None:
            return
        assert flow.response is not None
        record.after = flow.response.headers.fields
        record.learn(self._cobrowse.outcomes)
        way = flow.response.stream
        if callable(way) and not record.outcome:
            record.is_read = True
            flow.response.stream = functools.partial(self._pass, record, way)

    def _pass(
        self, record: _Record, way: Callable[[bytes], Any], chunk: bytes
    ) -> Iterable[bytes] | bytes:
        before = Counter(self._cobrowse.outcomes)
        out = way(chunk)
        record.counts = before
        record.learn(self._cobrowse.outcomes)
        if record.is_kept:
            record.came += chunk
            record.went += out if isinstance(out, bytes) else b"".join(out)
        return out  # type: ignore[no-any-return]

    def response(self, flow: HTTPFlow) -> None:
        record: _Record | None = flow.metadata.pop(_RECORD, None)
        if record is None or record.outcome in _NOT_READ or not ctx.options.cobrowse_recording:
            return
        assert flow.response is not None
        folder = Path(ctx.options.cobrowse_recording)
        is_frame = is_for_frame(by_name(flow.request.headers.fields))
        self._number += 1
        files = {}
        if record.is_kept and not is_frame:
            coding = by_name(record.before).get("content-encoding", "")
            came, went = _plain(record.came, coding), _plain(record.went, coding)
            if came is not None and went is not None:
                for name, body in (("came", came), ("went", went)):
                    files[name] = f"{self._number}.{name}{BODY}"
                    folder.joinpath(files[name]).write_bytes(body)
        asked = flow.request
        passage = Passage(
            # As browsers write it: mitmproxy's own has no brackets, and names in letters.
            url=f"{asked.scheme}://{asked.host_header or asked.authority}{asked.path}",
            status=flow.response.status_code,
            outcome=record.outcome,
            is_frame=is_frame,
            before=_text(record.before),
            after=_text(record.after),
            **files,
        )
        with folder.joinpath(LIST).open("ab") as list_of_them:
            list_of_them.write(msgspec.json.encode(passage) + b"\n")


def _plain(body: bytearray, named: str) -> bytes | None:
    """A body without its compression; None where that cannot be undone, or means too much."""
    codings = codings_of(named)
    if codings is None:
        return None
    plain = bytes(body)
    for coding in reversed(codings):
        found = bytearray()
        try:
            for piece in decoder(coding).decode(plain):
                found += piece
                if len(found) > MAX_PLAIN_BYTES:
                    return None
        except Broken:
            return None
        plain = bytes(found)
    return plain


def _text(fields: Fields) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


_cobrowse = Cobrowse()
# The browser of the check gets everywhere without the proxy, too.
_cobrowse.connections.refuses_private = False
addons = [Before(_cobrowse), _cobrowse, After(_cobrowse)]
