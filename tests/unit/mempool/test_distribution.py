"""What a distribution says, and how an outcome compares with it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.mempool.distribution import brier_score, horizon, randomised_transform


def _normalised(weights: list[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


distributions = (
    st.lists(st.floats(0, 1), min_size=1, max_size=51).filter(lambda each: sum(each) > 0.01).map(_normalised)
)


def test_the_median_is_expected_and_the_tails_are_left_out() -> None:
    assert horizon([0.05, 0.05, 0.3, 0.3, 0.2, 0.1]) == (4, 3, 5)
    assert horizon([1.0]) == (1, 1, 1)
    assert horizon([0.0, 0.0, 1.0]) == (3, 3, 3)


def test_an_end_that_is_not_needed_is_dropped() -> None:
    assert horizon([0.85, 0.15]) == (1, 1, 1)
    assert horizon([0.12, 0.83, 0.05]) == (2, 2, 2)
    assert horizon([0.75, 0.25]) == (1, 1, 2)


@given(distributions)
def test_the_interval_covers_eight_tenths_and_holds_the_expected_block(distribution: list[float]) -> None:
    expected, earliest, latest = horizon(distribution)
    assert 1 <= earliest <= expected <= latest <= len(distribution)
    assert sum(distribution[earliest - 1 : latest]) >= 0.8 - 1e-6


@given(distributions, st.floats(0, 1), st.integers(1, 60))
def test_later_outcomes_lie_higher(distribution: list[float], v: float, waited: int) -> None:
    here = randomised_transform(distribution, waited, v)
    assert 0 <= here <= randomised_transform(distribution, waited + 1, v) <= 1


def test_outcomes_that_follow_their_distribution_are_spread_evenly() -> None:
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    distribution = [0.6, 0.25, 0.1, 0.05]
    transforms = [
        randomised_transform(distribution, chance.choices((1, 2, 3, 4), distribution)[0], chance.random())
        for _ in range(20_000)
    ]
    for tenth in range(10):
        share = sum(tenth / 10 <= each < (tenth + 1) / 10 for each in transforms) / len(transforms)
        assert share == pytest.approx(0.1, abs=0.01)


def test_a_wait_beyond_the_end_is_in_the_last_part() -> None:
    assert randomised_transform([0.5, 0.5], 40, 0.0) == 0.5


@pytest.mark.parametrize(("distribution", "waited"), [([], 1), ([1.0], 0)])
def test_there_is_no_transform_of_nothing(distribution: list[float], waited: int) -> None:
    with pytest.raises(ValueError, match="transform"):
        randomised_transform(distribution, waited, 0.5)


def test_the_brier_score_is_the_squared_error() -> None:
    assert brier_score(0.75, happened=True) == 0.0625
    assert brier_score(0.75, happened=False) == 0.5625
