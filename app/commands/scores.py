"""`utxoracle scores`: how good the predictions of whales were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from app.commands.database import opened_database
from app.commands.failure import FailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.whales.score import Figure, Score
    from app.services.whales.scores import Period, Seen, WindowScore

_PERIODS: tuple[Period, ...] = ("hour", "day")
_COLUMNS = f"{'':<12}{'ours':>8}{'sample':>8}{'baseline':>10}{'sample':>8}"


@click.command()
@click.option(
    "--last",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=2,
    show_default=True,
    help="How many of the newest hours, and of the newest days; the newest of each is mostly still open.",
)
@click.pass_obj
def scores(environ: dict[str, str], last: int) -> None:
    """Print how good the predictions of the newest hours and days were, the newest first.

    Each figure stands beside the number of predictions that it speaks of, and beside what the naive baseline got; `-`
    is a figure of fewer than ten, which would tell of chance only, or one that the baseline does not have.
    """
    from app.adapters.database.kept_scores import DatabaseKeptScores  # noqa: PLC0415 - as in app.commands

    with opened_database(environ) as database:
        kept = DatabaseKeptScores(database)
        windows = [each for period in _PERIODS for each in kept.newest(period, last)]
    if not windows:
        raise FailedError("no score is kept yet; the detector keeps it, from its first minute on")
    now = datetime.now(UTC)
    click.echo("\n\n".join("\n".join(_lines(each, now)) for each in windows))


def _lines(kept: WindowScore, now: datetime) -> Iterator[str]:
    """Yield what is printed of a window."""
    window, seen, score = kept
    length = "so far" if window.end > now else "all of it"
    yield f"{window.period} of {window.start.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {length}"
    yield f"whales: {seen.whale_count} seen, {seen.missed} missed"
    yield (
        f"predictions: {score.confirmed} confirmed, {score.dropped} dropped, {score.conflicted} conflicted, "
        f"{score.expired} expired; {score.replaced} of them replaced on the way"
    )
    yield _COLUMNS
    for name, ours, baseline in _figures(seen, score):
        value, sample, baseline_value, baseline_sample = *_told(ours), *_told(baseline)
        yield f"{name:<12}{value:>8}{sample:>8}{baseline_value:>10}{baseline_sample:>8}"


def _figures(seen: Seen, score: Score) -> Iterator[tuple[str, Figure, Figure | None]]:
    """Yield what each figure is called, ours, and the baseline's."""
    yield "accuracy", score.accuracy, score.baseline_accuracy
    yield "Brier score", score.brier, score.baseline_brier
    yield "coverage", score.coverage, None
    yield "exact", score.exact, score.baseline_exact
    yield "within one", score.within_one, score.baseline_within_one
    yield "lead, s", score.lead_seconds, None
    yield "transform", score.transform, None
    yield "urgency", seen.urgency, None


def _told(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return "-", "-"
    return "-" if figure.value is None else f"{figure.value:.3f}", str(figure.sample)
