"""From the amounts of a window to its price.

The method was published as UTXOracle; this is written from a description of it and gives the same figures to the
last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.price.centre import central_price_usd, near
from app.domain.price.histogram import amount_shares
from app.domain.price.not_enough_data import NotEnoughDataError
from app.domain.price.points import price_points_usd
from app.domain.price.rough_price import rough_price_usd

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NotEnoughDataError", "PriceEstimate", "estimate_price"]


@dataclass(frozen=True, slots=True)
class PriceEstimate:
    """What the amounts say; prices in USD per BTC.

    Attributes:
        price: The estimate.
        rough_price: The first price, around which the points were gathered.
        n_outputs: Amounts that went in.
        n_points: Prices that those amounts imply.
        n_points_near: Those within 5 % of the estimate.
    """

    price: float
    rough_price: int
    n_outputs: int
    n_points: int
    n_points_near: int


def estimate_price(amounts_btc: NDArray[np.float64]) -> PriceEstimate:
    """Estimate the price from the amounts of a window.

    Args:
        amounts_btc: Amounts as `window_amounts` gathers them, in any order.

    Raises:
        NotEnoughDataError: No amount is of a usual size, or none is a round number of dollars.
    """
    rough = rough_price_usd(amount_shares(amounts_btc))
    points = price_points_usd(amounts_btc, rough)
    price = central_price_usd(points, rough)
    return PriceEstimate(price, rough, len(amounts_btc), len(points), len(near(points, price)))
