"""How much a block holds: learned from those that left something behind."""

from __future__ import annotations

from collections import deque
from statistics import median_low

# A block holds 1,000,000 vB; miners keep some room for the header and the coinbase.
USUAL_VB = 998_000
# Fewer than this a block does not hold; else an empty one would let us divide by nothing.
_SMALLEST_VB = 1_000
_REMEMBERED = 16
_LEFT_SHARE = 0.1


class BlockSpace:
    """What the last blocks held that were full, since more would have paid to be in them.

    Not all miners allow the same, some blocks are empty: so all sizes are kept, as the sizes of blocks to come.
    """

    def __init__(self) -> None:
        self._full_vb: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def usual_vb(self) -> int:
        """What a block holds mostly."""
        return median_low(self._full_vb) if self._full_vb else USUAL_VB

    @property
    def sizes_vb(self) -> list[int]:
        """What blocks hold, each as probable as the others; at least one."""
        return list(self._full_vb) or [USUAL_VB]

    def came(self, vsize_vb: int, left_vb: float) -> None:
        """Learn what a block held, and how much it left behind of what waited when it was made."""
        if left_vb >= _LEFT_SHARE * vsize_vb and left_vb > _SMALLEST_VB:
            self._full_vb.append(max(vsize_vb, _SMALLEST_VB))
