"""Time as it passes for this process: not while the process itself stood still."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_SECONDS = 0.05
# Of one tick at most: what is beyond it was a loop that something else had stopped.
_LONGEST_TICK_SECONDS = 0.2


class OwnTime:
    """A clock that loses the time in which no thread, or greenlet, of the process got its turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted_seconds_at = (0.0, clock())
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to tick; the thread ends with the process, or with `stop`."""
        threading.Thread(target=self._run, name="own time", daemon=True).start()

    def stop(self) -> None:
        """Tick no longer."""
        self._stopped.set()

    def seconds(self) -> float:
        """Return the seconds that passed for this process."""
        return self._counted(self._clock())

    def tick(self) -> None:
        """Count what passed since the last tick."""
        now = self._clock()
        # One assignment: another thread may read in between two.
        self._counted_seconds_at = (self._counted(now), now)

    def _counted(self, now: float) -> float:
        counted_seconds, ticked_at = self._counted_seconds_at
        return counted_seconds + min(now - ticked_at, _LONGEST_TICK_SECONDS)

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            self.tick()
