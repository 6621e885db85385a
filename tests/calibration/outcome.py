"""What the appliance makes of one chain whose price is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from app.domain.price.amounts import WindowAmounts
from app.domain.price.estimate import NotEnoughDataError, estimate_price
from app.domain.price.log_payments import log_payments
from app.domain.price.round_points import round_points
from app.domain.price.trusted_price import MIN_POINTS, trusted_price
from tests.calibration.chains import possible_chain
from tests.chains import Config
from tests.chains.amounts import window_amounts

# Beyond it a price is off by a factor: the smallest by which round amounts can be mistaken is 1.2.
FACTOR_ERROR = 0.08


@dataclass(frozen=True)
class Outcome:
    """How near the estimate came; errors are logarithms of estimate over truth.

    Attributes:
        config: What the chain was made from.
        points: Amounts within 5 % of a round one at the price that it found.
        true_points: Those at the true price. A price that ran away has few points, and with them alone such chains
            would drop out of what is counted.
        valid: Whether it would show the price, were it not for the limits in the settings.
        confidence: What it says.
        error: Of the price at the end of the window.
        window_error: Of the mean over the window.
        published_error: Of the published method's figure, from the mean over the window; None without one.
        half_band: Half of the band's width, of the logarithm.
        in_band: Whether the true price at the end lies within the band.
    """

    config: Config
    points: int
    true_points: int
    valid: bool
    confidence: float
    error: float
    window_error: float
    published_error: float | None
    half_band: float
    in_band: bool

    @property
    def is_large(self) -> bool:
        """Whether there are enough points for an estimate to be asked for, as the method counts them."""
        return self.points >= MIN_POINTS

    @property
    def is_truly_large(self) -> bool:
        """Whether there are as many at the true price."""
        return self.true_points >= MIN_POINTS

    @property
    def is_off_by_a_factor(self) -> bool:
        return abs(self.error) > FACTOR_ERROR

    @property
    def is_within_1_percent(self) -> bool:
        return abs(math.expm1(self.error)) <= 0.01


def outcome_of(config: Config) -> Outcome:
    """Make the chain, read its blocks as the appliance reads them, and estimate."""
    chain = possible_chain(config)
    inside = chain.config.inside
    return judge(config, window_amounts(chain), np.log(chain.price_path_usd[inside.start : inside.stop]))


def judge(config: Config, amounts: WindowAmounts, true_log_usd: np.ndarray) -> Outcome:
    """Compare what the amounts say with the true price at each block (logarithm)."""
    found = trusted_price(amounts)
    end, mean = float(true_log_usd[-1]), float(true_log_usd.mean())
    return Outcome(
        config=config,
        points=found.point_count,
        true_points=len(round_points(log_payments(amounts), true_log_usd).offsets),
        valid=found.objection is None,
        confidence=found.confidence,
        error=math.log(found.price) - end,
        window_error=math.log(found.window_price) - mean,
        published_error=_published_error(amounts, mean),
        half_band=math.log(found.band_high / found.band_low) / 2,
        in_band=math.log(found.band_low) <= end <= math.log(found.band_high),
    )


def _published_error(amounts: WindowAmounts, mean: float) -> float | None:
    try:
        return math.log(estimate_price(amounts.amounts_btc).price) - mean
    except (NotEnoughDataError, ZeroDivisionError):
        return None
