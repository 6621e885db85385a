"""What is on its way to one client: ordered, bounded by bytes, and never waited for."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable

_WRITABLE = 2


class Outbox:
    """Writes whole frames to a non-blocking descriptor; what the kernel does not take waits here.

    Args:
        descriptor: Of the socket; `close` must be called before it is.
        limit_bytes: That may wait.
        on_overflow: Called when more would have to wait; the frame in question is dropped.
        on_broken: Called once the client is found to be gone.
    """

    def __init__(
        self, descriptor: int, limit_bytes: int, on_overflow: Callable[[], None], on_broken: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._on_overflow = on_overflow
        self._on_broken = on_broken
        self._waiting: deque[bytes] = deque()
        self._head_begun = False
        self._is_last = False
        self._writable = gevent.get_hub().loop.io(descriptor, _WRITABLE)
        self._is_watching = False
        self._room = Event()
        self._room.set()
        self.waiting_bytes = 0

    def send(self, frame: bytes) -> None:
        """Write `frame` after those that wait; after `finish` or a break, drop it."""
        if self._is_last:
            return
        if self.waiting_bytes + len(frame) > self._limit_bytes:
            self._on_overflow()
            return
        self._append(frame)

    def finish(self, frame: bytes) -> None:
        """Write `frame` as the last one, in place of all that wait; only one that was begun is completed first."""
        if self._is_last:
            return
        self._is_last = True
        kept = [self._waiting[0]] if self._head_begun else []
        self._waiting = deque(kept)
        self.waiting_bytes = sum(map(len, kept))
        self._append(frame)

    def wait_for_room(self, timeout_seconds: float) -> bool:
        """Return whether at least half of the limit became free within `timeout_seconds`."""
        return bool(self._room.wait(timeout_seconds))

    def close(self) -> None:
        """Drop what waits and let go of the descriptor."""
        self._is_last = True
        self._waiting.clear()
        self.waiting_bytes = 0
        self._room.set()
        self._watch(False)  # noqa: FBT003 - as above
        self._writable.close()

    def _append(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self.waiting_bytes += len(frame)
        if len(self._waiting) == 1:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._waiting:
                head = self._waiting[0]
                written = os.write(self._descriptor, head)
                self.waiting_bytes -= written
                if written < len(head):
                    self._waiting[0] = head[written:]
                    self._head_begun = True
                else:
                    self._waiting.popleft()
                    self._head_begun = False
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            self._on_broken()
            return
        self._watch(bool(self._waiting))
        if self.waiting_bytes <= self._limit_bytes // 2:
            self._room.set()
        else:
            self._room.clear()

    def _watch(self, is_wanted: bool) -> None:  # noqa: FBT001 - the state to come to
        if is_wanted and not self._is_watching:
            self._writable.start(self._flush)
        elif self._is_watching and not is_wanted:
            self._writable.stop()
        self._is_watching = is_wanted
