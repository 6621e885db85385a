"""The price at the end of a window, and how far it can be trusted; docs/METHOD.md says how well that holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.coarse_price import HIGHEST_LOG_USD, LOWEST_LOG_USD, coarse_prices
from app.domain.price.fine_price import FinePrice, fine_courses, fine_price
from app.domain.price.lock import Lock, lock
from app.domain.price.log_payments import log_payments
from app.domain.price.round_points import RoundPoints, round_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.price.amounts import WindowAmounts
    from app.domain.price.log_payments import LogPayments

# Of the band: the price lies within it nine times in ten.
_BAND = (0.05, 0.95)
# The filter believes in its model, which is not the world: so many times wider, and so wide at least, holds.
_WIDER = 1.2
_LEAST_HALF_BAND = 0.0015
# What confidence is the likelihood of: a price no further off than that.
_RIGHT_WITHIN = 0.01
# A factor that is this near to 1 is the same price, found again.
_SAME_PRICE = 0.003
# And nearer than that the same level.
_SAME_LEVEL = 0.06
# Beyond that from the course around which it was looked for, it has to be looked for again.
_NEAR_COURSE = 0.03

_HOUR_BLOCKS, _MOST_IN_AN_HOUR = 6, 0.35

MIN_LOCK_MARGIN = 4.0
MIN_SIGNAL = 3.0
MIN_ROUNDNESS = 10.0
MIN_POINTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedPrice:
    """A price in USD per BTC, and what speaks for it.

    Attributes:
        price: At the last block of the window.
        band_low: The price lies above it and below `band_high` nine times in ten.
        band_high: See `band_low`.
        confidence: How likely `price` is no more than 1 % off; 0 if there is an objection.
        window_price: Geometric mean of the price over the blocks of the window.
        lock_margin: By how many nats the payments are likelier at this level than at the best other; 0 if their two
            halves find different levels, or it leaps.
        rival_factor: From this level to that other one.
        signal: By how many standard deviations round dollar amounts stand out, along a course that was found without
            them.
        roundness: By how many nats the payments are likelier along that course than if they knew no dollars.
        point_count: Amounts within 5 % of a round number of dollars.
        spread_percent: Their median distance from it; 2.5 if they lie there by chance.
        objection: Why it must not be shown as a price; None if it may.
        path_usd: The price at each block of the window, given all of them.
    """

    price: float
    band_low: float
    band_high: float
    confidence: float
    window_price: float
    lock_margin: float
    rival_factor: float
    signal: float
    roundness: float
    point_count: int
    spread_percent: float
    objection: str | None
    path_usd: NDArray[np.float64] = field(compare=False, repr=False)


def trusted_price(amounts: WindowAmounts) -> TrustedPrice:
    """Estimate the price at the end of a window.

    Raises:
        NotEnoughDataError: There is no payment at all.
    """
    payments = log_payments(amounts)
    found = []
    for course in coarse_prices(payments):
        found.append(_Found.along(payments, course))
        # One that explains less must not be believed in place of one that was not.
        best = max(found, key=lambda each: each.level.roundness)
        if best.objection is None:
            break
    return best.price()


@dataclass(frozen=True, slots=True)
class _Found:
    """A price, and how it stands the test.

    Attributes:
        fine: The price.
        level: Its level, by all payments along the course that they themselves gave.
        tested: Its level by each half of the payments along the course that the other half gave. A course can follow
            its own payments' chance; those of others it cannot.
        points: Likewise the round amounts.
        own_points: And along their own course.
    """

    fine: FinePrice
    level: Lock
    tested: Lock
    points: RoundPoints
    own_points: RoundPoints

    @classmethod
    def along(cls, payments: LogPayments, course_log_usd: NDArray[np.float64]) -> _Found:
        """Look for the price around a course that may be wrong by a factor."""
        fine = fine_price(payments, course_log_usd)
        if float(np.abs(fine.log_usd - course_log_usd).max()) > _NEAR_COURSE:
            fine = fine_price(payments, fine.log_usd)
        level = lock(payments, fine.log_usd)
        if abs(level.log_factor) > _SAME_PRICE:
            fine = fine_price(payments, fine.log_usd + level.log_factor)
        crossed = _crossed(payments, fine)
        tested = lock(crossed, fine.log_usd)
        return cls(
            fine,
            level,
            tested,
            round_points(crossed, fine.log_usd + tested.log_factor),
            round_points(payments, fine.log_usd),
        )

    @property
    def lock_margin(self) -> float:
        agree = abs(self.tested.log_factor) < _SAME_LEVEL
        return (self.level.margin + self.tested.margin) / 2 if agree and not self.jumps else 0.0

    @property
    def jumps(self) -> bool:
        """Tell whether the price moves farther within an hour than markets do: rather, it is misread for a while."""
        moves = np.abs(self.fine.log_usd[_HOUR_BLOCKS:] - self.fine.log_usd[:-_HOUR_BLOCKS])
        return float(moves.max(initial=0.0)) > _MOST_IN_AN_HOUR

    @property
    def objection(self) -> str | None:
        if len(self.own_points.offsets) < MIN_POINTS:
            return "too_few_points"
        if self.points.signal < MIN_SIGNAL or self.tested.roundness < MIN_ROUNDNESS:
            return "weak_signal"
        # Beyond the range hardly a round amount is seen: whatever is found there has rather been taken for it.
        if self.lock_margin < MIN_LOCK_MARGIN or not LOWEST_LOG_USD < self.fine.log_usd[-1] < HIGHEST_LOG_USD:
            return "level_uncertain"
        return None

    def price(self) -> TrustedPrice:
        low, middle, high = _quantiles(self.fine, (_BAND[0], 0.5, _BAND[1]))
        return TrustedPrice(
            price=math.exp(middle),
            band_low=math.exp(middle - max(_WIDER * (middle - low), _LEAST_HALF_BAND)),
            band_high=math.exp(middle + max(_WIDER * (high - middle), _LEAST_HALF_BAND)),
            confidence=0.0 if self.objection else _likely_within(self.fine, middle, _RIGHT_WITHIN),
            window_price=math.exp(float(self.fine.log_usd.mean())),
            lock_margin=self.lock_margin,
            rival_factor=self.level.rival,
            signal=self.points.signal,
            roundness=self.tested.roundness,
            point_count=len(self.own_points.offsets),
            spread_percent=self.own_points.spread_percent,
            objection=self.objection,
            path_usd=np.exp(self.fine.log_usd),
        )


def _crossed(payments: LogPayments, fine: FinePrice) -> LogPayments:
    """Return the payments, each so shifted that along the course it is where the other half's course has it.

    They rise no longer.
    """
    odd = payments.odd
    by_odd, by_even = fine_courses((payments.only(odd), payments.only(~odd)), like=fine) - fine.log_usd
    shift = np.where(odd, by_even[payments.block], by_odd[payments.block])
    return replace(payments, log_btc=payments.log_btc + shift)


def _quantiles(fine: FinePrice, shares: tuple[float, ...]) -> list[float]:
    # Each place stands for the half step on either side of it.
    edges = np.append(fine.end_log_usd, fine.end_log_usd[-1] + fine.end_step) - fine.end_step / 2
    up_to = np.concatenate([[0.0], np.cumsum(fine.end_likely)])
    return [float(np.interp(share, up_to, edges)) for share in shares]


def _likely_within(fine: FinePrice, middle: float, distance: float) -> float:
    near = np.abs(fine.end_log_usd - middle) <= distance
    return min(1.0, float(fine.end_likely[near].sum()))
