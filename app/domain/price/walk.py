"""Where a price that wanders by chance has been, judged by what each stretch of time says about every price.

A hidden Markov model on a grid of logarithms of the price: the filter that every textbook has, as sums over the grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# One step in so many is that many times as long: markets jump more often than a normal distribution says.
_JUMP_SHARE, _JUMP_TIMES = 0.03, 4.0


@dataclass(frozen=True, slots=True)
class Filtered:
    """What the filter found.

    Attributes:
        evidence: Logarithm of the likelihood of it all, against that of payments which know no dollars.
        places: For each stretch of time how likely each place of the grid is, given it and what was before.
    """

    evidence: float
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


def walk_forward(
    says: NDArray[np.floating], moves: NDArray[np.float64], drift: NDArray[np.int64] | None = None
) -> Filtered:
    """Return where the price was at each stretch, given that stretch and those before.

    Args:
        says: Logarithm of the likelihood of each stretch (row) at each place (column).
        moves: See `steps`.
        drift: By how many places the grid itself moved up before each stretch; None: it stands still.
    """
    likely = np.full(says.shape[1], 1 / says.shape[1])
    evidence, places = 0.0, np.empty(says.shape)
    for row, said in enumerate(says):
        highest = float(said.max())
        likely = _moved(likely, moves, _drifted(drift, row)) * np.exp(said - highest)
        total = float(likely.sum())
        evidence += math.log(total) + highest
        likely = likely / total
        places[row] = likely
    return Filtered(evidence, places)


def walk_back(
    says: NDArray[np.floating],
    moves: NDArray[np.float64],
    forward: Filtered,
    ends: NDArray[np.bool_],
    drift: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return the mean place, in places of the grid, at each stretch, given all of them.

    Args:
        says: As for `walk_forward`.
        moves: Likewise.
        forward: What that returned.
        ends: Places at which the price may have ended.
        drift: As for `walk_forward`.
    """
    index = np.arange(says.shape[1])
    path = np.empty(len(says))
    later = ends.astype(np.float64)
    for row in range(len(says) - 1, -1, -1):
        both = forward.places[row] * later
        total = both.sum()
        # So unlikely an end that nothing is left of it: the filter alone has to do.
        both = both / total if total > 0 else forward.places[row]
        path[row] = both @ index
        later = _moved(later * np.exp(says[row] - says[row].max()), moves, -_drifted(drift, row))
        later /= later.sum()
    return path


def _drifted(drift: NDArray[np.int64] | None, row: int) -> int:
    return 0 if drift is None else int(drift[row])


def _moved(likely: NDArray[np.float64], moves: NDArray[np.float64], drift: int) -> NDArray[np.float64]:
    """Return the places after one step, none of them impossible: a filter that is sure cannot be corrected."""
    first = len(moves) // 2 + drift
    # As far beside the grid as it may have moved.
    beside = np.zeros(abs(drift))
    moved = np.concatenate([beside, np.convolve(likely, moves), beside])[first + abs(drift) :][: len(likely)]
    return np.asarray(np.maximum(moved, 1e-30))
