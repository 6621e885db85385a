"""Where a price that wanders by chance has been, judged by what each stretch of time says about every price.

A hidden Markov model on a grid of logarithms of the price: the filter that every textbook has, as sums over the grid.
Several hypotheses about payments and market go through it side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    # Takes how likely each place (last axis) is, and the number of a stretch; returns the same one step away from it.
    Moved: TypeAlias = Callable[[NDArray[np.float64], int], NDArray[np.float64]]

# One step in so many is that many times as long: markets jump more often than a normal distribution says.
_JUMP_SHARE, _JUMP_TIMES = 0.03, 4.0

# No place is impossible: a filter that is sure cannot be corrected. But a jump to anywhere has to be explained by more
# than the chance of one stretch, which with full blocks is a hundred nats.
_LEAST_LIKELY = 1e-200
# What one stretch says against a place at most. The product of both can be told from zero by numbers of full precision:
# with others every step takes several times as long.
_LEAST_SPEAKS = -230.0


@dataclass(frozen=True, slots=True)
class Filtered:
    """What the filter found.

    Attributes:
        evidence: For each hypothesis the logarithm of the likelihood of it all, against that of payments which know
            no dollars.
        places: For each hypothesis and stretch of time how likely each place of the grid is, given that stretch and
            those before.
    """

    evidence: NDArray[np.float64]
    places: NDArray[np.float64]


def steps(deviation: float, grid_step: float) -> NDArray[np.float64]:
    """Return how likely the price moves by so many places of the grid, in the middle of the array by none.

    Args:
        deviation: Standard deviation of the move, of the logarithm.
        grid_step: Distance of two places, of the logarithm.
    """
    reach = max(1, math.ceil(3 * _JUMP_TIMES * deviation / grid_step))
    moves = np.arange(-reach, reach + 1) * grid_step

    def bell(wide: float) -> NDArray[np.float64]:
        # Narrower than the grid it would stay where it is for ever.
        density = np.exp(-0.5 * (moves / max(wide, 0.4 * grid_step)) ** 2)
        return np.asarray(density / density.sum())

    return (1 - _JUMP_SHARE) * bell(deviation) + _JUMP_SHARE * bell(_JUMP_TIMES * deviation)


def walk_forward(says: NDArray[np.floating], moved: Moved) -> Filtered:
    """Return where the price was at each stretch, given that stretch and those before.

    Args:
        says: Logarithm of the likelihood of each stretch at each place; shape (hypotheses, stretches, places).
        moved: Where the price is likely just before a stretch, by where it was at the one before.
    """
    highest, speaks = _likelihood(says)
    likely = np.full((len(says), says.shape[2]), 1 / says.shape[2])
    totals, places = np.empty(highest.shape), np.empty(says.shape)
    for stretch in range(says.shape[1]):
        likely = np.maximum(moved(likely, stretch), _LEAST_LIKELY)
        likely *= speaks[:, stretch]
        totals[:, stretch] = total = likely.sum(axis=1)
        likely /= total[:, np.newaxis]
        places[:, stretch] = likely
    return Filtered((np.log(totals) + highest).sum(axis=1), places)


def walk_back(
    says: NDArray[np.floating], moved: Moved, places: NDArray[np.float64], ends: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the mean place, in places of the grid, at each stretch, given all of them; shape (hypotheses, stretches).

    Args:
        says: As for `walk_forward`.
        moved: Where the price was likely just before a stretch, by where it may be at it.
        places: What `walk_forward` found.
        ends: Places at which the price may have ended; None: everywhere.
    """
    _, speaks = _likelihood(says)
    # How likely what is said later is, by where the price is at a stretch; but for a factor.
    later = np.empty(says.shape)
    later[:, -1] = 1.0 if ends is None else ends
    for stretch in range(says.shape[1] - 1, 0, -1):
        before = np.maximum(moved(later[:, stretch] * speaks[:, stretch], stretch), _LEAST_LIKELY)
        later[:, stretch - 1] = before / before.sum(axis=1, keepdims=True)
    both = places * later
    # So unlikely an end that nothing is left of it: the filter alone has to do.
    both = np.where(both.any(axis=2, keepdims=True), both, places)
    return np.asarray(both @ np.arange(says.shape[2]) / both.sum(axis=2))


def _likelihood(says: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the highest logarithm of each stretch, and each place's likelihood over that of the highest."""
    highest = says.max(axis=2).astype(np.float64)
    return highest, np.exp(np.maximum(says - highest[:, :, np.newaxis], _LEAST_SPEAKS))
