"""Read access to the table `correlation_tracking`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.adapters.database.tables import CorrelationRow
from app.domain.whales.score import Figure, Score
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
    """Return what `app.adapters.database.scores` made this row of."""
    score = Score(
        confirmed=row["confirmed"],
        replaced=row["replaced"],
        dropped=row["dropped"],
        conflicted=row["conflicted"],
        expired=row["expired"],
        accuracy=_figure(row["prediction_accuracy"], row["accuracy_sample"]),
        brier=_figure(row["brier"], row["brier_sample"]),
        coverage=_figure(row["coverage"], row["coverage_sample"]),
        exact=_figure(row["exact_share"], row["exact_sample"]),
        within_one=_figure(row["within_one_share"], row["exact_sample"]),
        transform=_figure(row["transform_share"], row["transform_sample"]),
        lead_seconds=_figure(row["lead_median_seconds"], row["lead_sample"]),
        baseline_accuracy=_figure(row["baseline_accuracy"], row["baseline_sample"]),
        baseline_brier=_figure(row["baseline_brier"], row["baseline_sample"]),
        baseline_exact=_figure(row["baseline_exact_share"], row["baseline_exact_sample"]),
        baseline_within_one=_figure(row["baseline_within_one_share"], row["baseline_exact_sample"]),
    )
    seen = Seen(row["whale_count"], _figure(row["avg_urgency"], row["urgency_sample"]), row["missed"])
    return WindowScore(Window(period, row["window_start"]), seen, score)


def _figure(value: float | None, sample: int | None) -> Figure:
    # Rows of before samples were kept have none.
    return Figure(value, sample or 0)
