"""The price at each block, once it is known to a few per cent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.coarse_price import DAY_BLOCKS
from app.domain.price.ranges import ranges
from app.domain.price.round_usd import FARTHEST, LOG_USD, WEIGHTS
from app.domain.price.sayings import Prominences, Sayings
from app.domain.price.walk import steps, walk_back, walk_forward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from app.domain.price.log_payments import LogPayments
    from app.domain.price.walk import Moved

STEP = 0.001
# How far the price may lie from the course that is given.
_MARGIN_PLACES = 50
_PLACES = 2 * _MARGIN_PLACES + 1
_OFFSETS = np.arange(-_MARGIN_PLACES, _MARGIN_PLACES + 1) * STEP
_REACH = round(FARTHEST / STEP)
# Payments at this distance from a round amount are of no round amount, or of another.
_NEAREST_BACKGROUND, _FARTHEST_BACKGROUND = 0.03, 0.10
_FARTHEST = max(_FARTHEST_BACKGROUND, (_MARGIN_PLACES + _REACH + 1) * STEP)
_SHARES = (0.01, 0.03, 0.09)
_DAILY_MOVES = (0.003, 0.01, 0.02, 0.05)
_USUAL_MOVE = 0.02


@dataclass(frozen=True, slots=True)
class FinePrice:
    """The price at each block.

    Attributes:
        log_usd: Logarithm of the price at each block, given all of them.
        end_log_usd: Logarithms of prices that it may have had at the last block, rising by `end_step`.
        end_likely: How likely each of them is; they sum up to 1.
        end_step: See `end_log_usd`.
        share: Of the payments that are of a round amount, which explains it best of a few.
        daily_move: Standard deviation of the logarithm's change over a day that explains it best of a few.
    """

    log_usd: NDArray[np.float64]
    end_log_usd: NDArray[np.float64]
    end_likely: NDArray[np.float64]
    end_step: float
    share: float
    daily_move: float


def fine_price(payments: LogPayments, course_log_usd: NDArray[np.float64]) -> FinePrice:
    """Return the price near a course that is right to some per cent.

    Args:
        payments: At least one.
        course_log_usd: Logarithm of about the price, of each block.
    """
    grid = _Grid.along(course_log_usd)
    says = grid.says(payments, _SHARES)
    # One after the other: how common round amounts are says next to nothing about how the price moves, and in both at
    # once it is easier to find an explanation of what is mere chance.
    share = int(walk_forward(says, grid.moved((_USUAL_MOVE,))).evidence.argmax())
    says = says[[share]]
    forward = walk_forward(np.tile(says, (len(_DAILY_MOVES), 1, 1)), grid.moved(_DAILY_MOVES))
    daily = int(forward.evidence.argmax())
    back = grid.moved((_DAILY_MOVES[daily],), forward=False)
    return FinePrice(
        log_usd=grid.log_usd(walk_back(says, back, forward.places[[daily]])[0]),
        end_log_usd=grid.course_log_usd[-1] + _OFFSETS,
        end_likely=forward.places[daily, -1],
        end_step=STEP,
        share=_SHARES[share],
        daily_move=_DAILY_MOVES[daily],
    )


def fine_courses(parts: Sequence[LogPayments], like: FinePrice) -> NDArray[np.float64]:
    """Return the logarithm of the price at each block by each of some parts of the payments; shape (parts, blocks).

    Args:
        parts: They may be empty.
        like: The price by all of them: what holds for payments and market, and near what the parts' price is.
    """
    grid = _Grid.along(like.log_usd)
    says = np.concatenate([grid.says(part, (like.share,)) for part in parts])
    forward = walk_forward(says, grid.moved((like.daily_move,)))
    return grid.log_usd(walk_back(says, grid.moved((like.daily_move,), forward=False), forward.places))


@dataclass(frozen=True, slots=True)
class _Grid:
    """Prices near a course.

    Attributes:
        course_log_usd: The course.
        drift: By how many places the grid moves up with it before each block.
    """

    course_log_usd: NDArray[np.float64]
    drift: NDArray[np.int64]

    @classmethod
    def along(cls, course_log_usd: NDArray[np.float64]) -> _Grid:
        # On whole steps, so that the moves of the price are moves of the grid and moves on it.
        course = np.rint(course_log_usd / STEP).astype(np.int64)
        return cls(STEP * course.astype(np.float64), np.diff(course, prepend=course[0]))

    def log_usd(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.course_log_usd + (places - _MARGIN_PLACES) * STEP

    def says(self, payments: LogPayments, shares: Sequence[float]) -> NDArray[np.float32]:
        """Return what the payments say if such shares of them are round; shape (shares, blocks, places)."""
        sayings = _sayings(payments, self.course_log_usd)
        # The same at every place, since the same round amounts are visible.
        expected = np.bincount(payments.block, minlength=payments.n_blocks)[:, np.newaxis].astype(np.float32)
        return np.array(
            [sayings.log_likelihood(share, STEP, STEP / 2) - np.float32(share) * expected for share in shares]
        )

    def moved(self, daily_moves: Sequence[float], *, forward: bool = True) -> Moved:
        """Return how the price moves on the grid if it moves by so much a day; as many hypotheses for each."""
        by_block = [steps(daily / math.sqrt(DAY_BLOCKS), STEP) for daily in daily_moves]
        # A course that jumps farther than that takes the grid where no move leads to.
        most = _PLACES + max(len(moves) for moves in by_block) // 2
        drift = np.clip(self.drift, -most, most)
        farthest = int(np.abs(drift).max())
        # From each place (row) to each, and to those that will be on the grid when it has moved.
        distances = np.arange(-farthest, _PLACES + farthest) - np.arange(_PLACES)[:, np.newaxis]
        transitions = np.array([_likely(moves, distances) for moves in by_block])

        def moved(likely: NDArray[np.float64], block: int) -> NDArray[np.float64]:
            first = farthest + int(drift[block] if forward else -drift[block])
            by_move = likely.reshape(len(daily_moves), -1, _PLACES)
            return np.asarray(by_move @ transitions[:, :, first : first + _PLACES]).reshape(likely.shape)

        return moved


def _likely(moves: NDArray[np.float64], distances: NDArray[np.int64]) -> NDArray[np.float64]:
    reach = len(moves) // 2
    return np.where(np.abs(distances) <= reach, moves[np.clip(distances + reach, 0, 2 * reach)], 0.0)


def _sayings(payments: LogPayments, course_log_usd: NDArray[np.float64]) -> Sayings:
    near = _near_round(payments, course_log_usd)
    distance = np.abs(near.offset)
    beside = (distance > _NEAREST_BACKGROUND) & (distance < _FARTHEST_BACKGROUND)
    around = np.bincount(near.tooth[beside], minlength=len(LOG_USD))
    background = (around + 1) / (2 * (_FARTHEST_BACKGROUND - _NEAREST_BACKGROUND))
    prominences = Prominences(WEIGHTS * max(1, len(payments.log_btc)) / background)
    sayings = Sayings(prominences, _PLACES, _REACH, payments.n_blocks)
    place = np.rint(near.offset / STEP).astype(np.int64) + _MARGIN_PLACES + _REACH
    on = (place >= 0) & (place < sayings.counts.shape[1])
    cell = (prominences.classes[near.tooth[on]], place[on], near.block[on])
    shape = sayings.counts.shape
    sayings.counts += np.bincount(np.ravel_multi_index(cell, shape), minlength=sayings.counts.size).reshape(shape)
    return sayings


@dataclass(frozen=True, slots=True)
class _NearRound:
    """Payments near a round amount, once for each that they are near.

    Attributes:
        tooth: Which round amount, as an index of LOG_USD.
        offset: The logarithm of the price that it implies over the course.
        block: Of the payment.
    """

    tooth: NDArray[np.int64]
    offset: NDArray[np.float64]
    block: NDArray[np.int64]


def _near_round(payments: LogPayments, course_log_usd: NDArray[np.float64]) -> _NearRound:
    # Amounts rise, so those that may be near lie side by side; some too many, since the course is not the same in all
    # blocks.
    highest, lowest = float(course_log_usd.max()), float(course_log_usd.min())
    firsts = np.searchsorted(payments.log_btc, LOG_USD - highest - _FARTHEST)
    counts = np.searchsorted(payments.log_btc, LOG_USD - lowest + _FARTHEST) - firsts
    tooth, which = np.repeat(np.arange(len(LOG_USD)), counts), ranges(firsts, counts)
    block = payments.block[which]
    return _NearRound(tooth, LOG_USD[tooth] - payments.log_btc[which] - course_log_usd[block], block)
