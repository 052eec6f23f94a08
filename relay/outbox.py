"""Messages on their way to one slow or fast peer, capped in bytes. Pure."""

from collections import deque
from typing import Final

OUTBOX_CAP_BYTES: Final = 8 * 1024 * 1024


class Outbox:
    """A queue that never grows past its cap and never lets a peer see half a stream of frames.

    Over the cap, every queued frame goes and so does what comes, up to the next keyframe; control
    messages stay. A peer that takes nothing at all meanwhile is stuck.
    """

    __slots__ = ("_cap_bytes", "_needs_keyframe", "_overflows", "_queue", "_size_bytes", "stuck")

    def __init__(self, cap_bytes: int = OUTBOX_CAP_BYTES) -> None:
        self._cap_bytes = cap_bytes
        # Made only while something waits: there are many of these, and most are empty.
        self._queue: deque[str | bytes] | tuple[()] = ()
        self._size_bytes = 0
        self._needs_keyframe = True
        self._overflows = 0
        self.stuck = False

    def __len__(self) -> int:
        return len(self._queue)

    def push(self, message: str) -> None:
        """Queue a control message."""
        self._put(message)
        if self._size_bytes > self._cap_bytes:
            self._drop_frames()
            self._needs_keyframe = True
            self.stuck |= self._size_bytes > self._cap_bytes

    def push_frame(self, frame: bytes, *, keyframe: bool) -> bool:
        """Queue a capture frame. False when frames were dropped and a keyframe would help."""
        if keyframe:
            self._drop_frames()
            self._needs_keyframe = False
        elif self._needs_keyframe:
            return True
        elif self._size_bytes + len(frame) > self._cap_bytes:
            self._drop_frames()
            self._needs_keyframe = True
            self._overflows += 1
            self.stuck |= self._overflows > 1
            return False
        self._put(frame)
        return True

    def passes(self, *, keyframe: bool) -> bool:
        """Whether a frame may go straight to the peer, because nothing waits before it."""
        if self._queue or (self._needs_keyframe and not keyframe):
            return False
        self._needs_keyframe = False
        return True

    def pop(self) -> str | bytes | None:
        """The next message; None when all are gone."""
        if not self._queue:
            return None
        message = self._queue.popleft()
        if not self._queue:
            self._queue = ()
        self._size_bytes -= len(message)
        self._overflows = 0
        return message

    def _put(self, message: str | bytes) -> None:
        if not self._queue:
            self._queue = deque()
        self._queue.append(message)
        self._size_bytes += len(message)

    def _drop_frames(self) -> None:
        self._queue = deque(m for m in self._queue if isinstance(m, str))
        self._size_bytes = sum(map(len, self._queue))
