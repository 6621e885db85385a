"""The amounts of a window as logarithms, without those that say nothing about dollars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.amounts import SAT_PER_BTC
from app.domain.price.points import ROUND_BTC, ROUND_BTC_WIDTH
from app.domain.price.ranges import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.price.amounts import WindowAmounts

LOWEST_BTC, HIGHEST_BTC = 1e-5, 10.0

# Of payments of the very same satoshi one counts, and as many more as those of nearly the same amount, within the given
# part of it, let one expect. What comes more often was sent by a program, or by one person twice.
_NEARLY = 0.002

# Multiples of it, modulo 1, are spread evenly, however many there are.
_GOLDEN = (5**0.5 - 1) / 2

# The list of the published method ends below 1 BTC.
_ROUND = np.concatenate([ROUND_BTC, np.arange(10, 101) / 10])
_LOWER, _UPPER = _ROUND * (1 - ROUND_BTC_WIDTH), _ROUND * (1 + ROUND_BTC_WIDTH)


@dataclass(frozen=True, slots=True)
class LogPayments:
    """Payments between 1,000 sat and 10 BTC that are not round in bitcoin.

    Attributes:
        log_btc: Logarithm of each amount in BTC, rising but for the part of a satoshi.
        block: Which block of the window each is from, counted from 0.
        n_blocks: Blocks of the window.
        odd: Whether each is in the second of two halves. Payments of the same satoshi are in the same: whatever made
            them alike must not pass for two that agree.
    """

    log_btc: NDArray[np.float64]
    block: NDArray[np.int64]
    n_blocks: int
    odd: NDArray[np.bool_]

    def only(self, which: NDArray[np.bool_]) -> LogPayments:
        """Return some of the payments."""
        return replace(self, log_btc=self.log_btc[which], block=self.block[which], odd=self.odd[which])


def log_payments(amounts: WindowAmounts) -> LogPayments:
    """Return the payments among the amounts of a window."""
    rising = amounts.rising
    first, last = np.searchsorted(rising.values_sat, (LOWEST_BTC * SAT_PER_BTC + 0.5, HIGHEST_BTC * SAT_PER_BTC - 0.5))
    values_sat, block = rising.values_sat[first:last], rising.block[first:last]
    used = _is_not_round(values_sat / SAT_PER_BTC)
    values_sat, block = values_sat[used], block[used]
    used = _speaks(values_sat)
    values_sat, block = values_sat[used], block[used]
    # Each anywhere within its satoshi: a thousandth of the amount when a bitcoin is dear, that makes teeth of its own.
    within_sat = np.modf(np.arange(len(values_sat)) * _GOLDEN)[0] - 0.5
    odd = np.cumsum(np.diff(values_sat, prepend=0) > 0) % 2 == 1
    return LogPayments(np.log((values_sat + within_sat) / SAT_PER_BTC), block, len(amounts.per_block), odd)


def _is_not_round(rising_btc: NDArray[np.float64]) -> NDArray[np.bool_]:
    firsts, ends = np.searchsorted(rising_btc, _LOWER, "right"), np.searchsorted(rising_btc, _UPPER, "left")
    is_not = np.ones(len(rising_btc), np.bool_)
    is_not[ranges(firsts, ends - firsts)] = False
    return is_not


def _speaks(values_sat: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which payments count, of amounts that rise: of each amount no more than chance explains."""
    speaks = np.ones(len(values_sat), np.bool_)
    firsts = np.flatnonzero(np.diff(values_sat, prepend=-1))
    counts = np.diff(firsts, append=len(values_sat))
    alike = counts > 1
    firsts, counts = firsts[alike], counts[alike]
    most = _most(values_sat, firsts, counts)
    firsts, counts, most = (each[counts > most] for each in (firsts, counts, most))
    # Spread over the window, so that no block speaks for all.
    rank, most, count = ranges(np.zeros_like(firsts), counts), np.repeat(most, counts), np.repeat(counts, counts)
    speaks[ranges(firsts, counts)] = rank * most // count != (rank + 1) * most // count
    return speaks


def _most(values_sat: NDArray[np.int64], firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many payments of the amount at each of `firsts` chance explains, by those of nearly that amount."""
    amounts = values_sat[firsts]
    near = np.maximum(1, (amounts * _NEARLY).astype(np.int64))
    around = np.searchsorted(values_sat, amounts + near, "right") - np.searchsorted(values_sat, amounts - near, "left")
    expected = (around - counts) / (2 * near)
    return np.asarray(1 + np.floor(expected + 3 * np.sqrt(expected)).astype(np.int64))
