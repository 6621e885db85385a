"""When each client is to be looked at next: one greenlet for thousands, in place of a timer for each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn, Protocol

import gevent

from app.web.giving_way import give_way

_TICK_SECONDS = 0.1
# Clients that are looked at in one go: alerts must not wait for all that are due at once.
_BATCH = 100

if TYPE_CHECKING:
    from collections.abc import Sequence


class Watched(Protocol):
    """Something that is due at some time."""

    def look(self, now: float) -> None:
        """Do what is due at `now`; never fails."""


class Deadlines:
    """Times are monotonic; what is due is looked at up to a tenth of a second late, and never early."""

    def __init__(self) -> None:
        self._by_tick: dict[int, list[Watched]] = {}
        self._tick = int(time.monotonic() / _TICK_SECONDS)

    def add(self, at: float, watched: Watched) -> None:
        """Look at `watched` once `at` has come."""
        tick = max(int(at / _TICK_SECONDS), self._tick) + 1
        self._by_tick.setdefault(tick, []).append(watched)

    def run(self) -> NoReturn:
        """Look for ever."""
        while True:
            gevent.sleep(_TICK_SECONDS)
            until = int(time.monotonic() / _TICK_SECONDS)
            while self._tick < until:
                self._tick += 1
                self._look_at(self._by_tick.pop(self._tick, ()))

    def _look_at(self, due: Sequence[Watched]) -> None:
        for start in range(0, len(due), _BATCH):
            now = time.monotonic()
            for watched in due[start : start + _BATCH]:
                watched.look(now)
            give_way()
