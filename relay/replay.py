"""What a late agent needs: the newest keyframe and all frames behind it. Pure."""

from typing import Final

REPLAY_CAP_BYTES: Final = 4 * 1024 * 1024
REPLAY_CAP_FRAMES: Final = 2_000
# An agent's page takes almost half a millisecond for each: with more it does not come up at once.
REPLAY_LONG_FRAMES: Final = 400


class ReplayBuffer:
    """Frames from the newest keyframe on, capped in bytes and in number.

    Past the cap it forgets all and waits for the next keyframe: a gap would show the agent a page
    that never was. The keyframe itself does not count: a new one would be as large.
    """

    def __init__(
        self,
        cap_bytes: int = REPLAY_CAP_BYTES,
        cap_frames: int = REPLAY_CAP_FRAMES,
        long_frames: int = REPLAY_LONG_FRAMES,
    ) -> None:
        self._cap_bytes, self._cap_frames = cap_bytes, cap_frames
        self._long_frames = long_frames
        self._frames: list[bytes] = []
        self._size_bytes = 0

    @property
    def frames(self) -> list[bytes]:
        """Empty until a keyframe came."""
        return list(self._frames)

    @property
    def wants_keyframe(self) -> bool:
        """A new keyframe would help: there is none, the room runs short, or replay takes long."""
        return (
            not self._frames
            or self._size_bytes > self._cap_bytes * 3 // 4
            or len(self._frames) > self._long_frames
        )

    def add(self, frame: bytes, *, keyframe: bool) -> None:
        if keyframe:
            self._frames, self._size_bytes = [frame], 0
        elif self._frames:
            self._frames.append(frame)
            self._size_bytes += len(frame)
            if self._size_bytes > self._cap_bytes or len(self._frames) > self._cap_frames:
                self.clear()

    def clear(self) -> None:
        self._frames, self._size_bytes = [], 0
