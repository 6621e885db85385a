"""The course of time and price over a chain."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from tests.chains.config import Config

_DAY_SECONDS = 86_400
_SPACING_SECONDS = 600.0


def header_times(random: np.random.RandomState, config: Config) -> NDArray[np.int64]:
    """Return the header time of each block, in seconds since 1970 UTC; not all lie after their parent's.

    Those of the window lie inside the day; with the midnight quirk three blocks are stamped on the wrong side of it.
    """
    midnight = int(datetime.fromisoformat(config.day).replace(tzinfo=UTC).timestamp())
    inside = midnight + _seconds_of_day(random, config.blocks)
    before = midnight - 30 - _steady(random, config.pre)[::-1]
    after = midnight + _DAY_SECONDS + 30 + _steady(random, config.post)
    if config.midnight_quirk:
        before[-2] = midnight + 40
        inside[2] = midnight - 20
        inside[-3] = midnight + _DAY_SECONDS + 15
    return np.concatenate([before, inside, after])


def price_path_usd(random: np.random.RandomState, config: Config) -> NDArray[np.float64]:
    """Return the price at each block, in USD per BTC: a random walk that is centred over the window."""
    walk = np.cumsum(random.standard_normal(config.total) * config.vol / math.sqrt(config.blocks))
    walk -= walk[config.inside.start : config.inside.stop].mean()
    path: NDArray[np.float64] = config.price * np.exp(walk)
    return path


def _seconds_of_day(random: np.random.RandomState, count: int) -> NDArray[np.int64]:
    gaps = random.exponential(1.0, count + 1)
    seconds: NDArray[np.int64] = 1 + np.floor(np.cumsum(gaps)[:-1] / gaps.sum() * (_DAY_SECONDS - 3)).astype(np.int64)
    seconds += random.randint(-900, 901, count)
    return np.minimum(np.maximum(seconds, 1), _DAY_SECONDS - 1)


def _steady(random: np.random.RandomState, count: int) -> NDArray[np.int64]:
    return np.cumsum(random.exponential(_SPACING_SECONDS, count)).astype(np.int64)
