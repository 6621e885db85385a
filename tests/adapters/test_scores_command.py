"""`utxoracle scores`, as an operator runs it, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from app.adapters.database.kept_scores import DatabaseKeptScores
from app.adapters.database.scores import DatabaseScores
from app.cli import main
from app.domain.whales.accuracy import AccuracyRule
from app.domain.whales.score import Figure, Score
from app.services.whales.scores import Seen, Window, WindowScore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.adapters.database.engine import Database

HOUR = datetime(2026, 11, 20, 8, tzinfo=UTC)
NOTHING = Figure(None, 0)
# No two figures are the same, so that none can stand in the place of another.
SCORE = Score(
    confirmed=152,
    replaced=12,
    dropped=3,
    conflicted=4,
    expired=5,
    accuracy=Figure(0.908, 164),
    brier=Figure(0.133, 163),
    coverage=Figure(0.89, 150),
    exact=Figure(0.757, 152),
    within_one=Figure(0.911, 152),
    transform=Figure(0.799, 151),
    lead_seconds=Figure(612.5, 149),
    baseline_accuracy=Figure(0.888, 140),
    baseline_brier=Figure(0.257, 140),
    baseline_exact=Figure(0.704, 139),
    baseline_within_one=Figure(0.887, 139),
)
FULL = WindowScore(Window("hour", HOUR), Seen(170, Figure(0.625, 168), 6), SCORE)
FEW = WindowScore(
    Window("day", HOUR.replace(hour=0)),
    Seen(9, Figure(None, 9), 0),
    Score(9, 0, 0, 0, 0, *[Figure(None, 9)] * 7, *[NOTHING] * 4),
)


@pytest.fixture
def run(tmp_path: Path, database_url: str) -> Callable[..., Result]:
    environ = {
        "UTXORACLE_USER": None,
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(tmp_path),
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_URL": database_url,
    }
    return lambda *arguments: CliRunner().invoke(main, ["scores", *arguments], env=environ)


def keep(database: Database, *scores: WindowScore) -> None:
    store = DatabaseScores(database, lambda: None, AccuracyRule(warning=0.75, critical=0.70))
    store.keep(scores, NOTHING, HOUR)


def test_what_was_kept_is_read_as_it_was(database: Database) -> None:
    keep(database, FULL, FEW)
    kept = DatabaseKeptScores(database)
    assert kept.newest("hour", 5) == [FULL]
    assert kept.newest("day", 5) == [FEW]


def test_each_figure_stands_beside_its_sample_and_the_baseline(run: Callable[..., Result], database: Database) -> None:
    keep(database, FULL)
    done = run()
    assert done.exit_code == 0
    assert done.output == (
        "hour of 2026-11-20 08:00 UTC, all of it\n"
        "whales: 170 seen, 6 missed\n"
        "predictions: 152 confirmed, 3 dropped, 4 conflicted, 5 expired; 12 of them replaced on the way\n"
        "                ours  sample  baseline  sample\n"
        "accuracy       0.908     164     0.888     140\n"
        "Brier score    0.133     163     0.257     140\n"
        "coverage       0.890     150         -       -\n"
        "exact          0.757     152     0.704     139\n"
        "within one     0.911     152     0.887     139\n"
        "lead, s      612.500     149         -       -\n"
        "transform      0.799     151         -       -\n"
        "urgency        0.625     168         -       -\n"
    )


def test_of_fewer_than_ten_there_is_a_dash_and_their_number(run: Callable[..., Result], database: Database) -> None:
    keep(database, FEW)
    lines = run().output.splitlines()
    assert lines[0] == "day of 2026-11-20 00:00 UTC, all of it"
    assert [line.split() for line in lines if line.startswith(("accuracy", "urgency"))] == [
        ["accuracy", "-", "9", "-", "0"],
        ["urgency", "-", "9", "-", "-"],
    ]


def test_so_many_of_the_newest_hours_and_days_are_printed_and_the_open_one_says_so(
    run: Callable[..., Result], database: Database
) -> None:
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [this_hour + timedelta(hours=1 - back) for back in range(4)]
    keep(database, *(FULL._replace(window=Window("hour", start)) for start in hours), FEW)

    def headings(*arguments: str) -> list[str]:
        return [line for line in run(*arguments).output.splitlines() if "UTC" in line]

    assert [line.split(", ")[0] for line in headings()] == [
        *(f"hour of {start:%Y-%m-%d %H:%M} UTC" for start in hours[:2]),
        "day of 2026-11-20 00:00 UTC",
    ]
    assert headings()[0].endswith("so far")
    assert len(headings("--last", "3")) == 4
    assert headings("--last", "9")[3].endswith("all of it")
    assert run("--last", "0").exit_code == 2


def test_where_nothing_was_kept_that_is_said(run: Callable[..., Result], database: Database) -> None:  # noqa: ARG001 - empty
    done = run()
    assert done.exit_code == 2
    assert "no score is kept yet" in done.output
