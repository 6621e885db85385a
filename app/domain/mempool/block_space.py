"""How much a block holds: learned from those that left something behind, and from those that did not."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A block holds 1,000,000 vB; miners keep some room for the header and the coinbase.
USUAL_VB = 998_000
# Fewer than this a block does not hold; else an empty one would let us divide by nothing.
_SMALLEST_VB = 1_000
_REMEMBERED = 36
_LEFT_SHARE = 0.1
# The middle of each eighth.
_SHARES = tuple((2 * eighth + 1) / 16 for eighth in range(8))


class BlockSpace:
    """What blocks hold, judged by the last full ones, and by the last that were not: those hold more than was there.

    Full is a block that left behind what would have paid to be in it. Not all miners allow the same, and some blocks
    are empty, so all sizes count. They are told apart as lifetimes are when some of those observed still live.

    Attributes:
        sizes_vb: What blocks hold: eight sizes, rising, each as probable as the others.
    """

    def __init__(self) -> None:
        self._full_vb: deque[int] = deque(maxlen=_REMEMBERED)
        self._partial_vb: deque[int] = deque(maxlen=_REMEMBERED)
        self.sizes_vb = [USUAL_VB] * len(_SHARES)

    @property
    def usual_vb(self) -> int:
        """What a block holds mostly."""
        return self.sizes_vb[len(_SHARES) // 2]

    def came(self, vsize_vb: int, left_vb: float) -> None:
        """Learn what a block held, and how much it left behind of what waited when it was made."""
        is_full = left_vb >= _LEFT_SHARE * vsize_vb and left_vb > _SMALLEST_VB
        (self._full_vb if is_full else self._partial_vb).append(max(vsize_vb, _SMALLEST_VB))
        if self._full_vb:
            self.sizes_vb = _eighths(self._full_vb, self._partial_vb)


def _eighths(full_vb: Iterable[int], partial_vb: Iterable[int]) -> list[int]:
    """Return the middle of each eighth of the sizes of blocks.

    Source:
        Kaplan and Meier, Nonparametric estimation from incomplete observations, 1958.
    """
    # Of the same size, the full one first: the other one holds at least as much.
    observed = sorted([(vsize_vb, False) for vsize_vb in full_vb] + [(vsize_vb, True) for vsize_vb in partial_vb])
    sizes_vb: list[int] = []
    holds_more = 1.0
    for place, (vsize_vb, is_partial) in enumerate(observed):
        if not is_partial:
            holds_more *= 1 - 1 / (len(observed) - place)
        while len(sizes_vb) < len(_SHARES) and 1 - holds_more >= _SHARES[len(sizes_vb)]:
            sizes_vb.append(vsize_vb)
    # If most blocks hold more than any was seen to, that may be much more.
    largest_vb = max(USUAL_VB, observed[-1][0]) if holds_more > 1 / 2 else observed[-1][0]
    return sizes_vb + [largest_vb] * (len(_SHARES) - len(sizes_vb))
