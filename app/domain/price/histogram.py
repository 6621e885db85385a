"""How often each amount occurs, on a logarithmic scale with 200 bins a decade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.not_enough_data import NotEnoughDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS_PER_DECADE = 200
_LOWEST_DECADE, _DECADES = -6, 12

# The powers are Python's: they are exact at whole decades, where round amounts of bitcoin lie.
EDGES_BTC = np.array(
    [0.0]
    + [
        10 ** (decade + part / BINS_PER_DECADE)
        for decade in range(_LOWEST_DECADE, _LOWEST_DECADE + _DECADES)
        for part in range(BINS_PER_DECADE)
    ]
)
EDGES_BTC.flags.writeable = False

# From 1,000 sat to below 100 BTC.
_FIRST, _AFTER_LAST = 201, 1601

# Bins that begin at 1k, 10k, 20k, 30k, 50k, 100k, 200k, 300k, 500k sat, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5 and
# 1 BTC: round in bitcoin, so they say nothing about dollars. No two are neighbours.
_ROUND_BTC = np.array(
    [201, 401, 461, 496, 540, 601, 661, 696, 740, 801, 861, 896, 940, 1001, 1061, 1096, 1140, 1201], dtype=np.intp
)

_HIGHEST_SHARE = 0.008


def amount_shares(amounts_btc: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the amounts in each of the 2401 bins, without round bitcoin amounts and capped.

    Bin i holds EDGES_BTC[i] <= amount < EDGES_BTC[i + 1].

    Args:
        amounts_btc: Amounts above 0, any order.

    Raises:
        NotEnoughDataError: No amount lies between 1,000 sat and 100 BTC.
    """
    bins = np.searchsorted(EDGES_BTC, amounts_btc, side="right") - 1
    counts = np.bincount(bins, minlength=len(EDGES_BTC)).astype(np.float64)
    counts[:_FIRST] = 0
    counts[_AFTER_LAST:] = 0
    counts[_ROUND_BTC] = (counts[_ROUND_BTC - 1] + counts[_ROUND_BTC + 1]) / 2
    used = counts[_FIRST:_AFTER_LAST]
    total = sum_in_order(used)
    if total == 0:
        raise NotEnoughDataError("no payment between 1,000 sat and 100 BTC is in the window")
    counts[_FIRST:_AFTER_LAST] = np.minimum(used / total, _HIGHEST_SHARE)
    return counts


def sum_in_order(values: NDArray[np.float64]) -> float:
    """Return the sum, added from left to right: `np.sum` adds in pairs, and its last bit differs."""
    return float(np.cumsum(values)[-1]) if len(values) else 0.0
