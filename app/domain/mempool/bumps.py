"""How often somebody pays more for what waits."""

from __future__ import annotations

_KEPT_A_BLOCK = 0.95
# Until it was seen: one in a hundred waiting transactions between two blocks, worth what a thousand of them would tell.
_USUAL, _USUAL_WEIGHT = 0.01, 1000.0
_HIGHEST = 0.2


class Bumps:
    """The share of the waiting transactions that are replaced, or paid for by a child, between two blocks."""

    def __init__(self) -> None:
        self._bumps, self._waited = _USUAL * _USUAL_WEIGHT, _USUAL_WEIGHT

    @property
    def probability_a_block(self) -> float:
        """The probability that a waiting transaction is bumped before the next block comes."""
        return min(_HIGHEST, self._bumps / self._waited)

    def bumped(self) -> None:
        """Count one that was replaced or got a child that pays for it."""
        self._bumps += 1

    def block_came(self, waiting: float) -> None:
        """End a period in which so many waited on average."""
        self._bumps *= _KEPT_A_BLOCK
        self._waited = (self._waited + waiting) * _KEPT_A_BLOCK
