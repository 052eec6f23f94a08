"""What of the traffic is kept for agents, and found again for the page that names it. Pure."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from proxy_addon.assets import EVERYBODY, Assets, Coming, is_redirect, media_type, owner_of
from proxy_addon.coding import codings_of
from proxy_addon.fields import Values
from proxy_addon.naming import Found, find_all
from proxy_addon.page import Visit, length_of
from proxy_addon.settings import AssetSettings

MAX_GIVEN: Final = 50_000


class Keeper:
    """Decides what of the traffic is kept, and finds it again for the page that names it."""

    def __init__(self, settings: AssetSettings) -> None:
        self._file_cap_bytes = settings.file_mb * 1024 * 1024
        self.is_on = settings.memory_mb > 0
        self._assets = Assets(settings)
        # What the relay has been given of a session: upload key and id to the file's digest.
        self._given: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def coming(
        self, visit: Visit, path: str, status: int, values: Values, now: float
    ) -> Coming | None:
        """What a response to a GET goes through, if it may be worth keeping.

        Args: path: with its query. values: of the response's fields, as the visitor gets them.
        """
        request = visit.values
        url = visit.sides.visitor + path
        kind = media_type(status, request, values)
        leads_on = is_redirect(status, request, values)
        codings = codings_of(values.get("content-encoding", ""))
        if not self.is_on or not (kind or leads_on) or codings is None:
            return None
        owner = owner_of(visit.assets_of, request, values, has_cookies=visit.has_cookies)
        if owner is None:
            return None
        if leads_on:
            self._assets.keep_redirect(owner, url, values["location"], now)
            return None
        if (length_of(values) or 0) > self._file_cap_bytes:
            return None
        return Coming(owner, url, kind, codings, self._file_cap_bytes)

    def came(self, coming: Coming, now: float) -> None:
        """All of a response is through."""
        if asset := coming.asset():
            self._assets.keep(coming.owner, coming.url, asset, now)

    def found(
        self, visitor: str, key: str, named: Mapping[str, str], now: float, *, again: bool
    ) -> Found:
        """What a page names, of the files that its visitor got.

        Args: key: of the session. again: what the relay has been given before, too.
        """
        found = find_all(
            named,
            lambda url: self._assets.find(visitor, url, now),
            lambda url: self._assets.find(EVERYBODY, url, now),
            self._file_cap_bytes,
        )
        fresh = []
        for file in found.files:
            digest = hashlib.sha256(file.body).digest()
            if again or self._given.get((key, file.id)) != digest:
                fresh.append(file)
                self._given[key, file.id] = digest
        while len(self._given) > MAX_GIVEN:
            self._given.popitem(last=False)
        return Found(found.asked, fresh)
