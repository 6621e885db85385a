"""Which columns of `correlation_tracking` a score stands in, for those who write it and those who read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.whales.score import Figure, Score

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

_COUNTS = ("confirmed", "replaced", "dropped", "conflicted", "expired")
# Those of the value and of the sample, by the figure. Figures of one sample share its column; the last one writes it.
_FIGURES = {
    "accuracy": ("prediction_accuracy", "accuracy_sample"),
    "brier": ("brier", "brier_sample"),
    "coverage": ("coverage", "coverage_sample"),
    "lead_seconds": ("lead_median_seconds", "lead_sample"),
    "within_one": ("within_one_share", "exact_sample"),
    "exact": ("exact_share", "exact_sample"),
    "transform": ("transform_share", "transform_sample"),
    "baseline_brier": ("baseline_brier", "baseline_sample"),
    "baseline_accuracy": ("baseline_accuracy", "baseline_sample"),
    "baseline_within_one": ("baseline_within_one_share", "baseline_exact_sample"),
    "baseline_exact": ("baseline_exact_share", "baseline_exact_sample"),
}


def columns_of(score: Score) -> dict[str, Any]:
    """Return the values by column."""
    columns: dict[str, Any] = {name: getattr(score, name) for name in _COUNTS}
    for name, (value, sample) in _FIGURES.items():
        figure: Figure = getattr(score, name)
        columns[value], columns[sample] = figure.value, figure.sample
    return columns


def score_in(row: RowMapping) -> Score:
    """Return what `columns_of` made these columns of."""
    parts: dict[str, Any] = {name: row[name] for name in _COUNTS}
    parts |= {name: figure_in(row, *columns) for name, columns in _FIGURES.items()}
    return Score(**parts)


def figure_in(row: RowMapping, value: str, sample: str) -> Figure:
    """Return the figure of two columns; rows of before samples were kept have none."""
    return Figure(row[value], row[sample] or 0)
