"""How predictions are scored, each figure with of how many it speaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.mempool.distribution import horizon
from app.domain.whales.accuracy import AccuracyRule
from app.domain.whales.score import LEAST_SAMPLE, Figure, Resolved, figure_of, is_on_time, score_of, transform_of

if TYPE_CHECKING:
    from app.domain.whales.accuracy import Accuracy

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)
SURE_OF_NEXT = Resolved(
    prediction_id="p",
    predicted_at=NOW,
    tip_height=100,
    predicted_block=101,
    earliest_block=101,
    latest_block=101,
    next_block_probability=1.0,
    distribution=[1.0],
    baseline_block=101,
    outcome="confirmed",
    outcome_block=101,
    resolved_at=NOW + timedelta(seconds=600),
    on_time=True,
    is_replaced=False,
)
DROPPED = SURE_OF_NEXT._replace(outcome="dropped", outcome_block=None, on_time=False)


def late(blocks: int) -> Resolved:
    return SURE_OF_NEXT._replace(outcome_block=101 + blocks, on_time=is_on_time(101, 100, 101 + blocks))


@pytest.mark.parametrize(("ahead", "latest"), [(1, 2), (2, 3), (3, 4), (4, 6), (5, 7), (6, 9), (10, 15)], ids=str)
def test_on_time_is_up_to_half_the_horizon_late_and_always_one_block(ahead: int, latest: int) -> None:
    assert is_on_time(100 + ahead, 100, 100 + latest)
    assert not is_on_time(100 + ahead, 100, 100 + latest + 1)


@given(st.integers(1, 50), st.integers(1, 100))
def test_on_time_is_what_the_contract_says(ahead: int, after: int) -> None:
    allowed = max(Fraction(1), Fraction(ahead, 2))
    assert is_on_time(1000 + ahead, 1000, 1000 + after) == (after <= ahead + allowed)


def test_of_fewer_than_ten_there_is_no_figure_but_their_number() -> None:
    score = score_of([SURE_OF_NEXT] * (LEAST_SAMPLE - 1))
    assert score.confirmed == 9
    assert {each for each in score if isinstance(each, Figure)} == {Figure(None, 9)}
    assert score_of([]).accuracy == Figure(None, 0)


def test_ten_perfect_predictions_are_perfect() -> None:
    score = score_of([SURE_OF_NEXT] * 10)
    assert score.accuracy == score.coverage == score.exact == score.within_one == Figure(1.0, 10)
    assert score.baseline_accuracy == score.baseline_exact == score.baseline_within_one == Figure(1.0, 10)
    assert score.brier == score.baseline_brier == Figure(0.0, 10)
    assert score.lead_seconds == Figure(600.0, 10)


def test_whatever_did_not_confirm_counts_against_the_accuracy() -> None:
    ends = [DROPPED, DROPPED._replace(outcome="conflicted"), DROPPED._replace(outcome="expired", is_replaced=True)]
    score = score_of([SURE_OF_NEXT] * 12 + ends)
    assert (score.confirmed, score.replaced, score.dropped, score.conflicted, score.expired) == (12, 1, 1, 1, 1)
    assert score.accuracy == Figure(12 / 15, 15)
    # They were not in the next block either, of which the prediction was sure.
    assert score.brier == Figure(3 / 15, 15)
    # Of which block they would be in, nobody can tell.
    assert score.exact == score.coverage == Figure(1.0, 12)


def test_exact_and_within_one_and_the_interval_differ() -> None:
    wide = late(1)._replace(latest_block=104)
    score = score_of(
        [*[SURE_OF_NEXT] * 4, *[wide] * 3, *[late(2)] * 2, late(0)._replace(outcome_block=104, latest_block=103)]
    )
    assert (score.exact, score.within_one, score.coverage) == (Figure(0.4, 10), Figure(0.7, 10), Figure(0.7, 10))


def test_the_brier_score_is_the_mean_squared_error_of_the_next_block() -> None:
    unsure = SURE_OF_NEXT._replace(next_block_probability=0.6)
    assert score_of([unsure] * 5 + [unsure._replace(outcome_block=102)] * 5).brier.value == pytest.approx(
        (0.4**2 + 0.6**2) / 2
    )


def test_the_baseline_is_scored_where_it_said_something() -> None:
    second = SURE_OF_NEXT._replace(baseline_block=102)
    silent = SURE_OF_NEXT._replace(baseline_block=None)
    score = score_of([SURE_OF_NEXT] * 6 + [second] * 6 + [silent] * 7 + [DROPPED])
    assert score.accuracy.sample == 20
    assert score.baseline_accuracy == Figure(12 / 13, 13)
    # It said 0 for the next block of six that were in it, and 1 for the one that was nowhere.
    assert score.baseline_brier == Figure(7 / 13, 13)
    assert (score.baseline_exact, score.baseline_within_one) == (Figure(0.5, 12), Figure(1.0, 12))


def test_lead_time_is_the_median_of_those_confirmed() -> None:
    times = [SURE_OF_NEXT._replace(resolved_at=NOW + timedelta(seconds=60 * number)) for number in range(1, 12)]
    assert score_of([*times, *[DROPPED] * 9]).lead_seconds == Figure(360.0, 11)


def test_a_block_of_another_chain_that_came_sooner_than_the_next_counts_as_the_next() -> None:
    sooner = SURE_OF_NEXT._replace(outcome_block=99)
    assert transform_of(sooner, 99) == 0.0
    assert score_of([sooner] * 10).brier == Figure(0.0, 10)


def test_predictions_without_probabilities_are_left_out_of_the_transform() -> None:
    untold = SURE_OF_NEXT._replace(distribution=[])
    assert score_of([untold] * 10 + [SURE_OF_NEXT] * 3).transform == Figure(None, 3)


def test_the_lot_of_a_prediction_is_the_same_each_time_and_another_for_each() -> None:
    places = [transform_of(SURE_OF_NEXT._replace(prediction_id=str(number)), 101) for number in range(1_000)]
    assert places == [transform_of(SURE_OF_NEXT._replace(prediction_id=str(number)), 101) for number in range(1_000)]
    assert len(set(places)) == 1_000
    assert 0.45 < sum(places) / 1_000 < 0.55


def test_eight_in_ten_transforms_of_right_probabilities_are_in_the_middle() -> None:
    distribution = [0.5, 0.2, 0.1, 0.1, 0.1]
    said = horizon(distribution)
    right = [
        SURE_OF_NEXT._replace(
            prediction_id=f"{block} {number}",
            distribution=distribution,
            outcome_block=100 + block,
            earliest_block=100 + said.earliest,
            latest_block=100 + said.latest,
        )
        for block, share in enumerate(distribution, start=1)
        for number in range(int(2_000 * share))
    ]
    score = score_of(right)
    assert score.transform.sample == 2_000
    assert score.transform.value == pytest.approx(0.8, abs=0.03)
    assert score.coverage.value == pytest.approx(0.8, abs=0.03)
    # Those who always wait longest were promised something better.
    assert score_of([each._replace(outcome_block=105) for each in right]).transform.value == 0.0


shares = st.lists(st.floats(0, 1), min_size=10, max_size=30)


@given(shares)
def test_a_mean_of_shares_is_a_share(values: list[float]) -> None:
    value, sample = figure_of(values)
    assert value is not None
    assert min(values) - 1e-12 <= value <= max(values) + 1e-12
    assert 0 <= value <= 1
    assert sample == len(values)


RULE = AccuracyRule(warning=0.75, critical=0.70)


@pytest.mark.parametrize(
    ("accuracy", "before", "after"),
    [
        (0.75, "recovered", "recovered"),
        (0.749, "recovered", "warning"),
        (0.70, "recovered", "warning"),
        (0.699, "recovered", "critical"),
        (0.769, "warning", "warning"),
        (0.77, "warning", "recovered"),
        (0.699, "warning", "critical"),
        (0.719, "critical", "critical"),
        (0.72, "critical", "warning"),
        (0.769, "critical", "warning"),
        (0.77, "critical", "recovered"),
    ],
)
def test_an_alarm_ends_a_little_above_where_it_began(accuracy: float, before: Accuracy, after: Accuracy) -> None:
    assert RULE.state(accuracy, before) == after


def test_perfection_ends_an_alarm_even_where_nothing_less_is_asked_for() -> None:
    assert AccuracyRule(1.0, 1.0).state(1.0, "critical") == "recovered"
    assert AccuracyRule(1.0, 1.0).state(0.999, "critical") == "critical"


def test_each_state_speaks_of_its_threshold() -> None:
    states: tuple[Accuracy, ...] = ("warning", "critical", "recovered")
    assert [RULE.threshold(state) for state in states] == [0.75, 0.70, 0.75]
