"""One line of a file of prices, read and checked."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from app.domain.price.comparison import PriceComparison, slot_of
from app.services.exchange_rate import HIGHEST_USD, LOWEST_USD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.services.judgement import Limits

TIMES = ("timestamp", "date")
PRICES = ("utxoracle_price", "exchange_price")
READ = (*TIMES, *PRICES, "confidence", "block_height", "is_valid")
# Columns of the table, and of what earlier systems wrote, that follow from the others or mean nothing here.
PASSED_OVER = frozenset(
    {
        *("id", "source", "created_at", "difference", "difference_percent", "invalid_reason", "provenance"),
        *("block_hash", "block_count", "output_count", "block_source", "exchange_time"),
    }
)

_TRUE, _FALSE = frozenset({"true", "1", "yes", "t"}), frozenset({"false", "0", "no", "f"})
_GENESIS = datetime(2009, 1, 3, tzinfo=UTC)
# That of MIN_PRICE_USD: bitcoin once cost cents.
_LOWEST_ESTIMATE = 0.01
_HIGHEST_BLOCK = 100_000_000
_SHOWN = 40


def unknown_columns(names: Iterable[str]) -> list[str]:
    """Return those of `names` that are no columns of ours; a misspelt one would be lost in silence."""
    return [name for name in names if name not in READ and name not in PASSED_OVER]


def comparison_of(fields: Mapping[str, Any], limits: Limits, now: datetime, provenance: str) -> PriceComparison:
    """Return the row that `fields` say, by the names of READ; None and empty text are no value.

    It is valid when it has an estimate within the limits that the file does not call invalid. No other test is made:
    the file is believed, and its name stands in the row.

    Raises:
        ValueError: A field is wrong; the message is a sentence about it.
    """
    given = {name: value for name in READ if (value := _stripped(fields.get(name))) is not None}
    price = _within(given, "utxoracle_price", _LOWEST_ESTIMATE, HIGHEST_USD)
    rate = _within(given, "exchange_price", LOWEST_USD, HIGHEST_USD)
    if price is None and rate is None:
        raise ValueError(f"it has neither {PRICES[0]} nor {PRICES[1]}")
    height = _within(given, "block_height", 0, _HIGHEST_BLOCK)
    if height is not None and height != int(height):
        raise ValueError("block_height is not a whole number")
    reason = _objection(price, is_valid=_flag(given), limits=limits)
    return PriceComparison(
        timestamp=slot_of(_moment(given, now)),
        source="import",
        utxoracle_price=price,
        exchange_price=rate,
        confidence=_within(given, "confidence", 0, 1),
        block_height=None if height is None else int(height),
        provenance=provenance,
        is_valid=reason is None,
        invalid_reason=reason,
    )


def _objection(price: float | None, *, is_valid: bool, limits: Limits) -> str | None:
    if price is None:
        return "no_estimate"
    if not is_valid:
        return "marked_invalid"
    if price < limits.min_price_usd:
        return "below_min_price"
    if price > limits.max_price_usd:
        return "above_max_price"
    return None


def _stripped(value: object) -> object | None:
    if isinstance(value, str):
        return value.strip() or None
    return value


def _within(given: Mapping[str, object], name: str, lowest: float, highest: float) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        number = _number(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is {value!r:.{_SHOWN}}, which is no number") from None
    if not math.isfinite(number) or not lowest <= number <= highest:
        raise ValueError(f"{name} is {value!r:.{_SHOWN}}, and must be from {lowest:g} to {highest:g}")
    return number


def _flag(given: Mapping[str, object]) -> bool:
    value = given.get("is_valid", True)
    said = str(value).lower()
    if said not in _TRUE | _FALSE:
        raise ValueError(f"is_valid is {value!r:.{_SHOWN}}, and must be true or false")
    return said in _TRUE


def _moment(given: Mapping[str, object], now: datetime) -> datetime:
    told = [name for name in TIMES if name in given]
    if len(told) != 1:
        raise ValueError("it has neither timestamp nor date" if not told else "it has both timestamp and date")
    (name,) = told
    try:
        moment = _read(given[name])
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{name} is {given[name]!r:.{_SHOWN}}; give a UTC day, a time with its offset, or seconds since 1970"
        ) from None
    if not _GENESIS <= moment <= now:
        raise ValueError(f"{name} is {moment.isoformat()}, and must be from {_GENESIS.date()} to now")
    return moment


def _number(value: object) -> float:
    """Return what a number, or the text of one, says; JSON also has values that are neither."""
    return float(str(value))


def _read(value: object) -> datetime:
    try:
        return datetime.fromtimestamp(_number(value), UTC)
    except ValueError:
        text = str(value)
    try:
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)
