"""The amounts of a window as logarithms, without those that say nothing about dollars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.points import ROUND_BTC, ROUND_BTC_WIDTH, within_any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.price.amounts import WindowAmounts

LOWEST_BTC, HIGHEST_BTC = 1e-5, 10.0

# Of payments of the very same satoshi so many count, and as many more as those of nearly the same amount, within the
# given part of it, let one expect. What comes more often was sent by a program.
_MOST_ALIKE = 2
_NEARLY = 0.002

_SAT_PER_BTC = 1e8
# Multiples of it, modulo 1, are spread evenly, however many there are.
_GOLDEN = (5**0.5 - 1) / 2
# Enough for any window that settings allow.
_BLOCK_BITS = 16

# The list of the published method ends below 1 BTC.
_ROUND = np.concatenate([ROUND_BTC, np.arange(10, 101) / 10])
_LOWER, _UPPER = _ROUND * (1 - ROUND_BTC_WIDTH), _ROUND * (1 + ROUND_BTC_WIDTH)


@dataclass(frozen=True, slots=True)
class LogPayments:
    """Payments between 1,000 sat and 10 BTC that are not round in bitcoin.

    Attributes:
        log_btc: Logarithm of each amount in BTC, block after block, rising within each.
        block: Which block of the window each is from, counted from 0.
        n_blocks: Blocks of the window.
    """

    log_btc: NDArray[np.float64]
    block: NDArray[np.int64]
    n_blocks: int

    def halves(self) -> tuple[LogPayments, LogPayments]:
        """Return every other payment, and those between."""
        first, second = (LogPayments(self.log_btc[at::2], self.block[at::2], self.n_blocks) for at in (0, 1))
        return first, second


def log_payments(amounts: WindowAmounts) -> LogPayments:
    """Return the payments among the amounts of a window."""
    btc = amounts.amounts_btc
    n_blocks = len(amounts.per_block)
    block = np.repeat(np.arange(n_blocks), amounts.per_block)
    used = ~within_any(btc, _LOWER, _UPPER) & (btc > LOWEST_BTC) & (btc < HIGHEST_BTC)
    # Amount and block in one number, which sorts several times as fast as two.
    keys = np.rint(btc[used] * _SAT_PER_BTC).astype(np.int64) << _BLOCK_BITS | block[used]
    keys.sort()
    keys = keys[_speaks(keys >> _BLOCK_BITS)]
    block, value_sat = keys & ((1 << _BLOCK_BITS) - 1), keys >> _BLOCK_BITS
    order = np.argsort(block, kind="stable")
    # Each anywhere within its satoshi: a thousandth of the amount when a bitcoin is dear, that makes teeth of its own.
    within_sat = np.arange(len(order)) * _GOLDEN % 1 - 0.5
    return LogPayments(np.log((value_sat[order] + within_sat) / _SAT_PER_BTC), block[order], n_blocks)


def _speaks(values_sat: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which payments count, of amounts that rise: of each amount no more than chance explains."""
    amounts, firsts, counts = np.unique(values_sat, return_index=True, return_counts=True)
    near = np.maximum(1, (amounts * _NEARLY).astype(np.int64))
    around = np.searchsorted(values_sat, amounts + near, "right") - np.searchsorted(values_sat, amounts - near, "left")
    expected = (around - counts) / (2 * near)
    most = _MOST_ALIKE + np.ceil(expected + 3 * np.sqrt(expected)).astype(np.int64)
    # Spread over the window, so that no block speaks for all.
    rank = np.arange(len(values_sat)) - np.repeat(firsts, counts)
    most, counts = np.repeat(most, counts), np.repeat(counts, counts)
    return np.asarray((counts <= most) | ((rank * most) // counts != ((rank + 1) * most) // counts))
