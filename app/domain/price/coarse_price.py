"""Where the price may have been during a window, anywhere from below 1,000 to above 10,000,000 USD."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.log_payments import HIGHEST_BTC, LOWEST_BTC
from app.domain.price.not_enough_data import NotEnoughDataError
from app.domain.price.round_usd import LOG_USD, WEIGHTS
from app.domain.price.sayings import Prominences, Sayings
from app.domain.price.walk import steps, walk_back, walk_forward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from app.domain.price.log_payments import LogPayments

LOWEST_LOG_USD, HIGHEST_LOG_USD = math.log(700), math.log(14_000_000)

DAY_BLOCKS = 144
_STEP = 0.004
_STRETCHES = 18
_REACH = 5
# Payments that are as common as their neighbours within so much (standard deviation) are not a round amount.
_BACKGROUND = 0.06
_SHARES = (0.01, 0.03, 0.09)
# The usual one first: it is nearly always enough.
_DAILY_MOVES = (0.03, 0.08, 0.01)
# How far from the likeliest end the path may end as well.
_END = 0.06

_LOWEST_LOG_BTC, _HIGHEST_LOG_BTC = math.log(LOWEST_BTC), math.log(HIGHEST_BTC)


def coarse_prices(payments: LogPayments) -> Iterator[NDArray[np.float64]]:
    """Yield the likeliest course of the price, and what it would be on a wilder and on a calmer day.

    Each is the logarithm of the price at each block of the window; wrong by a factor at times, and then right in its
    movements.

    Raises:
        NotEnoughDataError: There is no payment.
    """
    if not len(payments.log_btc):
        raise NotEnoughDataError("no payment between 1,000 sat and 10 BTC is in the window")
    n_stretches = min(_STRETCHES, payments.n_blocks)
    stretch = payments.block * n_stretches // payments.n_blocks
    sayings, expected = _sayings(payments.log_btc, stretch, n_stretches)
    says = np.array([sayings.log_likelihood(share, _STEP, _STEP) - share * expected for share in _SHARES])
    for daily in _DAILY_MOVES:
        path = _path(says, daily * math.sqrt(payments.n_blocks / DAY_BLOCKS / n_stretches))
        yield _at_each_block(LOWEST_LOG_USD + _STEP * path, payments.n_blocks)


def _path(says: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Return the likeliest place at each stretch, by whichever share of round payments explains it best."""
    moves = steps(deviation, _STEP)

    def moved(likely: NDArray[np.float64], _stretch: int) -> NDArray[np.float64]:
        return np.array([np.convolve(each, moves, "same") for each in likely])

    forward = walk_forward(says, moved)
    best = [int(forward.evidence.argmax())]
    end = int(forward.places[best, -1].argmax())
    ends = np.abs(np.arange(says.shape[2]) - end) * _STEP < _END
    return np.asarray(walk_back(says[best], moved, forward.places[best], ends)[0])


def _sayings(
    log_btc: NDArray[np.float64], stretch: NDArray[np.int64], n_stretches: int
) -> tuple[Sayings, NDArray[np.float64]]:
    """Return what the payments say, and how many round ones each stretch would have at each place if all were."""
    n_bins = int((_HIGHEST_LOG_BTC - _LOWEST_LOG_BTC) / _STEP) + 1
    n_places = int((HIGHEST_LOG_USD - LOWEST_LOG_USD) / _STEP) + 1
    bins = ((log_btc - _LOWEST_LOG_BTC) / _STEP).astype(np.int64)
    counts = np.bincount(bins * n_stretches + stretch, minlength=n_bins * n_stretches).reshape(n_bins, -1)
    density = _smooth(counts.sum(axis=1, dtype=np.float64)) / _STEP / len(log_btc)
    prominences = Prominences(np.divide.outer(WEIGHTS, density))
    sayings = Sayings(prominences, n_places, _REACH, n_stretches)
    counts = counts.astype(np.float32)
    first_place = np.rint((LOG_USD - _LOWEST_LOG_BTC - LOWEST_LOG_USD) / _STEP - 0.5).astype(np.int64) + _REACH
    filled = np.flatnonzero(counts.any(axis=1))
    for first, classes in zip(first_place, prominences.classes, strict=True):
        place = first - filled
        on = (place >= 0) & (place < sayings.counts.shape[1])
        # For one round amount each bin has a place of its own, so that none is lost.
        sayings.counts[classes[filled[on]], place[on]] += counts[filled[on]]
    price = LOWEST_LOG_USD + np.arange(n_places) * _STEP
    amount = LOG_USD[:, np.newaxis] - price
    visible = (amount > _LOWEST_LOG_BTC) & (amount < _HIGHEST_LOG_BTC)
    return sayings, np.bincount(stretch, minlength=n_stretches)[:, np.newaxis] * (WEIGHTS @ visible)


def _smooth(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the counts spread over their neighbours, and none of them zero."""
    reach = int(4 * _BACKGROUND / _STEP)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) * _STEP / _BACKGROUND) ** 2)
    mirrored = np.concatenate([counts[reach:0:-1], counts, counts[-2 : -reach - 2 : -1]])
    smoothed = np.convolve(mirrored, bell / bell.sum(), "valid")
    return np.asarray(np.maximum(smoothed, 1e-4 * counts.sum() * _STEP))


def _at_each_block(path: NDArray[np.float64], n_blocks: int) -> NDArray[np.float64]:
    middles = (np.arange(len(path)) + 0.5) * n_blocks / len(path) - 0.5
    return np.interp(np.arange(n_blocks), middles, path)
