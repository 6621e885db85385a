"""The middle of the points around a price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.not_enough_data import NotEnoughDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.05


def near(points_usd: NDArray[np.float64], price_usd: float) -> NDArray[np.float64]:
    """Return the points strictly within 5 % of a price."""
    margin = NEAR * price_usd
    return points_usd[(price_usd - margin < points_usd) & (points_usd < price_usd + margin)]


def central_price_usd(points_usd: NDArray[np.float64], rough_usd: float) -> float:
    """Return the point within 5 % of the rough price that has the least summed distance to the others there.

    That is their median, but between equally good ones the rounding of these very sums decides.

    Raises:
        NotEnoughDataError: No point is that near.
    """
    points = np.sort(near(points_usd, rough_usd))
    if not len(points):
        raise NotEnoughDataError(f"no payment is within 5 % of the rough price {rough_usd}")
    index = np.arange(len(points))
    up_to = np.cumsum(points)
    below = np.concatenate(([0.0], up_to[:-1]))
    distances = (points * index - below) + ((up_to[-1] - up_to) - points * (len(points) - 1 - index))
    return float(points[np.argmin(distances)])
