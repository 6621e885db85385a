"""What `/api/prices` takes and answers; prices are USD per BTC."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

if TYPE_CHECKING:
    from app.domain.price.comparison import PriceComparison

MAX_DAYS = 365

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="UTC, ISO 8601 with offset.")]
AwareTime = Annotated[datetime, Meta(tz=True)]
TIMES = frozenset({"timestamp", "exchange_time"})
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS)]


class PriceRow(msgspec.Struct, kw_only=True):
    """One comparison of the on-chain estimate with the exchange rate."""

    timestamp: Moment
    source: str
    utxoracle_price: Annotated[float | None, Meta(description="The on-chain estimate, USD per BTC.")]
    exchange_price: Annotated[float | None, Meta(description="The exchange rate, USD per BTC.")]
    difference: Annotated[float | None, Meta(description="Estimate minus rate, USD.")]
    difference_percent: Annotated[float | None, Meta(description="In per cent of the exchange rate.")]
    confidence: Annotated[float, Meta(ge=0, le=1)] | None
    block_height: Annotated[int | None, Meta(description="Newest block of the estimate.")]
    block_hash: str | None
    block_count: int | None
    output_count: int | None
    block_source: str | None
    exchange_time: Moment | None
    is_valid: bool
    invalid_reason: str | None


class LatestPrice(PriceRow, kw_only=True):
    """The newest row."""

    age_seconds: Annotated[float, Meta(ge=0)]
    stale: Annotated[bool, Meta(description="Whether newer rows should be there and are not.")]


class Frame(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """From `from` up to, but without, `to`."""

    start: Moment
    end: Moment


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """Days up to now, or a timeframe."""

    days: Days | None = None
    start: AwareTime | None = None
    end: AwareTime | None = None
    bucket: Literal["raw", "hour", "day"] = "raw"
    columns: Annotated[
        str | None, Meta(description="Names of columns, with commas, or `all`: the answer has a list for each.")
    ] = None


class ComparisonQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Days up to now."""

    days: Days = 7


class History(msgspec.Struct):
    """Rows, oldest first: in `items`, or by column in `columns` if that was asked for."""

    timeframe: Frame
    bucket: str
    count: int
    items: list[PriceRow] | UnsetType = UNSET
    columns: dict[str, list[str | float | bool | None]] | UnsetType = UNSET
    next_cursor: None = None


class ComparisonTimeframe(Frame, rename={"start": "from", "end": "to"}):
    """The timeframe that was asked for."""

    days: int


class Comparison(msgspec.Struct):
    """Differences (estimate minus rate, USD) of the valid rows; null where there are none."""

    timeframe: ComparisonTimeframe
    mean_difference: float | None
    median_difference: float | None
    min_difference: float | None
    max_difference: float | None
    count: Annotated[int, Meta(description="Rows in the timeframe.")]
    valid_count: Annotated[int, Meta(description="Those that are valid.")]
    compared_count: Annotated[int, Meta(description="Those that have an exchange rate as well.")]


def row_fields(row: PriceComparison) -> dict[str, Any]:
    """Return the fields of a PriceRow."""
    values = {name: getattr(row, name) for name in PriceRow.__struct_fields__}
    return values | {name: values[name] and values[name].isoformat() for name in TIMES}
