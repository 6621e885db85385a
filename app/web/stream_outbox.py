"""What is on its way to one client: ordered, bounded by bytes, and never waited for."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Protocol

import gevent
from gevent.event import Event

if TYPE_CHECKING:
    from gevent._types import _IoWatcher

_WRITABLE = 2


class Sender(Protocol):
    """Whose outbox it is."""

    def fall_behind(self) -> None:
        """Take notice that more would have to wait than may; the frame in question is dropped."""

    def release(self) -> None:
        """Take notice that the client is gone."""


class Outbox:
    """Writes whole frames to a non-blocking descriptor; what the kernel does not take waits here.

    Most clients keep up, so what only others need is made when it is needed.

    Args:
        descriptor: Of the socket; `close` must be called before it is.
        limit_bytes: That may wait.
        sender: Told what goes wrong.
    """

    __slots__ = (
        "_descriptor",
        "_head_begun",
        "_is_last",
        "_limit_bytes",
        "_room",
        "_sender",
        "_waiting",
        "_writable",
        "waiting_bytes",
    )

    def __init__(self, descriptor: int, limit_bytes: int, sender: Sender) -> None:
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._sender = sender
        self._waiting: deque[bytes] | None = None
        self._head_begun = False
        self._is_last = False
        self._writable: _IoWatcher | None = None
        self._room: Event | None = None
        self.waiting_bytes = 0

    @property
    def free_bytes(self) -> int:
        """Return how much more may wait."""
        return self._limit_bytes - self.waiting_bytes

    def send(self, frame: bytes) -> None:
        """Write `frame`, or several in a row, after those that wait; after `finish` or a break, drop it."""
        if self._is_last:
            return
        if not self._waiting:
            self._write_at_once(frame)
        elif self.waiting_bytes + len(frame) > self._limit_bytes:
            self._sender.fall_behind()
        else:
            self._keep(frame)

    def finish(self, frame: bytes) -> None:
        """Write `frame` as the last one, in place of all that wait; only one that was begun is completed first."""
        if self._is_last:
            return
        self._is_last = True
        if self._waiting and self._head_begun:
            head = self._waiting[0]
            self._waiting.clear()
            self.waiting_bytes = 0
            self._keep(head)
            self._keep(frame)
        else:
            self._stop_waiting()
            self._write_at_once(frame)

    def wait_for_room(self, timeout_seconds: float) -> bool:
        """Return whether at least half of the limit became free within `timeout_seconds`, or somebody called `wake`."""
        if self._has_room():
            return True
        self._room = self._room or Event()
        return bool(self._room.wait(timeout_seconds))

    def wake(self) -> None:
        """Let whoever waits for room go on, though there is none."""
        if self._room is not None:
            self._room.set()
            self._room = None

    def close(self) -> None:
        """Drop what waits and let go of the descriptor."""
        self._is_last = True
        self._stop_waiting()

    def _write_at_once(self, frame: bytes) -> None:
        try:
            written = os.write(self._descriptor, frame)
        except BlockingIOError:
            written = 0
        except OSError:
            self._break()
            return
        if written < len(frame):
            self._head_begun = written > 0
            self._keep(frame[written:])

    def _keep(self, frame: bytes) -> None:
        if self._waiting is None:
            self._waiting = deque()
            self._writable = gevent.get_hub().loop.io(self._descriptor, _WRITABLE)
            self._writable.start(self._flush)
        self._waiting.append(frame)
        self.waiting_bytes += len(frame)

    def _flush(self) -> None:
        try:
            while self._waiting:
                head = self._waiting[0]
                written = os.write(self._descriptor, head)
                self.waiting_bytes -= written
                self._head_begun = written < len(head)
                if self._head_begun:
                    self._waiting[0] = head[written:]
                else:
                    self._waiting.popleft()
            self._stop_waiting()
        except BlockingIOError:
            self._tell_of_room()
        except OSError:
            self._break()

    def _break(self) -> None:
        self.close()
        self._sender.release()

    def _stop_waiting(self) -> None:
        self._waiting = None
        self.waiting_bytes = 0
        if self._writable is not None:
            self._writable.stop()
            self._writable.close()
            self._writable = None
        self._tell_of_room()

    def _has_room(self) -> bool:
        return self.waiting_bytes <= self._limit_bytes // 2

    def _tell_of_room(self) -> None:
        if self._has_room():
            self.wake()
