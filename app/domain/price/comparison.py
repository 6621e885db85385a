"""One comparison of the on-chain estimate with the exchange rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOT = timedelta(minutes=10)

Source = Literal["live", "backfill", "import"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceComparison:
    """What one run found; prices are USD per BTC, times aware UTC.

    Attributes:
        timestamp: The 10-minute slot; unique together with `source`.
        utxoracle_price: The on-chain estimate; None when there is none.
        exchange_price: The exchange rate; None when there is no fresh one.
        band_low: The price lies above it and below `band_high` nine times in ten; None without an estimate.
        band_high: See `band_low`.
        confidence: 0 to 1; None without an estimate, and in rows of releases that did not know it.
        window_price: The estimate for the whole window, where `utxoracle_price` is that of its end.
        published_price: What the published method makes of the window; None when it finds nothing.
        lock_margin: By how much the estimate explains the window better than any other price does; see docs/METHOD.md.
        signal: How far round dollar amounts stand out, in standard deviations.
        point_count: Round dollar amounts, and what looks like them, within 5 % of the estimate.
        spread_percent: Median distance of those from the estimate.
        change_percent: From the own valid estimate before; None when there is none of the day before.
        block_height: Newest block of the window.
        block_count: Blocks in the window.
        output_count: Outputs that passed the filters.
        block_source: Which upstream served the blocks.
        exchange_time: When the exchange rate was quoted.
        exchange_sources: Rate in USD by the name of the source, of those that went into `exchange_price`.
        exchange_outliers: Likewise of those that were left out for lying too far from the others.
        exchange_ratios: Units of other currencies by code that cost a dollar, where the quote says so.
        provenance: Where an imported row comes from.
        is_valid: Whether `utxoracle_price` may be shown as a price.
        invalid_reason: Why not; None for a valid one.
    """

    timestamp: datetime
    source: Source = "live"
    utxoracle_price: float | None = None
    exchange_price: float | None = None
    band_low: float | None = None
    band_high: float | None = None
    confidence: float | None = None
    window_price: float | None = None
    published_price: float | None = None
    lock_margin: float | None = None
    signal: float | None = None
    point_count: int | None = None
    spread_percent: float | None = None
    change_percent: float | None = None
    block_height: int | None = None
    block_hash: str | None = None
    block_count: int | None = None
    output_count: int | None = None
    block_source: str | None = None
    exchange_time: datetime | None = None
    exchange_sources: Mapping[str, Any] | None = None
    exchange_outliers: Mapping[str, Any] | None = None
    exchange_ratios: Mapping[str, Any] | None = None
    provenance: str | None = None
    is_valid: bool = False
    invalid_reason: str | None = None

    @property
    def difference(self) -> float | None:
        """Estimate minus rate, in USD; None unless both are there."""
        if self.utxoracle_price is None or self.exchange_price is None:
            return None
        return self.utxoracle_price - self.exchange_price

    @property
    def difference_percent(self) -> float | None:
        """The difference in per cent of the exchange rate; None unless both are there."""
        if self.difference is None or not self.exchange_price:
            return None
        return 100 * self.difference / self.exchange_price


def slot_of(moment: datetime) -> datetime:
    """Return the start of the 10-minute slot, on the clock, that `moment` (aware UTC) lies in."""
    since_midnight = timedelta(hours=moment.hour, minutes=moment.minute)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + since_midnight // SLOT * SLOT
