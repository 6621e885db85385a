"""How good predictions are over running processes; `python -m tests.whales.quality` prints the tables of the docs."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

from app.adapters.database.scores import DatabaseScores
from app.domain.mempool.distribution import randomised_transform
from app.domain.whales.accuracy import AccuracyRule
from app.domain.whales.score import Figure, Resolved, Score, score_of
from tests.whales.appliance import WhaleAppliance, whale_appliance
from tests.whales.quality_life import BLOCK_WEIGHT, DEMANDS, Demand, Life

THRESHOLD_BTC = 1
_WARM_UP_BLOCKS, _BLOCKS, _COOL_DOWN_BLOCKS = 8, 130, 20
_LOTS = 50
_LONGEST = timedelta(hours=1)
_RULE = AccuracyRule(0.75, 0.7)


@dataclass(frozen=True)
class Quality:
    """What was predicted, and what came of it.

    Attributes:
        predictions: Those that are scored; the naive ones are those of who sent the whales.
        kept: The same as the appliance keeps them; the naive ones are its own, and fewer.
        told: Share of the whales of that time that were predicted at all.
    """

    predictions: Sequence[Resolved]
    kept: Sequence[Resolved]
    told: float

    @property
    def score(self) -> Score:
        """As the appliance computes it."""
        return score_of(self.predictions)

    @property
    def score_beside_own(self) -> Score:
        """The same of those predictions only that have a naive one of the appliance beside them, with that one."""
        return score_of([each for each in self.kept if each.baseline_block is not None])

    @property
    def transform(self) -> float:
        """Share of the randomised transforms in the middle eight tenths, of many lots for each prediction.

        What a single lot adds is chance, and no news about the predictions.
        """
        lots = [(lot + 0.5) / _LOTS for lot in range(_LOTS)]
        return fmean(
            0.1 <= randomised_transform(each.distribution, each.outcome_block - each.tip_height, lot) <= 0.9
            for each in self.predictions
            if each.outcome_block is not None
            for lot in lots
        )


def quality(directory: Path, demand: Demand, seed: int) -> Quality:
    """Return how good the predictions of an appliance are that lives through some demand; takes about 110 seconds.

    First it learns for a few blocks. Last, life goes on until almost all is mined that was predicted, since what is
    mined when nobody pays any more comes too soon.
    """
    options = (f"-blockmaxweight={BLOCK_WEIGHT}",)
    with whale_appliance(directory, threshold_btc=THRESHOLD_BTC, node_options=options) as appliance:
        life = Life(appliance.node, demand, seed)
        appliance.detector.start()
        appliance.until(appliance.connected_blocks, "the first block")
        for _ in range(_WARM_UP_BLOCKS):
            life.live()
        since = datetime.now(UTC)
        for _ in range(_BLOCKS):
            life.live()
        until = datetime.now(UTC)
        for _ in range(_COOL_DOWN_BLOCKS):
            if not _waiting(appliance, until):
                break
            life.live()
        life.end()
        appliance.until(lambda: life.tip in appliance.connected_blocks(), "the last block")
        return _quality(appliance, life, since, until)


def table(rows: Sequence[tuple[str, Quality]]) -> str:
    """Return the figures for people: ours, and beside each of them that of the naive prediction."""
    heads = ("demand", "n", "accuracy", "Brier", "coverage", "exact", "within one", "lead", "transform")
    return _lines(heads, [_row(*each) for each in rows])


def own_table(rows: Sequence[tuple[str, Quality]]) -> str:
    """Return ours beside the naive prediction of the appliance itself, of those that have one."""
    heads = ("demand", "n", "accuracy", "Brier", "exact", "within one")
    return _lines(heads, [_own_row(*each) for each in rows])


def _lines(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (heads, ("---",) * len(heads), *rows))


def _waiting(appliance: WhaleAppliance, until: datetime) -> bool:
    rows = appliance.predictions().values()
    return any(row["outcome"] == "pending" and row["predicted_at"] <= until for row in rows)


def _quality(appliance: WhaleAppliance, life: Life, since: datetime, until: datetime) -> Quality:
    rows = appliance.predictions()
    scores = DatabaseScores(appliance.database, lambda: None, _RULE)
    resolved = scores.resolved(since, until + _LONGEST)
    scored = [each for each in resolved if since <= each.predicted_at <= until]
    whales = [row for row in appliance.whales().values() if since <= row["detected_at"] <= until]
    return Quality(
        [each._replace(baseline_block=life.naive[rows[each.prediction_id]["txid"]]) for each in scored],
        scored,
        fmean(row["prediction_id"] is not None for row in whales),
    )


def _row(name: str, found: Quality) -> tuple[str, ...]:
    score = found.score
    return (
        name,
        str(len(found.predictions)),
        _beside(score.accuracy, score.baseline_accuracy),
        _beside(score.brier, score.baseline_brier),
        _told(score.coverage),
        _beside(score.exact, score.baseline_exact),
        _beside(score.within_one, score.baseline_within_one),
        f"{_told(score.lead_seconds)} s",
        f"{found.transform:.3f}",
    )


def _own_row(name: str, found: Quality) -> tuple[str, ...]:
    score = found.score_beside_own
    return (
        name,
        f"{score.baseline_accuracy.sample} of {len(found.kept)}",
        _beside(score.accuracy, score.baseline_accuracy),
        _beside(score.brier, score.baseline_brier),
        _beside(score.exact, score.baseline_exact),
        _beside(score.within_one, score.baseline_within_one),
    )


def _beside(ours: Figure, naive: Figure) -> str:
    return f"{_told(ours)} / {_told(naive)}"


def _told(figure: Figure) -> str:
    return "none" if figure.value is None else f"{figure.value:.3f}"


def main() -> None:
    """Live through every demand with every seed that the command line names, or with 2."""
    rows = []
    for demand in DEMANDS:
        for seed in [int(word) for word in sys.argv[1:]] or [2]:
            with tempfile.TemporaryDirectory(prefix="quality-") as directory:
                rows.append((f"{demand.name}, {seed}", quality(Path(directory), demand, seed)))
    sys.stdout.write(f"{table(rows)}\n{own_table(rows)}")


if __name__ == "__main__":
    main()
