"""What an estimate must satisfy to count as a price."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.price.comparison import PriceComparison
    from app.services.onchain_price import OnchainPrice

# A price that moved further than that since the own one before has more likely been misread. It may have moved so far
# all the same: once a day has passed without a valid one, it is believed.
MAX_CHANGE_PERCENT = 30.0
CONTINUITY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a figure must satisfy to count as a price."""

    min_price_usd: float
    max_price_usd: float
    min_confidence: float
    max_quote_age: timedelta

    def allow(self, usd: float) -> bool:
        """Return whether so many dollars may be what a bitcoin costs, whoever says so."""
        return self.min_price_usd <= usd <= self.max_price_usd


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
    own = price.own
    row = replace(
        empty,
        utxoracle_price=own.price,
        band_low=own.band_low,
        band_high=own.band_high,
        confidence=own.confidence,
        window_price=own.window_price,
        published_price=price.published.price if price.published else None,
        lock_margin=own.lock_margin,
        signal=own.signal,
        point_count=own.point_count,
        spread_percent=own.spread_percent,
        change_percent=_change_percent(own.price, empty, before),
        block_height=price.last_height,
        block_hash=price.last_hash,
        block_count=price.n_blocks,
        output_count=price.n_outputs,
        block_source=price.block_source,
    )
    reason = own.objection or _objection(row, limits)
    # What is refused for any reason is not to be trusted, whatever its figures say.
    return replace(row, is_valid=reason is None, invalid_reason=reason, confidence=0.0 if reason else own.confidence)


def _change_percent(usd: float, empty: PriceComparison, before: PriceComparison | None) -> float | None:
    if before is None or not before.utxoracle_price or empty.timestamp - before.timestamp > CONTINUITY:
        return None
    return 100 * (usd / before.utxoracle_price - 1)


def _objection(row: PriceComparison, limits: Limits) -> str | None:
    usd, confidence, change = row.utxoracle_price or 0.0, row.confidence or 0.0, row.change_percent or 0.0
    if usd < limits.min_price_usd:
        return "below_min_price"
    if usd > limits.max_price_usd:
        return "above_max_price"
    if confidence < limits.min_confidence:
        return "low_confidence"
    if abs(change) > MAX_CHANGE_PERCENT:
        return "discontinuous"
    return None
