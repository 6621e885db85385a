"""What a probability for each block says: the block to expect, an interval, and how an outcome compares with it."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERVAL = 0.8
# Sums of probabilities are not exact.
_ROUNDING = 1e-9


class Horizon(NamedTuple):
    """Blocks to wait; 1 is the next one.

    Attributes:
        expected: The median.
        earliest, latest: The shortest interval with at least INTERVAL that reaches from the lowest tenth to the
            highest, or lies within.
    """

    expected: int
    earliest: int
    latest: int


def horizon(distribution: Sequence[float]) -> Horizon:
    """Return what to expect.

    Args:
        distribution: Probability of the next block, the one after it, and so on, the last one that of all later ones;
            their sum is 1.
    """
    tail = (1 - INTERVAL) / 2
    earliest, latest = _quantile(distribution, tail), _quantile(distribution, 1 - tail)
    covered = sum(distribution[earliest - 1 : latest])
    while earliest < latest:
        end = min(earliest, latest, key=lambda block: distribution[block - 1])
        if covered - distribution[end - 1] < INTERVAL - _ROUNDING:
            break
        covered -= distribution[end - 1]
        earliest, latest = (earliest + 1, latest) if end == earliest else (earliest, latest - 1)
    return Horizon(_quantile(distribution, 0.5), earliest, latest)


def randomised_transform(distribution: Sequence[float], blocks_waited: int, v: float) -> float:
    """Return where an outcome lies in its distribution: evenly between 0 and 1 if predictions are right.

    Args:
        distribution: As of `horizon`.
        blocks_waited: 1: it was in the next block. What the distribution does not tell apart is its last block.
        v: Drawn evenly between 0 and 1, as an outcome of blocks is too coarse to be spread by itself.

    Raises:
        ValueError: There is no distribution, or nothing was waited for.
    """
    if not distribution or blocks_waited < 1:
        raise ValueError("a transform takes a distribution, and a transaction that waited for a block")
    block = min(blocks_waited, len(distribution))
    before = sum(distribution[: block - 1])
    return min(1.0, before + v * distribution[block - 1])


def brier_score(probability: float, *, happened: bool) -> float:
    """Return the squared error of a probability; 0 is perfect, 0.25 is what 0.5 always gets."""
    return (probability - happened) ** 2


def _quantile(distribution: Sequence[float], share: float) -> int:
    """Return the first block by which at least `share` of the probability has passed."""
    passed = accumulate(distribution)
    return next((block for block, sum_ in enumerate(passed, 1) if sum_ >= share - _ROUNDING), len(distribution))
