"""The history of prices, kept in the table `price_comparisons`."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Select, func, not_, null, or_, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite

from app.adapters.database.clock_time import EpochTime, epoch_seconds
from app.adapters.database.divergences import append_crossing
from app.adapters.database.events import append
from app.adapters.database.price_changes import PRICE_EVENT, PriceChanges
from app.adapters.database.tables import PriceRow
from app.domain.price.comparison import PriceComparison
from app.services.price_history import DifferenceSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from app.adapters.database.engine import Database
    from app.domain.price.divergence import DivergenceRule
    from app.services.price_history import Bucket

_log = logging.getLogger(__name__)

_BUCKET_SECONDS = {"hour": 3600, "day": 86400}
_FIELDS = tuple(PriceComparison.__dataclass_fields__)
_COLUMNS = [getattr(PriceRow, name) for name in _FIELDS]


class DatabasePriceHistory:
    """Answers `app.services.price_history.PriceHistory`; `ring` is called after each commit and must not raise.

    Whoever keeps live rows gives the rule by which they diverge; who only reads needs none.
    """

    def __init__(self, database: Database, ring: Callable[[], None], divergence: DivergenceRule | None = None) -> None:
        self._database = database
        self._ring = ring
        self._divergence = divergence
        self._changes = PriceChanges()

    def record(self, comparison: PriceComparison, now: datetime) -> int:
        """Keep `comparison` and append its event, in one transaction; return the event's id.

        A second run in one slot replaces the row, except that an invalid one never replaces a valid one:
        then nothing changes and 0 is returned. A run that got no exchange rate leaves that of the earlier one. Two
        hosts that run at once need no lock for that: the later waits at the row of the slot until the earlier has
        committed, so the last event of a slot is the one of its row.
        """
        with self._database.writing() as connection:
            comparison = _with_known_rate(connection, comparison)
            if not _keep(connection, comparison, now):
                return 0
            event_id = append(connection, PRICE_EVENT, _payload(comparison), now)
            rule = self._divergence
            crossing = append_crossing(connection, rule, comparison, now) if rule is not None else None
        self._ring()
        if crossing is not None:
            _log.warning("price divergence", extra=crossing)
        return event_id

    def newest(self) -> PriceComparison | None:
        """Return the newest row, valid or not; of several sources in one slot the live one."""
        statement = select(*_COLUMNS).order_by(PriceRow.timestamp.desc(), PriceRow.source.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _comparison(row)

    def newest_valid_before(self, moment: datetime) -> PriceComparison | None:
        """Return the newest valid row with a timestamp below `moment`, of any source."""
        statement = (
            select(*_COLUMNS)
            .where(PriceRow.timestamp < moment, PriceRow.is_valid)
            .order_by(PriceRow.timestamp.desc(), PriceRow.source.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _comparison(row)

    def span(self) -> tuple[datetime, datetime] | None:
        """Return the timestamps of the oldest and the newest row."""
        # Two questions: SQLite looks into the index for one extreme, and through all of it for both.
        oldest, newest = (select(each(PriceRow.timestamp)).scalar_subquery() for each in (func.min, func.max))
        with self._database.reading() as connection:
            first, last = connection.execute(select(oldest, newest)).one()
        return None if first is None else (first, last)

    def between(self, start: datetime, end: datetime) -> Sequence[PriceComparison]:
        """Return rows with start <= timestamp < end, oldest first."""
        with self._database.reading() as connection:
            return [_comparison(row) for row in connection.execute(_rows(_COLUMNS, start, end))]

    def table(self, columns: Sequence[str], start: datetime, end: datetime, bucket: Bucket) -> Sequence[Sequence[Any]]:
        """Return these columns of rows with start <= timestamp < end, oldest first; or of means, see the port."""
        if bucket == "raw":
            statement = _rows([getattr(PriceRow, name) for name in columns], start, end)
        else:
            statement = _means(columns, _BUCKET_SECONDS[bucket], start, end)
        with self._database.reading() as connection:
            return connection.execute(statement).all()

    def version(self) -> str:
        """Return what is another after every change of the rows: each of them appended an event."""
        with self._database.reading() as connection:
            return self._changes.version(connection)

    def differences(self, start: datetime, end: datetime) -> DifferenceSummary:
        """Summarise the differences of the rows with start <= timestamp < end."""
        within = _within(start, end)
        compared: tuple[ColumnElement[bool], ...] = (
            *within,
            PriceRow.is_valid.is_(True),
            PriceRow.difference.is_not(None),
        )
        counts = select(func.count(), func.count().filter(PriceRow.is_valid)).select_from(PriceRow).where(*within)
        figures = select(
            func.avg(PriceRow.difference), func.min(PriceRow.difference), func.max(PriceRow.difference), func.count()
        ).where(*compared)
        with self._database.reading() as connection:
            count, valid_count = connection.execute(counts).one()
            mean, lowest, highest, compared_count = connection.execute(figures).one()
            median = connection.execute(_median(*compared)).scalar()
        return DifferenceSummary(mean, median, lowest, highest, count, valid_count, compared_count)


_RATE = ("exchange_price", "exchange_time", "exchange_sources", "exchange_outliers", "exchange_ratios")


def _with_known_rate(connection: Connection, comparison: PriceComparison) -> PriceComparison:
    """Return `comparison` with the rate that the row of its slot has, if it has none itself."""
    if comparison.exchange_price is not None:
        return comparison
    known = (
        select(*(getattr(PriceRow, name) for name in _RATE))
        .where(
            PriceRow.timestamp == comparison.timestamp,
            PriceRow.source == comparison.source,
            PriceRow.exchange_price.is_not(None),
        )
        .with_for_update()
    )
    row = connection.execute(known).first()
    return comparison if row is None else replace(comparison, **dict(zip(_RATE, row, strict=True)))


def _keep(connection: Connection, comparison: PriceComparison, now: datetime) -> bool:
    """Insert or replace the row of the slot, in one statement so that two runs cannot come between each other."""
    values = {name: getattr(comparison, name) for name in _FIELDS}
    values |= {
        "difference": comparison.difference,
        "difference_percent": comparison.difference_percent,
        "created_at": now,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(PriceRow).values(values)
    kept = statement.on_conflict_do_update(
        index_elements=[PriceRow.timestamp, PriceRow.source],
        set_={name: statement.excluded[name] for name in values},
        where=or_(not_(PriceRow.is_valid), statement.excluded["is_valid"]),
    ).returning(PriceRow.id)
    return connection.execute(kept).first() is not None


def _payload(comparison: PriceComparison) -> dict[str, Any]:
    return {
        "timestamp": comparison.timestamp.isoformat(),
        "source": comparison.source,
        "utxoracle_price": comparison.utxoracle_price,
        "exchange_price": comparison.exchange_price,
        "difference": comparison.difference,
        "difference_percent": comparison.difference_percent,
        "band_low": comparison.band_low,
        "band_high": comparison.band_high,
        "confidence": comparison.confidence,
        "block_height": comparison.block_height,
        "is_valid": comparison.is_valid,
        "invalid_reason": comparison.invalid_reason,
    }


def _comparison(row: Row[Any]) -> PriceComparison:
    return PriceComparison(**dict(zip(_FIELDS, row, strict=True)))


def _within(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return PriceRow.timestamp >= start, PriceRow.timestamp < end


def _rows(columns: Sequence[ColumnElement[Any]], start: datetime, end: datetime) -> Select[Any]:
    return select(*columns).where(*_within(start, end)).order_by(PriceRow.timestamp, PriceRow.source)


# The rate was seen by whoever ran then, whatever came of the estimate.
_OF_VALID = (
    *("utxoracle_price", "band_low", "band_high", "confidence", "window_price"),
    *("difference", "difference_percent"),
)
_MEANS: Mapping[str, ColumnElement[Any]] = {
    **{name: func.avg(getattr(PriceRow, name)).filter(PriceRow.is_valid) for name in _OF_VALID},
    "exchange_price": func.avg(PriceRow.exchange_price),
    "block_height": func.max(PriceRow.block_height).filter(PriceRow.is_valid),
    "source": func.coalesce(func.max(PriceRow.source).filter(PriceRow.is_valid), func.max(PriceRow.source)),
    "is_valid": func.count().filter(PriceRow.is_valid) > 0,
}


def _means(columns: Sequence[str], seconds: int, start: datetime, end: datetime) -> Select[Any]:
    epoch = epoch_seconds(PriceRow.timestamp)
    # Before 1970 the remainder is negative.
    bucket = type_coerce(epoch - (epoch % seconds + seconds) % seconds, EpochTime).label("bucket")
    means = {"timestamp": bucket, **_MEANS}
    return (
        select(*(means.get(name, null()) for name in columns))
        .where(*_within(start, end), or_(PriceRow.is_valid, PriceRow.exchange_price.is_not(None)))
        .group_by(bucket)
        .order_by(bucket)
    )


def _median(*compared: ColumnElement[bool]) -> Select[Any]:
    """Return the mean of the middle one or two; SQLite has no percentiles."""
    ranked = (
        select(
            PriceRow.difference.label("difference"),
            func.row_number().over(order_by=PriceRow.difference).label("rank"),
            func.count().over().label("total"),
        )
        .where(*compared)
        .subquery()
    )
    middle = ranked.c.rank.in_([(ranked.c.total + 1) // 2, (ranked.c.total + 2) // 2])
    return select(func.avg(ranked.c.difference)).where(middle)
