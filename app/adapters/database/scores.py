"""The score of the predictions, kept in the table `correlation_tracking`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from app.adapters.database.accuracy_alarms import append_alarm
from app.adapters.database.many_rows import upsert
from app.adapters.database.score_columns import columns_of
from app.adapters.database.tables import CorrelationRow, PredictionOutcomeRow, WhaleRow
from app.domain.whales.score import LEAST_SAMPLE, Figure, Resolved
from app.services.whales.scores import Mark, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute

    from app.adapters.database.engine import Database
    from app.domain.whales.accuracy import AccuracyRule
    from app.services.whales.scores import WindowScore

_log = logging.getLogger(__name__)

# What an alarm calls the time that it speaks of.
_RECENT = "24h"
_COMPUTED = {
    # Not the rest of what was computed from, which is most of the row.
    "distribution": PredictionOutcomeRow.inputs["distribution"],
    "is_replaced": PredictionOutcomeRow.final_txid != PredictionOutcomeRow.txid,
}
_RESOLVED = [_COMPUTED[name] if name in _COMPUTED else getattr(PredictionOutcomeRow, name) for name in Resolved._fields]


class DatabaseScores:
    """Answers `app.services.whales.scores.ScoreStore`; `ring` is called after the commit and must not raise."""

    def __init__(self, database: Database, ring: Callable[[], None], rule: AccuracyRule) -> None:
        self._database = database
        self._ring = ring
        self._rule = rule

    def resolved(self, start: datetime, end: datetime) -> Sequence[Resolved]:
        """Return the predictions with start <= resolved_at < end."""
        statement = select(*_RESOLVED).where(*_within(PredictionOutcomeRow.resolved_at, start, end))
        with self._database.reading() as connection:
            found = [Resolved._make(row) for row in connection.execute(statement)]
        return [each if each.distribution is not None else each._replace(distribution=()) for each in found]

    def accuracy(self, start: datetime, end: datetime) -> Figure:
        """Return the share of these that were on time, without reading them."""
        row = PredictionOutcomeRow
        statement = select(func.count(), func.count().filter(row.on_time.is_(True))).where(
            *_within(row.resolved_at, start, end)
        )
        with self._database.reading() as connection:
            resolved, on_time = connection.execute(statement).one()
            return Figure(on_time / resolved if resolved >= LEAST_SAMPLE else None, resolved)

    def seen(self, start: datetime, end: datetime) -> Seen:
        """Return the whales with start <= first seen < end; of those missed counts when they were confirmed."""
        first_seen = select(func.count(), func.count(WhaleRow.urgency_score), func.avg(WhaleRow.urgency_score)).where(
            *_within(WhaleRow.timestamp, start, end), WhaleRow.status != "missed"
        )
        with self._database.reading() as connection:
            whale_count, urgencies, mean = connection.execute(first_seen).one()
            urgency = Figure(mean if urgencies >= LEAST_SAMPLE else None, urgencies)
            return Seen(whale_count, urgency, connection.execute(_missed(start, end)).scalar_one())

    def mark(self, start: datetime, end: datetime) -> Mark:
        """Return the mark of that time; all of it stands in indexes."""
        resolved = _within(PredictionOutcomeRow.resolved_at, start, end)
        counts = (
            select(func.count()).where(*resolved),
            select(func.max(PredictionOutcomeRow.resolved_at)).where(*resolved),
            select(func.count()).where(*_within(WhaleRow.timestamp, start, end)),
            _missed(start, end),
        )
        with self._database.reading() as connection:
            return Mark(*connection.execute(select(*(each.scalar_subquery() for each in counts))).one())

    def kept_since(self) -> datetime | None:
        """Return the start of the oldest hour that was ever kept; None if none was."""
        oldest = select(func.min(CorrelationRow.window_start)).where(CorrelationRow.period == "hour")
        with self._database.reading() as connection:
            return connection.execute(oldest).scalar_one()

    def keep(self, scores: Sequence[WindowScore], recent: Figure, now: datetime) -> None:
        """Put `scores` in place of those of their windows, and say it when `recent`, an accuracy, has become low."""
        rows = [_row(each, now) for each in scores]
        with self._database.writing() as connection:
            upsert(connection, CorrelationRow, ("window_start", "period"), rows)
            alarm = append_alarm(connection, self._rule, recent, _RECENT, now)
        if alarm is not None:
            self._ring()
            _log.warning("prediction accuracy", extra=alarm)


def _within(column: InstrumentedAttribute[Any], start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    return column >= start, column < end


def _missed(start: datetime, end: datetime) -> Select[int]:
    return select(func.count()).where(WhaleRow.status == "missed", *_within(WhaleRow.confirmed_at, start, end))


def _row(each: WindowScore, now: datetime) -> dict[str, Any]:
    return {
        "timestamp": each.window.start,
        "window_start": each.window.start,
        "period": each.window.period,
        "created_at": now,
        "whale_count": each.seen.whale_count,
        "avg_urgency": each.seen.urgency.value,
        "urgency_sample": each.seen.urgency.sample,
        "missed": each.seen.missed,
        **columns_of(each.score),
    }
