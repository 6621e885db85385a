"""How much memory services use over time, and whether that grows."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.whales.parts import Part

_EVERY_SECONDS = 10.0
# Of a shorter life nothing can be said, and at first every service learns how much it needs.
_LEAST_JUDGED_SECONDS = 300.0
# Between the second quarter of a life and the last. What has a bound may differ by as much: pages of the database, 2
# for each connection; what left the mempool unread, 1; what was added lately, and what snapshots lack, 1 each.
_MOST_ADDED_MB = 4.0


class Sample(NamedTuple):
    """What a process uses.

    Attributes:
        at_seconds: When, by the monotonic clock.
        pss_mb: Proportional set size; it grows when others end that use the same files.
        own_mb: What it has allocated itself, and no file holds: all that can leak.
    """

    at_seconds: float
    pss_mb: float
    own_mb: float


class Life(NamedTuple):
    """One process from its first sample to its last.

    Attributes:
        name: Of the part.
        samples: Oldest first.
    """

    name: str
    samples: Sequence[Sample]

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.samples[-1].at_seconds - self.samples[0].at_seconds

    @property
    def at_rest_mb(self) -> tuple[float, float]:
        """What of its own it needed in its second quarter and in its last, when nothing in particular happened."""
        quarter = max(1, len(self.samples) // 4)
        early = self.samples[quarter : 2 * quarter] or self.samples
        return _at_rest_mb(early), _at_rest_mb(self.samples[-quarter:])

    @property
    def added_mb(self) -> float:
        """What lies between these."""
        early, late = self.at_rest_mb
        return late - early

    @property
    def grows(self) -> bool:
        """Whether it was long enough to tell, and needed more in the end."""
        return self.seconds >= _LEAST_JUDGED_SECONDS and self.added_mb > _MOST_ADDED_MB


class MemoryWatch:
    """Takes samples of `parts` in a thread until it is closed; a part that is down has none."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more."""
        self._is_closed.set()
        self._thread.join()

    def longest_lives(self) -> list[Life]:
        """Return the longest life of each part."""
        longest: dict[str, Life] = {}
        for (name, _), samples in list(self._samples.items()):
            life = Life(name, samples)
            if name not in longest or life.seconds > longest[name].seconds:
                longest[name] = life
        return list(longest.values())

    def _watch(self) -> None:
        while True:
            for part in self._parts:
                # It ends and begins meanwhile.
                with suppress(OSError, AssertionError, IndexError, KeyError):
                    pid = part.pid
                    self._samples[part.name, pid].append(_sample(pid))
            if self._is_closed.wait(_EVERY_SECONDS):
                return


def _at_rest_mb(samples: Sequence[Sample]) -> float:
    """Return the lowest tenth: a block or a burst takes ten megabytes more, for a second."""
    return sorted(each.own_mb for each in samples)[len(samples) // 10]


def _sample(pid: int) -> Sample:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    kilobytes = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return Sample(time.monotonic(), kilobytes["Pss"] / 1000, kilobytes["Anonymous"] / 1000)
