"""How good predictions are in a simulated world: `python -m tests.unit.mempool.calibration` prints the table."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import astuple, dataclass, fields

from app.domain.mempool.distribution import brier_score, randomised_transform
from tests.unit.mempool.simulated_miner import Followed, Regime, World


def _exponential(chance: random.Random) -> float:
    return chance.expovariate(1 / 30.0)


def _by_the_clock(chance: random.Random) -> float:
    return chance.uniform(15.0, 45.0)


def _full(_: random.Random) -> int:
    return 25_500


def _irregular(chance: random.Random) -> int:
    return 0 if chance.random() < 0.05 else chance.randint(10_000, 25_500)


def _lumpy(chance: random.Random) -> int:
    """As the generator of the demonstration's chain: payments, now and then a batch or a consolidation."""
    dice = chance.random()
    if dice < 0.02:
        return 68 * chance.randint(10, 60)
    return int(200 + 31 * chance.expovariate(0.08)) if dice < 0.09 else chance.choice((110, 141, 141, 209, 277, 480))


REGIMES = (
    Regime("empty mempool", lambda _: 0.3, _exponential, _full, share_whales=0.08),
    Regime("nearly full blocks", lambda _: 0.85, _exponential, _full),
    Regime("backlog", lambda _: 0.9, _exponential, _full, backlog_blocks=6),
    Regime("rising demand", lambda block: min(1.6, 0.4 + block / 200), _exponential, _full, crowd_blocks=8),
    Regime(
        "falling demand",
        lambda block: max(0.3, 1.3 - block / 200),
        _exponential,
        _full,
        backlog_blocks=2,
        crowd_blocks=8,
    ),
    Regime("waves", lambda block: 0.9 + 0.5 * math.sin(block / 12), _exponential, _full, crowd_blocks=6),
    Regime("irregular blocks", lambda _: 0.6, _exponential, _irregular),
    Regime("demonstration", lambda _: 1.0, _by_the_clock, _full, size=_lumpy, crowd_blocks=4),
    Regime(
        "proof of work, old templates",
        lambda _: 0.85,
        lambda chance: chance.expovariate(1 / 600.0),
        lambda chance: chance.randint(24_500, 25_500),
        block_seconds=600.0,
        template_age=12.0,
        is_proof_of_work=True,
    ),
)


@dataclass(frozen=True)
class Score:
    """How predictions compare with what came.

    Attributes:
        count: Of predictions.
        covered: Share of outcomes within the interval.
        central: Share of randomised transforms from 0.1 to 0.9.
        low: Share of them below a half.
        brier, naive_brier: Of the next block; naive: what the template holds now is in it.
        exact: Share of outcomes in the block that was expected.
        next_block: Share of outcomes in the next block.
    """

    count: int
    covered: float
    central: float
    low: float
    brier: float
    naive_brier: float
    exact: float
    next_block: float


def score(followed: list[Followed], chance: random.Random) -> Score:
    """Return how good the predictions were."""
    count = len(followed)
    transforms = [
        randomised_transform(each.prediction.distribution, each.blocks_waited, chance.random()) for each in followed
    ]
    horizons = [(each.prediction.horizon, each.blocks_waited) for each in followed]
    return Score(
        count,
        sum(horizon.earliest <= waited <= horizon.latest for horizon, waited in horizons) / count,
        sum(0.1 <= each <= 0.9 for each in transforms) / count,
        sum(each < 0.5 for each in transforms) / count,
        sum(brier_score(each.prediction.next_block_probability, happened=each.blocks_waited == 1) for each in followed)
        / count,
        sum(each.in_template != (each.blocks_waited == 1) for each in followed) / count,
        sum(horizon.expected == waited for horizon, waited in horizons) / count,
        sum(waited == 1 for _, waited in horizons) / count,
    )


def main() -> None:
    """Write a row for each regime and seed."""
    names = [each.name for each in fields(Score)]
    sys.stdout.write(f"{'regime':30}{'seed':>5}" + "".join(f"{name:>13}" for name in names) + "\n")
    for regime in REGIMES:
        for seed in [int(word) for word in sys.argv[1:]] or [1]:
            row = score(World(regime, seed).live(), random.Random(seed))  # noqa: S311 - to be the same each time
            figures = "".join(f"{figure:13.3f}" for figure in astuple(row)[1:])
            sys.stdout.write(f"{regime.name:30}{seed:5}{row.count:13}{figures}\n")


if __name__ == "__main__":
    main()
