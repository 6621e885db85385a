"""Prices that single amounts imply, each being some round number of dollars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.ranges import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUND_USD = np.array([5, 10, 15, 20, 25, 30, 40, 50, 100, 150, 200, 300, 500, 1000], dtype=np.float64)
_WIDTH = 0.25
ROUND_BTC_WIDTH = 0.0001


def price_points_usd(amounts_btc: NDArray[np.float64], rough_usd: int) -> NDArray[np.float64]:
    """Return the prices that amounts near a round number of dollars imply, in the order of the amounts.

    An amount counts for each dollar figure that it is within 25 % of at the rough price, unless it is round in bitcoin.

    Args:
        amounts_btc: Amounts, in any order.
        rough_usd: First price, above 0.
    """
    candidates = amounts_btc[~_within_any(amounts_btc, _LOWER, _UPPER)]
    expected_btc = ROUND_USD / rough_usd
    margin = _WIDTH * expected_btc
    # The figures whose interval an amount is in lie side by side: it is above the lower end of all before the last, and
    # below the upper end of all from the first on.
    firsts = np.searchsorted(expected_btc + margin, candidates, side="right")
    counts = np.searchsorted(expected_btc - margin, candidates, side="left") - firsts
    return np.asarray(ROUND_USD[ranges(firsts, counts)] / np.repeat(candidates, counts))


def _within_any(
    amounts_btc: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which amounts lie within any of the intervals around the round amounts of bitcoin, ends left out."""
    # Only two intervals overlap, at 0.01, which rounding reaches twice: so the last two that begin below decide.
    last = np.searchsorted(lower, amounts_btc, side="left") - 1
    inside = [(index >= 0) & (amounts_btc < upper[np.maximum(index, 0)]) for index in (last, last - 1)]
    return np.asarray(inside[0] | inside[1])


def _round_btc() -> NDArray[np.float64]:
    """Return the round amounts, made by adding up: the rounding of those sums belongs to the method."""
    amounts = []
    for start, stop, step in (
        (0.00005, 0.0001, 0.00001),
        (0.0001, 0.001, 0.00001),
        (0.001, 0.01, 0.0001),
        (0.01, 0.1, 0.001),
        (0.1, 1, 0.01),
    ):
        amount = start
        while amount < stop:
            amounts.append(amount)
            amount += step
    return np.array(amounts)


ROUND_BTC = _round_btc()
_LOWER = ROUND_BTC - ROUND_BTC_WIDTH * ROUND_BTC
_UPPER = ROUND_BTC + ROUND_BTC_WIDTH * ROUND_BTC
