"""Files in Redis or Valkey, for several relays."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from relay.assets import SESSION_CAP_BYTES, Asset, AssetError

PREFIX: Final = "cobrowse:assets:"
# Beyond what any session lasts; each file that comes begins it anew.
KEEP_S: Final = 12 * 3600
ASK_TIMEOUT_S: Final = 5.0
_SIZE: Final = "size"

# One hash for each session: its files by id, and how large they are together.
_PUT: Final = """
local before = redis.call('HSTRLEN', KEYS[1], ARGV[1])
local size = tonumber(redis.call('HGET', KEYS[1], ARGV[4]) or '0') + #ARGV[2] - before
if size > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], ARGV[4], size)
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class RedisAssets:
    """Args: url: as the broker's."""

    def __init__(self, url: str, session_cap_bytes: int = SESSION_CAP_BYTES) -> None:
        self._session_cap_bytes = session_cap_bytes
        self._redis = redis.asyncio.from_url(
            url,
            socket_timeout=ASK_TIMEOUT_S,
            socket_connect_timeout=ASK_TIMEOUT_S,
            protocol=2,
        )
        self._put = self._redis.register_script(_PUT)

    async def put(self, session: str, asset_id: str, asset: Asset) -> bool:
        packed = msgspec.msgpack.encode((asset.media_type, asset.body))
        values: list[Any] = [asset_id, packed, self._session_cap_bytes, _SIZE, KEEP_S]
        with _asking():
            return bool(await self._put(keys=[PREFIX + session], args=values))

    async def get(self, session: str, asset_id: str) -> Asset | None:
        with _asking():
            packed: Any = await self._redis.hget(PREFIX + session, asset_id)
        if packed is None:
            return None
        return Asset(*msgspec.msgpack.decode(packed, type=tuple[str, bytes | None]))

    async def missing(self, session: str, asset_ids: list[str]) -> list[str]:
        with _asking():
            async with self._redis.pipeline(transaction=False) as asking:
                for asset_id in asset_ids:
                    asking.hexists(PREFIX + session, asset_id)
                known = await asking.execute()
        there = zip(asset_ids, known, strict=True)
        return [asset_id for asset_id, is_there in there if not is_there]

    async def drop(self, session: str) -> None:
        with _asking():
            await self._redis.delete(PREFIX + session)

    async def close(self) -> None:
        await self._redis.aclose()


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise AssetError(f"{type(error).__name__}: {error}") from error
