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
# What may be added between the second quarter of a life and the last: pages of the database, and the mempool's size.
_MOST_ADDED_MB, _MOST_ADDED_SHARE = 2.0, 0.05


class Sample(NamedTuple):
    """What a process uses; proportional set size, and resident set size."""

    at_seconds: float
    pss_mb: float
    rss_mb: float


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
        """What it needed in its second quarter and in its last, at times when nothing in particular happened."""
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
        most_added_mb = max(_MOST_ADDED_MB, _MOST_ADDED_SHARE * self.samples[0].pss_mb)
        return self.seconds >= _LEAST_JUDGED_SECONDS and self.added_mb > most_added_mb


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
    return sorted(each.pss_mb for each in samples)[len(samples) // 10]


def _sample(pid: int) -> Sample:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    kilobytes = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return Sample(time.monotonic(), kilobytes["Pss"] / 1000, kilobytes["Rss"] / 1000)
