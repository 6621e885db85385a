"""The amounts of everyday payments, block by block: all that an estimate is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WindowAmounts:
    """What the blocks of a window say.

    Attributes:
        amounts_btc: Amounts in chain order.
        per_block: How many of them each block holds, in chain order, of every block of the window; they sum up to all.
    """

    amounts_btc: NDArray[np.float64]
    per_block: NDArray[np.int64]
