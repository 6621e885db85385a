"""Predictions over running processes are as good as they say, and better than what anybody could have said."""

from __future__ import annotations

import sys

import pytest

from tests.whales.quality import Quality, own_table, quality, table
from tests.whales.quality_life import BUSY

_LEAST = 400


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Quality:
    """What became of the predictions of some two minutes, in which blocks were full now and then."""
    return quality(tmp_path_factory.mktemp("quality"), BUSY, seed=1)


def test_hundreds_of_predictions_were_scored_and_few_whales_had_none(found: Quality) -> None:
    rows = [(BUSY.name, found)]
    sys.stdout.write(f"{table(rows)}\n{own_table(rows)}")
    assert len(found.predictions) >= _LEAST
    # What is mined in the very moment in which it is seen has none: the more, the busier the machine.
    assert found.told >= 0.7


def test_the_interval_covers_eight_tenths(found: Quality) -> None:
    coverage = found.score.coverage
    assert coverage.sample >= _LEAST
    assert coverage.value is not None
    assert coverage.value >= 0.8


def test_outcomes_are_spread_as_their_probabilities_say(found: Quality) -> None:
    assert found.score.transform.sample >= _LEAST
    assert 0.75 <= found.transform <= 0.85


def test_the_probability_of_the_next_block_says_more_than_a_template(found: Quality) -> None:
    ours, naive = found.score.brier, found.score.baseline_brier
    assert naive.sample == ours.sample
    assert ours.value is not None
    assert naive.value is not None
    assert ours.value < naive.value


def test_more_is_mined_by_when_it_was_predicted_than_by_when_a_template_says(found: Quality) -> None:
    ours, naive = found.score.accuracy, found.score.baseline_accuracy
    assert naive.sample == ours.sample
    assert ours.value is not None
    assert naive.value is not None
    assert ours.value > naive.value
