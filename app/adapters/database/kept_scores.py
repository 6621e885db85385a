"""Read access to the table `correlation_tracking`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.adapters.database.score_columns import figure_in, score_in
from app.adapters.database.tables import CorrelationRow
from app.services.whales.scores import Seen, Window, WindowScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import RowMapping

    from app.adapters.database.engine import Database
    from app.services.whales.scores import Period


class DatabaseKeptScores:
    """Answers `app.services.kept_scores.KeptScores`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, period: Period, count: int) -> Sequence[WindowScore]:
        """Return the scores of the newest `count` windows, the newest first."""
        newest = (
            select(*CorrelationRow.__table__.columns)
            .where(CorrelationRow.period == period)
            .order_by(CorrelationRow.window_start.desc())
            .limit(count)
        )
        with self._database.reading() as connection:
            return [_score_of(period, row) for row in connection.execute(newest).mappings()]


def _score_of(period: Period, row: RowMapping) -> WindowScore:
    seen = Seen(row["whale_count"], figure_in(row, "avg_urgency", "urgency_sample"), row["missed"])
    return WindowScore(Window(period, row["window_start"]), seen, score_in(row))
