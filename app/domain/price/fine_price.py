"""The price at each block, once it is known to a few per cent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.coarse_price import DAY_BLOCKS
from app.domain.price.round_usd import FARTHEST, LOG_USD, WEIGHTS
from app.domain.price.sayings import Prominences, Sayings
from app.domain.price.walk import Filtered, steps, walk_back, walk_forward

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.price.log_payments import LogPayments

STEP = 0.001
# How far the price may lie from the course that is given.
_MARGIN_PLACES = 50
_REACH = round(FARTHEST / STEP)
# Payments at this distance from a round amount are of no round amount, or of another.
_NEAREST_BACKGROUND, _FARTHEST_BACKGROUND = 0.03, 0.10
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
        daily_move: Standard deviation of the logarithm's change over a day that explains it
            best of a few.
    """

    log_usd: NDArray[np.float64]
    end_log_usd: NDArray[np.float64]
    end_likely: NDArray[np.float64]
    end_step: float
    share: float
    daily_move: float


@dataclass(frozen=True, slots=True)
class _Explanation:
    forward: Filtered
    share: float
    says: NDArray[np.float32]
    moves: NDArray[np.float64]
    daily: float


def _evidence(explanation: _Explanation) -> float:
    return explanation.forward.evidence


def fine_price(payments: LogPayments, course_log_usd: NDArray[np.float64], like: FinePrice | None = None) -> FinePrice:
    """Return the price near a course that is right to some per cent.

    Args:
        payments: At least one.
        course_log_usd: Logarithm of about the price, of each block.
        like: What to assume about payments and market; None: what explains them best.
    """
    # On whole steps, so that the moves of the price are moves of the grid and moves on it.
    course = np.rint(course_log_usd / STEP).astype(np.int64)
    drift = np.diff(course, prepend=course[0])
    course_log_usd = STEP * course.astype(np.float64)
    best = _explanation(payments, course_log_usd, drift, like)
    places = np.arange(-_MARGIN_PLACES, _MARGIN_PLACES + 1) * STEP
    path = walk_back(best.says, best.moves, best.forward, np.ones(len(places), np.bool_), drift) - _MARGIN_PLACES
    return FinePrice(
        log_usd=course_log_usd + path * STEP,
        end_log_usd=course_log_usd[-1] + places,
        end_likely=best.forward.places[-1],
        end_step=STEP,
        share=best.share,
        daily_move=best.daily,
    )


def _explanation(
    payments: LogPayments, course_log_usd: NDArray[np.float64], drift: NDArray[np.int64], like: FinePrice | None
) -> _Explanation:
    sayings = _sayings(payments, course_log_usd)
    expected = _expected(payments)

    def said(share: float) -> NDArray[np.float32]:
        return sayings.log_likelihood(share, STEP, STEP / 2) - np.float32(share) * expected

    def explained(share: float, says: NDArray[np.float32], daily: float) -> _Explanation:
        moves = steps(daily / math.sqrt(DAY_BLOCKS), STEP)
        return _Explanation(walk_forward(says, moves, drift), share, says, moves, daily)

    if like is not None:
        return explained(like.share, said(like.share), like.daily_move)
    # One after the other: how common round amounts are says next to nothing about how the price moves.
    first = max((explained(share, said(share), _USUAL_MOVE) for share in _SHARES), key=_evidence)
    others = [explained(first.share, first.says, daily) for daily in _DAILY_MOVES if daily != _USUAL_MOVE]
    return max([first, *others], key=_evidence)


def _expected(payments: LogPayments) -> NDArray[np.float32]:
    """Return how many payments each block has: the same at every place, since the same round amounts are visible."""
    counts = np.bincount(payments.block, minlength=payments.n_blocks)
    return counts[:, np.newaxis].astype(np.float32)


def _sayings(payments: LogPayments, course_log_usd: NDArray[np.float64]) -> Sayings:
    log_dollars = payments.log_btc + course_log_usd[payments.block]
    order = np.argsort(log_dollars)
    rising = log_dollars[order]

    def ends(distance: float) -> NDArray[np.int64]:
        return np.searchsorted(rising, LOG_USD + distance)

    around = ends(_FARTHEST_BACKGROUND) - ends(-_FARTHEST_BACKGROUND)
    near = ends(_NEAREST_BACKGROUND) - ends(-_NEAREST_BACKGROUND)
    background = (around - near + 1) / (2 * (_FARTHEST_BACKGROUND - _NEAREST_BACKGROUND))
    farthest = (_MARGIN_PLACES + _REACH) * STEP
    firsts, lasts = ends(-farthest), ends(farthest)
    which = np.concatenate([order[first:last] for first, last in zip(firsts, lasts, strict=True)])
    tooth = np.repeat(np.arange(len(LOG_USD)), lasts - firsts)
    place = np.rint((LOG_USD[tooth] - log_dollars[which]) / STEP).astype(np.int64) + _MARGIN_PLACES + _REACH
    prominences = Prominences(WEIGHTS * len(rising) / background)
    sayings = Sayings(prominences, 2 * _MARGIN_PLACES + 1, _REACH, payments.n_blocks)
    on = (place >= 0) & (place < sayings.counts.shape[1])
    cell = (prominences.classes[tooth[on]], place[on], payments.block[which[on]])
    shape = sayings.counts.shape
    sayings.counts += np.bincount(np.ravel_multi_index(cell, shape), minlength=sayings.counts.size).reshape(shape)
    return sayings
