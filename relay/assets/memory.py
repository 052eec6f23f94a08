"""Files in this process, for one relay by itself."""

from collections import OrderedDict
from typing import Final

from relay.assets import SESSION_CAP_BYTES, Asset

TOTAL_CAP_BYTES: Final = 512 * 1024 * 1024
# Each entry costs some memory beside its bytes.
_ENTRY_BYTES: Final = 512


class MemoryAssets:
    """Limits: TOTAL_CAP_BYTES for all sessions: those that got a file least lately lose theirs."""

    def __init__(
        self, cap_bytes: int = TOTAL_CAP_BYTES, session_cap_bytes: int = SESSION_CAP_BYTES
    ) -> None:
        self._cap_bytes, self._session_cap_bytes = cap_bytes, session_cap_bytes
        self._sessions: OrderedDict[str, dict[str, Asset]] = OrderedDict()
        self._sizes: dict[str, int] = {}

    async def put(self, session: str, asset_id: str, asset: Asset) -> bool:
        files = self._sessions.setdefault(session, {})
        self._sessions.move_to_end(session)
        size = self._sizes.get(session, 0) + _size(asset) - _size(files.get(asset_id))
        if size > self._session_cap_bytes:
            return False
        files[asset_id] = asset
        self._sizes[session] = size
        while sum(self._sizes.values()) > self._cap_bytes:
            await self.drop(next(iter(self._sessions)))
        return True

    async def get(self, session: str, asset_id: str) -> Asset | None:
        return self._sessions.get(session, {}).get(asset_id)

    async def missing(self, session: str, asset_ids: list[str]) -> list[str]:
        files = self._sessions.get(session, {})
        return [asset_id for asset_id in asset_ids if asset_id not in files]

    async def drop(self, session: str) -> None:
        self._sessions.pop(session, None)
        self._sizes.pop(session, None)

    async def close(self) -> None:
        pass


def _size(asset: Asset | None) -> int:
    return _ENTRY_BYTES + len(asset.body or b"") if asset is not None else 0
