"""Work of some milliseconds in a process that has thousands of clients to listen to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import gevent
from gevent.lock import BoundedSemaphore

if TYPE_CHECKING:
    from collections.abc import Iterator

# Not 0: that lets other greenlets run, but gevent looks at no descriptor before it has been called some fifty times.
_NEXT_TO_NOTHING_SECONDS = 1e-9


def give_way() -> None:
    """Let all go first that have something to do, be it since something has come for them meanwhile."""
    gevent.sleep(_NEXT_TO_NOTHING_SECONDS)


class Turns:
    """For work that thousands may want to do at the same moment: a few at a time, and between them everyone else.

    Args:
        at_once: Pieces of work that may wait for something, such as the database, at one time.
    """

    def __init__(self, at_once: int) -> None:
        self._free = BoundedSemaphore(at_once)

    @contextmanager
    def one(self, timeout_seconds: float | None = None) -> Iterator[None]:
        """Wait for a turn, and give way at its end; raise TimeoutError if it does not come within `timeout_seconds`."""
        if not self._free.acquire(timeout=timeout_seconds):
            raise TimeoutError(f"no turn within {timeout_seconds} s")
        try:
            yield
            give_way()
        finally:
            self._free.release()
