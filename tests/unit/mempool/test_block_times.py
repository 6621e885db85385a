"""The pace of blocks is learned where it is not known, and believed where it is."""

from __future__ import annotations

import math
import random

import pytest

from app.domain.mempool.block_times import BlockTimes


def after(gaps: list[float], certainty_blocks: float = 0.5) -> BlockTimes:
    times = BlockTimes(certainty_blocks)
    at = 1_000_000.0
    times.came(at)
    for gap in gaps:
        at += gap
        times.came(at)
    return times


def exponential_gaps(count: int, mean_seconds: float, seed: int = 1) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 - to be the same each time
    return [chance.expovariate(1 / mean_seconds) for _ in range(count)]


def test_until_blocks_came_they_come_every_600_seconds_at_random() -> None:
    times = BlockTimes(0.5)
    assert (times.mean_seconds, times.phases) == (600.0, 1)
    assert times.since_last(1_000_000.0) == 0.0
    assert times.probability_within(60.0, 0.0) == pytest.approx(1 - math.exp(-0.1))


def test_a_faster_pace_is_learned_within_a_few_blocks() -> None:
    assert after([30.0] * 4).mean_seconds == pytest.approx(42, abs=5)
    assert after([30.0] * 24).mean_seconds == pytest.approx(31.5, abs=1)


def test_of_a_pace_far_from_600_seconds_nothing_is_left_of_the_guess() -> None:
    assert after([1.0] * 24, certainty_blocks=0.1).mean_seconds == pytest.approx(1, abs=0.03)
    assert after([20_000.0] * 24, certainty_blocks=0.1).mean_seconds == pytest.approx(20_000, rel=0.03)


def test_a_change_of_pace_is_followed() -> None:
    assert after([600.0] * 30 + [30.0] * 24).mean_seconds < 33


def test_proof_of_work_is_believed_whatever_a_few_blocks_say() -> None:
    times = after([300.0] * 24, certainty_blocks=200.0)
    assert 540 < times.mean_seconds < 600
    assert times.phases == 1


def test_a_night_without_blocks_does_not_make_a_chain_slow() -> None:
    assert after([*[30.0] * 12, 36_000.0, *[30.0] * 12]).mean_seconds < 50


def test_headers_whose_times_run_backwards_do_no_harm() -> None:
    times = after([30.0, -500.0, 560.0] * 6)
    assert times.mean_seconds > 0
    assert times.since_last(0.0) == 0.0


def test_regular_blocks_are_told_from_random_ones() -> None:
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    assert after(exponential_gaps(24, 30.0)).phases <= 2
    assert after([chance.uniform(15, 45) for _ in range(24)]).phases >= 6


def test_the_longer_a_regular_block_takes_the_nearer_it_is() -> None:
    times = after([30.0] * 24)
    last = 1_000_000.0 + 24 * 30
    soon = [times.probability_within(5.0, last + passed) for passed in (0, 10, 20, 30, 60)]
    assert soon == sorted(soon)
    assert soon[0] < 0.01
    assert soon[-1] > 0.5


def test_a_random_block_is_never_nearer() -> None:
    times = after([], certainty_blocks=200.0)
    assert times.probability_within(60.0, 1_000_000.0) == times.probability_within(60.0, 1_009_000.0)


@pytest.mark.parametrize("passed", [0.0, 12.0, 1e7])
def test_some_number_of_phases_is_left(passed: float) -> None:
    left = after([30.0] * 24).phases_left(1_000_000.0 + 24 * 30 + passed)
    assert sum(left) == pytest.approx(1)
    assert all(0 <= each <= 1 for each in left)
