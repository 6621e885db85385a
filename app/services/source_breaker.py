"""A memory of which sources of blocks failed, and for how long each is left alone."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Doubling this often is beyond every longest delay.
_DOUBLINGS_MAX = 20


@dataclass(frozen=True, slots=True)
class Delays:
    """How long a source is left alone: after its first failure, doubled with each further one, and at the longest."""

    first_seconds: float
    longest_seconds: float

    def after(self, failures: int) -> float:
        """Return the seconds after the last of `failures` in a row, at least one."""
        return min(self.first_seconds * 2.0 ** min(failures - 1, _DOUBLINGS_MAX), self.longest_seconds)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is remembered of a source that failed.

    Attributes:
        failures: How often in a row.
        not_before: Seconds since 1970 until which it is left alone.
    """

    failures: int
    not_before: float


class Memory(Protocol):
    """Keeps troubles by the names of sources, from one process to the next; never raises."""

    def load(self) -> dict[str, Trouble]:
        """Return what was saved last; nothing when that cannot be read."""

    def save(self, troubles: Mapping[str, Trouble]) -> None:
        """Replace what was saved, if that can be done."""


class SourceBreaker:
    """Answers `app.services.block_source.Breaker`, for several threads; the memory is read when first needed."""

    def __init__(self, memory: Memory, delays_of: Callable[[str], Delays], clock: Callable[[], float]) -> None:
        self._memory = memory
        self._delays_of = delays_of
        self._clock = clock
        self._lock = Lock()
        self._loaded: dict[str, Trouble] | None = None

    def is_open(self, name: str) -> bool:
        """Return whether the source failed so recently that it should be left alone."""
        with self._lock:
            trouble = self._troubles().get(name)
        if trouble is None:
            return False
        # A time further away than any that we set comes from a clock that was wrong.
        return 0 < trouble.not_before - self._clock() <= self._delays_of(name).longest_seconds

    def failed(self, name: str) -> None:
        """Leave the source alone, for longer with each failure in a row."""
        with self._lock:
            troubles = self._troubles()
            failures = troubles[name].failures + 1 if name in troubles else 1
            troubles[name] = Trouble(failures, self._clock() + self._delays_of(name).after(failures))
            self._memory.save(troubles)

    def worked(self, name: str) -> None:
        """Forget the failures of the source."""
        with self._lock:
            if self._troubles().pop(name, None) is not None:
                self._memory.save(self._troubles())

    def _troubles(self) -> dict[str, Trouble]:
        if self._loaded is None:
            self._loaded = self._memory.load()
        return self._loaded
