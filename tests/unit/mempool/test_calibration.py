"""Predictions are as good as they say, in worlds that differ."""

from __future__ import annotations

import random
from functools import cache

import pytest

from tests.unit.mempool.calibration import REGIMES, Score, score
from tests.unit.mempool.simulated_miner import Regime, World

SEEDS = (1, 2)
LEAST = 400

regimes = pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)


@cache
def scored(regime: Regime) -> Score:
    followed = [each for seed in SEEDS for each in World(regime, seed).live()]
    return score(followed, random.Random(1))  # noqa: S311 - to be the same each time


@regimes
def test_the_interval_covers_eight_tenths(regime: Regime) -> None:
    assert scored(regime).count >= LEAST
    assert scored(regime).covered >= 0.8


@regimes
def test_outcomes_are_spread_as_their_distributions_say(regime: Regime) -> None:
    assert 0.75 <= scored(regime).central <= 0.85
    assert 0.42 <= scored(regime).low <= 0.58


@regimes
def test_the_probability_of_the_next_block_says_more_than_a_template(regime: Regime) -> None:
    assert scored(regime).brier < scored(regime).naive_brier


def test_thousands_of_predictions_were_looked_at() -> None:
    assert sum(scored(regime).count for regime in REGIMES) >= 2_000
