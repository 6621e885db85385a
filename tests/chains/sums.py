"""What people send: any sum, round sums of USD, round sums of BTC."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.chains.config import Config

SAT_PER_BTC = 100_000_000

_LEAST_SAT = 330

# fmt: off
ROUND_USD = np.array([
    1, 2, 3, 5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 100, 120, 150, 200, 250, 300,
    400, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000,
], dtype=np.float64)
_USD_WEIGHTS = np.array([
    2, 1, 1, 4, 8, 3, 9, 6, 6, 4, 12, 2, 2, 2, 16, 1, 4, 8, 3, 4,
    2, 6, 1, 6, 1.5, 3, 1, 1.5, 1,
], dtype=np.float64)
ROUND_BTC = np.array([
    .0001, .0002, .0003, .0005, .001, .002, .003, .005, .01, .015, .02, .03, .05, .1,
    .15, .2, .25, .3, .5, 1, 2, 3, 5, 10,
])
_BTC_WEIGHTS = np.array([
    4, 3, 2, 5, 10, 6, 4, 8, 14, 2, 6, 4, 8, 10,
    1, 4, 1, 2, 5, 6, 2, 1, 1, 1,
], dtype=np.float64)
# fmt: on


class Lot(NamedTuple):
    """What chance has decided about one transaction.

    The first seven are uniform in 0 … 1 and mean what the kind of transaction makes of them; the next three are
    standard normal. Then a round sum of each currency, and the price in USD per BTC.
    """

    size: float
    detail: float
    shape: float
    source: float
    payee: float
    change: float
    order: float
    payee_normal: float
    change_normal: float
    error_normal: float
    round_usd: float
    round_btc: float
    price_usd: float


def draw_lots(random: np.random.RandomState, count: int, price_usd: float) -> list[Lot]:
    """Draw `count` lots at a price in USD per BTC."""
    columns: list[NDArray[np.float64]] = [
        *random.random_sample((count, 7)).T,
        *random.standard_normal((count, 3)).T,
        random.choice(ROUND_USD, count, p=_USD_WEIGHTS / _USD_WEIGHTS.sum()),
        random.choice(ROUND_BTC, count, p=_BTC_WEIGHTS / _BTC_WEIGHTS.sum()),
        np.full(count, price_usd),
    ]
    return list(map(Lot, *(column.tolist() for column in columns)))


def any_sum_sat(price_usd: float, normal: float, sigma: float = 2.1, least_sat: int = _LEAST_SAT) -> int:
    """Return a sum that is log-normal around 200 USD, in satoshi; `sigma` is that of its natural logarithm."""
    return max(least_sat, int(math.exp(5.3 + sigma * normal) / price_usd * SAT_PER_BTC))


def round_btc_sat(lot: Lot) -> int:
    """Return the lot's round sum of BTC, in satoshi."""
    return round(lot.round_btc * SAT_PER_BTC)


def payment_sat(lot: Lot, config: Config) -> tuple[int, bool]:
    """Return what a payment is worth in satoshi, and whether that is a round sum of USD."""
    if lot.size < config.usd_share:
        return max(_LEAST_SAT, round(lot.round_usd / lot.price_usd * (1 + _error(lot)) * SAT_PER_BTC)), True
    if lot.size < config.usd_share + config.btc_share:
        return round_btc_sat(lot), False
    return any_sum_sat(lot.price_usd, lot.payee_normal), False


def _error(lot: Lot) -> float:
    """Return how far a round sum of USD is off: by the rate that was used, or by a fee taken out of it."""
    if lot.detail < 0.50:
        return 0.0015 * lot.error_normal
    if lot.detail < 0.80:
        return 0.004 * lot.error_normal
    return -(0.005 + 0.025 * (lot.detail - 0.8) / 0.2)
