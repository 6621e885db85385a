"""How many amounts are near round numbers of dollars, and how near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.points import ROUND_USD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.price.log_payments import LogPayments

_NEAR, _VERY_NEAR = 0.05, 0.01
# Of the points within 5 % that lie there by chance, one in four is beyond 1 % for each that is within.
_CHANCE = 4
_ENDS = np.log(np.multiply.outer(ROUND_USD, [1 / (1 + _NEAR), 1 / (1 - _NEAR)])).ravel()


@dataclass(frozen=True, slots=True)
class RoundPoints:
    """Points within 5 % of the price, each an amount that is some round number of dollars, if a bit off.

    Attributes:
        offsets: What each implies over the price at its block, minus 1.
        signal: Those within 1 % in excess of what the others make one expect, in standard deviations.
        spread_percent: Median distance from the price; 0 without points.
    """

    offsets: NDArray[np.float64]
    signal: float
    spread_percent: float


def round_points(payments: LogPayments, log_usd: NDArray[np.float64]) -> RoundPoints:
    """Return the points around the price at each block (logarithm), by the round amounts of the published method."""
    log_dollars = payments.log_btc + log_usd[payments.block]
    # Odd places lie between the ends of an interval; no two intervals overlap.
    place = np.searchsorted(_ENDS, log_dollars)
    near = place % 2 == 1
    offsets = ROUND_USD[place[near] // 2] / np.exp(log_dollars[near]) - 1
    if not len(offsets):
        return RoundPoints(offsets, 0.0, 0.0)
    distances = np.abs(offsets)
    within = int((distances < _VERY_NEAR).sum())
    excess = within - (len(offsets) - within) / _CHANCE
    return RoundPoints(offsets, excess / (0.5 * len(offsets) ** 0.5), 100 * _median(distances))


def _median(values: NDArray[np.float64]) -> float:
    # np.median imports 10 ms of modules for missing values.
    middle = [(len(values) - 1) // 2, len(values) // 2]
    return float(np.partition(values, middle)[middle].mean())
