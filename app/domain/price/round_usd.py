"""Amounts that people choose in dollars: which are round, how common each is, and how exactly it is met."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Relative, by the amount in USD. Those that the published method knows have its weights; beside them stand, with
# smaller ones, others that are round as well. `lock` allows each to be off by its own factor.
_COMMONNESS = {
    1: 16, 2: 8, 3: 8, 5: 24, 10: 66, 15: 23, 20: 73, 25: 46, 30: 56, 40: 31, 50: 122, 60: 15, 75: 15, 80: 15,
    100: 169, 120: 8, 150: 34, 200: 78, 250: 21, 300: 50, 400: 15, 500: 47, 750: 8, 1_000: 62, 1_500: 15,
    2_000: 31, 3_000: 9, 5_000: 13, 10_000: 9,
}  # fmt: skip

# Below that much: a price is not much less likely for lacking one of them.
_MINOR = 22

USD = np.array(list(_COMMONNESS), dtype=np.float64)
LOG_USD = np.log(USD)
WEIGHTS = np.array(list(_COMMONNESS.values()), dtype=np.float64)
WEIGHTS /= WEIGHTS.sum()
IS_MINOR = np.array(list(_COMMONNESS.values())) < _MINOR

# Share of the payments, and how far (standard deviation of the logarithm) they lie from the round amount: those of
# wallets that quote the market, of wallets with an older or another quote, and those that had a fee taken out.
_SPREADS = ((0.45, 0.0015), (0.30, 0.005), (0.25, 0.015))

FARTHEST = 0.03


def payment_density(offsets: NDArray[np.float64], blur: float = 0.0) -> NDArray[np.float64]:
    """Return how densely round payments lie at these distances (logarithms) from a round amount; it integrates to 1.

    Args:
        offsets: Logarithm of the amount over the round amount.
        blur: Standard deviation of what else moves them, such as the price itself.
    """
    density = np.zeros_like(offsets)
    for share, deviation in _SPREADS:
        wide = np.hypot(deviation, blur)
        density += share * np.exp(-0.5 * (offsets / wide) ** 2) / (wide * np.sqrt(2 * np.pi))
    return density
