"""How much demand changes from block to block, beyond chance."""

from __future__ import annotations

_KEPT_A_BLOCK = 0.93
# How unsteady demand is taken to be before it was seen, and for how many blocks that counts.
_USUAL, _USUAL_BLOCKS = 0.05, 3.0


class Unsteadiness:
    """Compares what came in each period with what was to be expected.

    A long period says more than a short one, in which chance rules: hence sums of squares, and not of shares.
    """

    def __init__(self) -> None:
        self._excess = 0.0
        self._expected = 0.0
        self._periods = 0.0

    @property
    def squared(self) -> float:
        """The squared standard deviation of demand, relative to its mean."""
        seen = max(0.0, self._excess) / self._expected if self._expected else 0.0
        return (seen * self._periods + _USUAL * _USUAL_BLOCKS) / (self._periods + _USUAL_BLOCKS)

    def period(self, seen_vb: float, expected_vb: float, lump_vb: float) -> None:
        """Learn what came in a period; steady demand in lumps would differ by `lump_vb * expected_vb`, squared."""
        excess = (seen_vb - expected_vb) ** 2 - lump_vb * expected_vb
        self._excess = self._excess * _KEPT_A_BLOCK + excess
        self._expected = self._expected * _KEPT_A_BLOCK + expected_vb**2
        self._periods = self._periods * _KEPT_A_BLOCK + 1
