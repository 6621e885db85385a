"""Comparisons of the on-chain estimate with the exchange rate; prices are USD per BTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base, not_negative, one_of, share

# Also keeps out infinity and, on PostgreSQL, the NaN that sorts above it.
_ABSURD = "1000000000000000"

# None is no value, and not a value that says null.
_JSON = JSON(none_as_null=True)


def _price(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} > 0 AND {column} < {_ABSURD}", name=f"{column}_positive")


class PriceRow(Base):
    """One slot of 10 minutes from one source."""

    __tablename__ = "price_comparisons"
    __table_args__ = (
        # Serves every query by time as well.
        UniqueConstraint("timestamp", "source"),
        one_of("source", "live", "backfill", "import"),
        _price("utxoracle_price"),
        _price("exchange_price"),
        share("confidence"),
        not_negative("block_height"),
        not_negative("block_count"),
        not_negative("output_count"),
        CheckConstraint(
            "(difference IS NULL) = (utxoracle_price IS NULL OR exchange_price IS NULL)", name="difference_of_both"
        ),
        CheckConstraint("(difference IS NULL) = (difference_percent IS NULL)", name="difference_percent_too"),
        CheckConstraint("is_valid = (invalid_reason IS NULL)", name="invalid_with_reason"),
        CheckConstraint("NOT is_valid OR utxoracle_price IS NOT NULL", name="valid_with_price"),
        _price("band_low"),
        _price("band_high"),
        CheckConstraint(
            "(band_low IS NULL) = (band_high IS NULL) AND (band_low IS NULL OR band_low <= band_high)",
            name="band_low_to_high",
        ),
        _price("window_price"),
        _price("published_price"),
        not_negative("point_count"),
        not_negative("spread_percent"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime]
    source: Mapped[str]
    utxoracle_price: Mapped[float | None]
    exchange_price: Mapped[float | None]
    difference: Mapped[float | None]
    difference_percent: Mapped[float | None]
    confidence: Mapped[float | None]
    block_height: Mapped[int | None]
    block_hash: Mapped[str | None]
    block_count: Mapped[int | None]
    output_count: Mapped[int | None]
    block_source: Mapped[str | None]
    exchange_time: Mapped[datetime | None]
    is_valid: Mapped[bool]
    invalid_reason: Mapped[str | None]
    created_at: Mapped[datetime]
    band_low: Mapped[float | None]
    band_high: Mapped[float | None]
    window_price: Mapped[float | None]
    published_price: Mapped[float | None]
    lock_margin: Mapped[float | None]
    signal: Mapped[float | None]
    point_count: Mapped[int | None]
    spread_percent: Mapped[float | None]
    change_percent: Mapped[float | None]
    exchange_sources: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    exchange_outliers: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    exchange_ratios: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    provenance: Mapped[str | None]
