"""How often blocks come, and how regularly: learned from those that came."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from statistics import fmean, median

TARGET_SECONDS = 600.0
# Enough to know the pace, few enough to follow when somebody changes it.
_REMEMBERED = 25
# A chain that was stopped for a night has not become slow.
_LONGEST_MEDIANS = 6.0
_SHORTEST_SECONDS = 0.01
# About as regular as blocks between half and one and a half times their mean.
_MOST_PHASES = 12


class BlockTimes:
    """Blocks come as the end of `phases` steps in a row, each exponential with the same mean.

    One phase is proof of work: how long it has taken already says nothing about how long it will. A chain that somebody
    mines by a clock has several.

    Args:
        certainty_blocks: How many blocks' worth of evidence stand for one phase and 600 seconds. Many where there is
            proof of work, one where anybody may mine as he likes.
    """

    def __init__(self, certainty_blocks: float) -> None:
        self._certainty = certainty_blocks
        self._times: deque[float] = deque(maxlen=_REMEMBERED)
        self.mean_seconds = TARGET_SECONDS
        self.phases = 1

    def came(self, at: float) -> None:
        """Learn that a block came. Times are Unix times, mostly rising."""
        self._times.append(at)
        gaps = [max(_SHORTEST_SECONDS, after - before) for before, after in pairwise(self._times)]
        if gaps:
            self._learn(gaps)

    def since_last(self, now: float) -> float:
        """Return the seconds since the last block; 0 when none was seen."""
        return max(0.0, now - self._times[-1]) if self._times else 0.0

    def phases_left(self, now: float) -> list[float]:
        """Return the probability that 1, 2, ... phases are left until the next block, after the time it took so far."""
        passed = self.phases * self.since_last(now) / self.mean_seconds
        # Of k phases done: passed^k / k!, as events of a Poisson process of which fewer than `phases` happened.
        logs = [done * math.log(passed or 1e-9) - math.lgamma(done + 1) for done in range(self.phases)]
        weights = [math.exp(each - max(logs)) for each in reversed(logs)]
        return [weight / sum(weights) for weight in weights]

    def probability_within(self, seconds: float, now: float) -> float:
        """Return the probability that the next block comes within so many seconds from now."""
        steps = self.phases * seconds / self.mean_seconds
        fewer = 0.0
        still = 0.0
        for left, probability in enumerate(self.phases_left(now)):
            fewer += math.exp(-steps) * steps**left / math.factorial(left)
            still += probability * fewer
        return max(0.0, 1.0 - still)

    def _learn(self, gaps: list[float]) -> None:
        longest = _LONGEST_MEDIANS * median(gaps)
        bounded = [min(gap, longest) for gap in gaps]
        mean, count = fmean(bounded), len(bounded)
        share = count / (count + self._certainty)
        # Between paces that differ twentyfold, the middle is that of their logarithms.
        self.mean_seconds = TARGET_SECONDS ** (1 - share) * mean**share
        spread = fmean((gap / mean - 1) ** 2 for gap in bounded)
        irregularity = (1 - share) + share * spread
        self.phases = max(1, min(_MOST_PHASES, round(1 / irregularity)))
