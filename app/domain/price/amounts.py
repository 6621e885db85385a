"""The amounts of everyday payments, block by block: all that an estimate is made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.outputs import ABOVE_SAT, BELOW_SAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.domain.price.extract import BlockExtract

SAT_PER_BTC = 1e8


@dataclass(frozen=True)
class WindowAmounts:
    """What the blocks of a window say.

    Attributes:
        amounts_btc: Amounts in chain order.
        per_block: How many of them each block holds, in chain order, of every block of the window; they sum up to all.
    """

    amounts_btc: NDArray[np.float64]
    per_block: NDArray[np.int64]

    @cached_property
    def rising(self) -> RisingAmounts:
        """The same, the smallest first."""
        values_sat = np.rint(self.amounts_btc * SAT_PER_BTC).astype(np.int64)
        # Amount and block in one number, which sorts several times as fast as two.
        bits = len(self.per_block).bit_length()
        keys = values_sat << bits | np.repeat(np.arange(len(self.per_block)), self.per_block)
        keys.sort()
        return RisingAmounts(keys >> bits, keys & ((1 << bits) - 1))


@dataclass(frozen=True, slots=True)
class RisingAmounts:
    """Amounts of a window, the smallest first.

    Attributes:
        values_sat: The amounts.
        block: Which block of the window each is from, counted from 0.
    """

    values_sat: NDArray[np.int64]
    block: NDArray[np.int64]


def window_amounts(window: Sequence[BlockExtract]) -> WindowAmounts:
    """Return the amounts of the payments that spend nothing made in the window.

    Args:
        window: Extracts of all its blocks, at least one, lowest first; parents searched for from the first on.
    """
    first_height = window[0].height
    used = [_used_values_sat(each, first_height) for each in window]
    per_block = np.array([len(values_sat) for values_sat in used], dtype=np.int64)
    return WindowAmounts(np.concatenate(used) / SAT_PER_BTC, per_block)


def _used_values_sat(extract: BlockExtract, first_height: int) -> NDArray[np.uint64]:
    if extract.searched_from > first_height:
        raise ValueError(f"block {extract.height} was not searched down to {first_height}")
    values_sat = extract.values_sat[extract.parents < first_height].ravel()
    return values_sat[(values_sat > ABOVE_SAT) & (values_sat < BELOW_SAT)]
