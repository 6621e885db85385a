"""Which price it is, of all those at which the same payments would look round: half of it, double, ten times.

Along its own course a price turns every payment into dollars that stay where they are. What is left to ask is by which
one factor they have to be multiplied to be the numbers that people like best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.coarse_price import HIGHEST_LOG_USD, LOWEST_LOG_USD
from app.domain.price.log_payments import HIGHEST_BTC, LOWEST_BTC
from app.domain.price.round_usd import FARTHEST, IS_MINOR, LOG_USD, WEIGHTS, payment_density

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.price.log_payments import LogPayments

_STEP = 0.001
_REACH = round(FARTHEST / _STEP) - 5
_NEAREST_BACKGROUND, _FARTHEST_BACKGROUND = 30, 100
# By how much (squared logarithm) the commonness of a round amount may be off, each factor of 1.4 being a standard
# deviation, and what it costs a price at most if one is not there at all.
_MISFIT_COST = np.float32(0.5 / math.log(1.4) ** 2)
_ABSENT, _MINOR_ABSENT = 12.0, 3.0
_SHARES = np.geomspace(0.003, 0.3, 6)
# Round payments over the background of a bin; beyond, a tooth could not be more distinct.
_HEIGHTS = np.geomspace(0.5, 20_000, 16)
# Of the logarithm of the payments that a tooth is expected to have.
_EXPECTED_STEP = 0.4
# A price outside of the range must not pass for one inside of it, ten times or a tenth of it.
_BEYOND = math.log(10)
# Prices nearer than that are no other price, but the same with another quote.
_RIVAL = 0.05
# What lies at the very edge of what is looked at is cut off for a part of the window.
_EDGE = 0.03
_BESIDE = 0.2


@dataclass(frozen=True, slots=True)
class Lock:
    """The level at which payments are roundest.

    Attributes:
        log_factor: Logarithm of the factor by which the course has to be multiplied.
        roundness: Logarithm by which the payments are likelier there than if they knew no dollars.
        margin: By how much that is more than at the best other level.
        rival: The factor from the level to that other one.
    """

    log_factor: float
    roundness: float
    margin: float
    rival: float


def lock(payments: LogPayments, course_log_usd: NDArray[np.float64]) -> Lock:
    """Return the level of the price, and how clear it is.

    Args:
        payments: At least one.
        course_log_usd: Logarithm of the price at each block, but for a factor.
    """
    end = course_log_usd[-1]
    levels = np.arange(LOWEST_LOG_USD - _BEYOND - end, HIGHEST_LOG_USD + _BEYOND - end, _STEP)
    scores = _roundness(payments.log_btc + course_log_usd[payments.block], levels, _visible(course_log_usd))
    best = int(scores.argmax())
    rivals = np.where(np.abs(levels - levels[best]) > _RIVAL, scores, -np.inf)
    rival = int(rivals.argmax())
    return Lock(
        float(levels[best]),
        float(scores[best]),
        float(scores[best] - scores[rival]),
        math.exp(levels[rival] - levels[best]),
    )


def _visible(course_log_usd: NDArray[np.float64]) -> tuple[float, float]:
    """Return the logarithms of dollars, along the course, between which payments are seen in every block."""
    return (
        math.log(LOWEST_BTC) + float(course_log_usd.max()) + _EDGE,
        math.log(HIGHEST_BTC) + float(course_log_usd.min()) - _EDGE,
    )


def _roundness(
    log_dollars: NDArray[np.float64], levels: NDArray[np.float64], visible: tuple[float, float]
) -> NDArray[np.float64]:
    """Return, for each level, rising by the width of a bin, by how much the payments are likelier with round ones."""
    lowest = visible[0] - _BESIDE
    expected = np.log(len(log_dollars) * np.multiply.outer(WEIGHTS, _SHARES))
    first = float(expected.min())
    gains = _best_gains(log_dollars, lowest, visible[1] + _BESIDE, first, float(expected.max()))
    row = np.rint((expected - first) / _EXPECTED_STEP).astype(np.int64)
    totals = np.zeros((len(_SHARES), len(levels)), np.float32)
    for tooth, log_usd in enumerate(LOG_USD):
        first, after = np.searchsorted(levels, (log_usd - visible[1], log_usd - visible[0]))
        if first < after:
            # One level up is one bin down, since both have the same width.
            last_bin = int((log_usd - levels[first] - lowest) / _STEP)
            bins = slice(last_bin - (after - first) + 1, last_bin + 1)
            absent = np.float32(_MINOR_ABSENT if IS_MINOR[tooth] else _ABSENT)
            totals[:, first:after] += np.maximum(gains[row[tooth], bins][:, ::-1], -absent)
    return np.asarray(totals.max(axis=0))


def _best_gains(
    log_dollars: NDArray[np.float64], lowest: float, highest: float, first_log: float, last_log: float
) -> NDArray[np.float32]:
    """Return what a tooth gains in each bin (column), for each number of payments that it is expected to have (row).

    The number that it has costs the more the less it is the expected one; the best compromise counts.
    """
    gains, log_round = _each_bin(log_dollars, lowest, highest)
    # The square of how far the one is from the other, multiplied out: this is most of the work.
    gains -= _MISFIT_COST * log_round * log_round
    log_round *= 2 * _MISFIT_COST
    wanted = np.arange(first_log, last_log + _EXPECTED_STEP, _EXPECTED_STEP, dtype=np.float32)
    best, each = np.empty((len(wanted), gains.shape[1]), np.float32), np.empty_like(gains)
    for row, expected in enumerate(wanted):
        np.multiply(log_round, expected, out=each)
        np.add(each, gains, out=each)
        np.max(each, axis=0, out=best[row])
        best[row] -= _MISFIT_COST * expected * expected
    return best


def _each_bin(
    log_dollars: NDArray[np.float64], lowest: float, highest: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return, for each height of a tooth (row) in each bin (column), its gain and the logarithm of its payments.

    In single precision: a nat matters, a tenth of one does not.
    """
    n_bins = int((highest - lowest) / _STEP) + 1
    bins = ((log_dollars - lowest) / _STEP).astype(np.int64)
    counts = np.bincount(bins[(bins >= 0) & (bins < n_bins)], minlength=n_bins)
    background = _background(counts.astype(np.float64)).astype(np.float32)
    density = payment_density(_STEP * np.arange(-_REACH, _REACH + 1, dtype=np.float64)) * _STEP
    gained = np.log1p(np.multiply.outer(_HEIGHTS, density)).astype(np.float32)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(counts.astype(np.float32), _REACH), len(density))
    heights = _HEIGHTS.astype(np.float32)[:, np.newaxis]
    return gained @ around.T - heights * background, np.log(heights) + np.log(background)


def _background(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many payments each bin would have by what is beside it."""
    summed = np.concatenate([[0.0], np.cumsum(counts)])
    bins = np.arange(len(counts))

    def within(first: int, last: int) -> NDArray[np.float64]:
        ends = (np.clip(bins + edge, 0, len(counts)) for edge in (last + 1, first))
        return np.asarray(summed[next(ends)] - summed[next(ends)])

    beside = within(-_FARTHEST_BACKGROUND, -_NEAREST_BACKGROUND) + within(_NEAREST_BACKGROUND, _FARTHEST_BACKGROUND)
    return np.asarray((beside + 0.7) / (2 * (_FARTHEST_BACKGROUND - _NEAREST_BACKGROUND + 1)))
