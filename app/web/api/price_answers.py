"""What `/api/prices` takes and answers; prices are USD per BTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

if TYPE_CHECKING:
    from app.domain.price.comparison import PriceComparison

MAX_DAYS = 365

# More than there are blocks of.
MAX_YEARS_BY_DAY = 30
MAX_BY_DAY = timedelta(days=MAX_YEARS_BY_DAY * 366)

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="UTC, ISO 8601 with offset.")]
AwareTime = Annotated[datetime, Meta(tz=True)]
TIMES = frozenset({"timestamp", "exchange_time"})
Days = Annotated[int, Meta(ge=1, le=MAX_DAYS)]


class PriceRow(msgspec.Struct, kw_only=True):
    """One comparison of the on-chain estimate with the exchange rate."""

    timestamp: Annotated[Moment, Meta(description="The 10-minute slot.")]
    source: Annotated[str, Meta(description="`live`, `backfill` or `import`.")]
    utxoracle_price: Annotated[float | None, Meta(description="The on-chain estimate, USD per BTC.")]
    band_low: Annotated[
        float | None, Meta(description="The price is above it and below `band_high` nine times in ten.")
    ]
    band_high: Annotated[float | None, Meta(description="See `band_low`; USD per BTC.")]
    confidence: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="How far the estimate can be trusted; null without one, and in rows of earlier releases."),
    ]
    window_price: Annotated[
        float | None,
        Meta(description="The estimate for the whole window of blocks; `utxoracle_price` is that of its end."),
    ]
    published_price: Annotated[
        float | None,
        Meta(description="What the published method makes of the window; null where it finds nothing."),
    ]
    exchange_price: Annotated[float | None, Meta(description="The exchange rate, USD per BTC.")]
    difference: Annotated[float | None, Meta(description="Estimate minus rate, USD.")]
    difference_percent: Annotated[float | None, Meta(description="In per cent of the exchange rate.")]
    lock_margin: Annotated[
        float | None, Meta(description="By how much the estimate explains the window better than any other price does.")
    ]
    signal: Annotated[float | None, Meta(description="How far round dollar amounts stand out, in standard deviations.")]
    point_count: Annotated[
        int | None, Meta(description="Round dollar amounts, and what looks like them, within 5 % of the estimate.")
    ]
    spread_percent: Annotated[float | None, Meta(description="Median distance of those from the estimate.")]
    change_percent: Annotated[
        float | None, Meta(description="From the valid estimate before; null when there is none of the day before.")
    ]
    block_height: Annotated[int | None, Meta(description="Newest block of the window.")]
    block_hash: Annotated[str | None, Meta(description="Its hash.")]
    block_count: Annotated[int | None, Meta(description="Blocks in the window.")]
    output_count: Annotated[int | None, Meta(description="Outputs that passed the filters.")]
    block_source: Annotated[str | None, Meta(description="Which upstream served the blocks.")]
    exchange_time: Annotated[Moment | None, Meta(description="When the exchange rate was quoted.")]
    exchange_sources: Annotated[
        dict[str, float] | None, Meta(description="USD rates by source that went into `exchange_price`.")
    ]
    exchange_outliers: Annotated[
        dict[str, float] | None, Meta(description="Those that were left out for lying too far from the others.")
    ]
    exchange_ratios: Annotated[
        dict[str, float] | None, Meta(description="Units of other currencies by code that cost a dollar.")
    ]
    provenance: Annotated[str | None, Meta(description="Where an imported row comes from.")]
    is_valid: Annotated[bool, Meta(description="Whether `utxoracle_price` may be shown as a price.")]
    invalid_reason: Annotated[str | None, Meta(description="Why not, as a word; null for a valid one.")]


class LatestPrice(PriceRow, kw_only=True):
    """The newest row."""

    age_seconds: Annotated[float, Meta(ge=0)]
    stale: Annotated[bool, Meta(description="Whether newer rows should be there and are not.")]
    last_valid: Annotated[
        PriceRow | None, Meta(description="The newest valid row where this one is not; null otherwise, or without any.")
    ]


class Frame(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """From `from` up to, but without, `to`."""

    start: Moment
    end: Moment


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """Days up to now, or a timeframe: of 365 days at most, with `bucket=day` of 30 years."""

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
    columns: dict[str, list[str | float | bool | dict[str, float] | None]] | UnsetType = UNSET
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
