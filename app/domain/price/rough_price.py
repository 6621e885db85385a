"""A first price: the slide of the stencils along the histogram that fits best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.histogram import EDGES_BTC, sum_in_order
from app.domain.price.stencils import SMOOTH, SPIKES

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_SLIDE, LAST_SLIDE = -141, 200

# Stencil bin 0 lies on this bin of the histogram at slide 0.
_ORIGIN_BIN = 199
_SMOOTH_WEIGHT = 0.65
_SMOOTH_BELOW_SLIDE = 150
_REFERENCE_USD, _REFERENCE_BIN = 100, 601


def rough_price_usd(shares: NDArray[np.float64]) -> int:
    """Return the price at which round dollar amounts fit the histogram best, in whole USD per BTC.

    The best slide is mixed with the better one of its neighbours. Only prices from about 18,000 to 507,000 can be
    found; outside, the answer is wrong by a factor.

    Args:
        shares: Share of each of the 2401 bins, as `amount_shares` gives it.
    """
    slides = range(FIRST_SLIDE, LAST_SLIDE + 1)
    # One more on either side: the neighbours of the outermost slides.
    spikes = _fits(shares, SPIKES, range(FIRST_SLIDE - 1, LAST_SLIDE + 2))
    smooth = _fits(shares, SMOOTH, slides)
    smooth[_SMOOTH_BELOW_SLIDE - FIRST_SLIDE :] = 0
    scores = spikes[1:-1] + _SMOOTH_WEIGHT * smooth
    highest = int(np.argmax(scores))
    best = slides[highest] if scores[highest] > 0 else 0
    before, after = float(spikes[best - FIRST_SLIDE]), float(spikes[best - FIRST_SLIDE + 2])
    neighbour, neighbour_fit = (best - 1, before) if before > after else (best + 1, after)
    average = sum_in_order(scores) / len(scores)
    weight, neighbour_weight = float(scores[best - FIRST_SLIDE]) - average, abs(neighbour_fit - average)
    return _mixed_price_usd(best, weight, neighbour, neighbour_weight)


def _fits(shares: NDArray[np.float64], stencil: NDArray[np.float64], slides: range) -> NDArray[np.float64]:
    """Return for each slide the sum of shares times stencil, each added from left to right."""
    first, fits = _ORIGIN_BIN + slides.start, np.zeros(len(slides))
    # What the stencil does not weigh adds nothing, not even in the last bit.
    for at in np.flatnonzero(stencil).tolist():
        fits += shares[first + at : first + at + len(slides)] * stencil[at]
    return fits


def _mixed_price_usd(best: int, weight: float, neighbour: int, neighbour_weight: float) -> int:
    total = weight + neighbour_weight
    part, neighbour_part = (weight / total, neighbour_weight / total) if total else (0.5, 0.5)
    return int(part * _slide_price_usd(best) + neighbour_part * _slide_price_usd(neighbour))


def _slide_price_usd(slide: int) -> float:
    return _REFERENCE_USD / float(EDGES_BTC[_REFERENCE_BIN + slide])
