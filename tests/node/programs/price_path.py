"""The true price of the demonstration: everyone pays by it, and nobody needs to store it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from statistics import fmean

_HOUR = 3600.0
_DAY = 24 * _HOUR
# Share of the price, and period. Slow enough that the mean of a day lies within 1 % of the price at its end.
_WAVES = ((0.015, 11 * _DAY), (0.0015, 1.7 * _DAY), (0.001, 7 * _HOUR), (0.0005, 1.3 * _HOUR))


class PricePath:
    """USD per BTC as a pure function of a seed and of time.

    Args:
        seed: Shifts the waves.
        base_usd: What the price moves around.
    """

    def __init__(self, seed: int, base_usd: float) -> None:
        self._base_usd = base_usd
        phases = random.Random(f"price/{seed}")
        self._waves = [(share, period, phases.uniform(0, 2 * math.pi)) for share, period in _WAVES]

    def usd_at(self, unix_time: float) -> float:
        """Return the price at `unix_time`, in seconds."""
        move = sum(share * math.sin(2 * math.pi * unix_time / period + phase) for share, period, phase in self._waves)
        return self._base_usd * math.exp(move)

    def mean_usd(self, unix_times: Iterable[float]) -> float:
        """Return the mean of the prices at these times, of which there is at least one."""
        return fmean(self.usd_at(when) for when in unix_times)
