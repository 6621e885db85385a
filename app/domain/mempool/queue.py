"""The probability of each block to be the one that takes a transaction.

A transaction waits behind what pays more. A block takes from the front of that queue as much as it holds; between two
blocks more comes in ahead. Blocks come at the end of phases (see BlockTimes), what comes in during a phase is
a geometric number of lumps: exactly that of a Poisson process seen for an exponential time. So the state is the place
in the queue, on a grid of lumps, and its probabilities are carried from block to block without any chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BLOCKS = 50
_FINEST, _COARSEST = 24, 2
# A queue is not followed further than this many blocks above what it is now.
_GROWTH_BLOCKS = 3
_MOST_CELLS = 72
# Beyond the next block, chance adds up over several, and more regular ones would only cost time.
_LATER_PHASES = 3
_NEGLIGIBLE, _NOTHING = 1e-3, 1e-7
# How far what comes in during one block's time is followed.
_REACH_DEVIATIONS = 5
# Points and weights of a normal distribution that have its first five moments.
_SCENARIOS = ((-math.sqrt(3), 1 / 6), (0.0, 2 / 3), (math.sqrt(3), 1 / 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """All that decides when a transaction is mined.

    Attributes:
        least_vb, most_vb: What is taken before it is, its own package included: anything between, each as probable.
        sizes_vb: What blocks hold, each as probable as the others; above 0.
        phases_left: Probability of 1, 2, ... phases until the next block.
        phases: Phases of the blocks after it.
        inflow_vb: What comes in ahead of it between two blocks, on average.
        unsteadiness: Squared relative standard deviation of that average.
        lump_vb: How much comes in at once.
        missed_probability: That the next block was begun before it came.
        bumped_probability: Between two blocks, that somebody lifts it into the next one.
    """

    least_vb: float
    most_vb: float
    sizes_vb: Sequence[int]
    phases_left: Sequence[float]
    phases: int
    inflow_vb: float
    unsteadiness: float
    lump_vb: float
    missed_probability: float
    bumped_probability: float


def block_probabilities(prospect: Prospect) -> list[float]:
    """Return the probability of the next block, the one after it, and so on; the last one is that of all later ones."""
    deviation = math.sqrt(math.log1p(prospect.unsteadiness))
    runs = [
        (weight, _Run(prospect, prospect.inflow_vb * math.exp(place * deviation - deviation**2 / 2)).probabilities())
        for place, weight in _SCENARIOS
    ]
    length = max(len(run) for _, run in runs)
    taken = [sum(weight * run[block] for weight, run in runs if block < len(run)) for block in range(length)]
    return [*taken, max(0.0, 1.0 - sum(taken))]


class _Run:
    """The queue from block to block, for one average inflow."""

    def __init__(self, prospect: Prospect, inflow_vb: float) -> None:
        usual_vb = sum(prospect.sizes_vb) / len(prospect.sizes_vb)
        # What stands behind all blocks that are looked at need not be told apart.
        self._furthest_vb = (MOST_BLOCKS + 1) * usual_vb
        followed_blocks = min(prospect.most_vb, self._furthest_vb) / usual_vb + _GROWTH_BLOCKS
        finest = min(_FINEST, int(_MOST_CELLS / followed_blocks))
        self._cell_vb = usual_vb / max(_COARSEST, min(finest, round(usual_vb / prospect.lump_vb)))
        self._cells = int(followed_blocks * usual_vb / self._cell_vb) + 2
        self._prospect = prospect
        self._lumps = inflow_vb / self._cell_vb
        deviation = math.sqrt(self._lumps * (1 + self._lumps))
        self._reach = int(self._lumps + _REACH_DEVIATIONS * deviation) + 1
        self._sizes = self._sizes_in_cells()

    def probabilities(self) -> list[float]:
        """Return the probability of each block, as long as it matters."""
        prospect = self._prospect
        phases = min(prospect.phases, _LATER_PHASES)
        whole = [0.0] * (phases - 1) + [1.0]
        queue = self._after_phases(self._start(), prospect.phases_left, self._lumps / prospect.phases)
        taken: list[float] = []
        alive = 1.0
        while alive > _NEGLIGIBLE and len(taken) < MOST_BLOCKS:
            bumped = sum(queue) * prospect.bumped_probability
            waiting = [each * (1 - prospect.bumped_probability) for each in queue]
            fits, queue = self._block(waiting, 0.0 if taken else prospect.missed_probability)
            taken.append(fits + bumped)
            alive = sum(queue)
            while queue and queue[-1] < _NOTHING:
                queue.pop()
            queue = self._after_phases(queue, whole, self._lumps / phases)
        return taken

    def _sizes_in_cells(self) -> list[tuple[int, float]]:
        """Return how many cells a block may take, with probabilities."""
        sizes_vb = self._prospect.sizes_vb
        cells: dict[int, float] = {}
        for size_vb in sizes_vb:
            for cell, share in _cells_around(size_vb / self._cell_vb):
                cells[cell] = cells.get(cell, 0.0) + share / len(sizes_vb)
        return list(cells.items())

    def _start(self) -> list[float]:
        """Return the probability of each place at which it may stand now."""
        # A place is half a cell back, since one between two cells that counts as the front one would fit too easily.
        ends_vb = self._prospect.least_vb, self._prospect.most_vb
        first, last = (min(end_vb, self._furthest_vb) / self._cell_vb + 0.5 for end_vb in ends_vb)
        queue = [0.0] * (int(last) + 2)
        pieces = max(1, math.ceil(last - first))
        for piece in range(pieces):
            for cell, share in _cells_around(first + (last - first) * (piece + 0.5) / pieces):
                queue[cell] += share / pieces
        return queue

    def _after_phases(self, queue: list[float], phases_left: Sequence[float], lumps: float) -> list[float]:
        """Return the queue after 1, 2, ... phases, with these probabilities, of so many lumps each on average."""
        stays = 1 / (1 + lumps)
        if stays == 1 or not queue:
            return queue
        moves = 1 - stays
        room = [0.0] * min(self._reach, self._cells - len(queue))
        queue = [*queue, *room]
        after = [0.0] * len(queue)
        # By Horner's rule: one phase of (what has one left, and one phase of (what has two left, and so on)).
        for probability in reversed(phases_left):
            here = 0.0
            # The one loop that takes time: a whale waits for it.
            after = [
                here := moves * here + stays * (done + probability * each)
                for done, each in zip(after, queue, strict=True)
            ]
        # A longer queue is taken for the longest one.
        after[-1] += max(0.0, sum(queue) - sum(after))
        return after

    def _block(self, queue: list[float], missed_probability: float) -> tuple[float, list[float]]:
        """Return the probability that a block takes it, and what is left of the queue if not."""
        fits = 0.0
        left = [0.0] * len(queue)
        for size, probability in self._sizes:
            front = sum(queue[: size + 1]) * probability
            fits += front * (1 - missed_probability)
            left[0] += front * missed_probability
            rest = queue[size + 1 :]
            left[1 : len(rest) + 1] = [
                before + each * probability for before, each in zip(left[1:], rest, strict=False)
            ]
        return fits, left


def _cells_around(place: float) -> list[tuple[int, float]]:
    """Return the cells on both sides of a place, with the shares that have it as their mean."""
    below = int(place)
    share = place - below
    return [(below, 1 - share), (below + 1, share)] if share else [(below, 1.0)]
