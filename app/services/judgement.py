"""What an estimate must satisfy to count as a price."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from app.domain.price.comparison import PriceComparison
    from app.services.onchain_price import OnchainPrice

# Fewer points near the price have locked onto half or double of it (price-method 11).
MIN_POINTS_NEAR_PRICE = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """What a figure must satisfy to count as a price."""

    min_price_usd: float
    max_price_usd: float
    max_quote_age: timedelta


def judged(
    empty: PriceComparison, price: OnchainPrice, limits: Limits, before: PriceComparison | None
) -> PriceComparison:
    """Return `empty` with an estimate, and with whether it may be shown as a price.

    Args:
        empty: The row's slot and source.
        price: The estimate.
        limits: What it must satisfy.
        before: The newest valid row before that slot; None when there is none.
    """
    del before
    reason = _objection(price, limits)
    return replace(
        empty,
        utxoracle_price=price.price,
        block_height=price.last_height,
        block_hash=price.last_hash,
        block_count=price.n_blocks,
        output_count=price.n_outputs,
        block_source=price.block_source,
        is_valid=reason is None,
        invalid_reason=reason,
    )


def _objection(price: OnchainPrice, limits: Limits) -> str | None:
    if price.n_points_near < MIN_POINTS_NEAR_PRICE:
        return "too_few_points"
    if price.price < limits.min_price_usd:
        return "below_min_price"
    if price.price > limits.max_price_usd:
        return "above_max_price"
    return None
