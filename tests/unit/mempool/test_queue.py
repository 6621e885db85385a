"""The probability of each block agrees with throwing dice for it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.mempool.queue import MOST_BLOCKS, Prospect, block_probabilities

CALM = Prospect(
    least_vb=5_000,
    most_vb=5_000,
    sizes_vb=[24_000],
    phases_left=[1.0],
    phases=1,
    inflow_vb=0.0,
    unsteadiness=0.0,
    lump_vb=1_000,
    missed_probability=0.0,
    bumped_probability=0.0,
)


def thrown(prospect: Prospect, chance: random.Random) -> int:
    """Return the block that takes it in a world that happens as the prospect says; steady demand."""
    place_vb = chance.uniform(prospect.least_vb, prospect.most_vb)
    phases = chance.choices(range(1, len(prospect.phases_left) + 1), prospect.phases_left)[0]
    for block in range(1, 1000):
        span = sum(chance.expovariate(prospect.phases) for _ in range(phases))
        lumps, passed = 0, chance.expovariate(1)
        while passed < span * prospect.inflow_vb / prospect.lump_vb:
            lumps, passed = lumps + 1, passed + chance.expovariate(1)
        place_vb += lumps * prospect.lump_vb
        size_vb = chance.choice(prospect.sizes_vb)
        misses = block == 1 and chance.random() < prospect.missed_probability
        if chance.random() < prospect.bumped_probability or (place_vb <= size_vb and not misses):
            return block
        place_vb = max(0.0, place_vb - size_vb)
        phases = prospect.phases
    return MOST_BLOCKS + 1


@pytest.mark.parametrize(
    "prospect",
    [
        CALM,
        replace(CALM, inflow_vb=18_000),
        replace(CALM, least_vb=60_000, most_vb=90_000, inflow_vb=16_000),
        replace(CALM, inflow_vb=21_000, phases_left=[0.1] * 10, phases=10),
        replace(CALM, inflow_vb=12_000, sizes_vb=[1_000, 12_000, 24_000, 30_000]),
        replace(CALM, least_vb=40_000, most_vb=40_000, inflow_vb=9_000, bumped_probability=0.1),
        replace(CALM, inflow_vb=4_000, missed_probability=0.2),
        replace(CALM, most_vb=30_000, inflow_vb=12_000, lump_vb=4_000),
    ],
)
def test_it_agrees_with_dice(prospect: Prospect) -> None:
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    throws = 4_000
    outcomes = [thrown(prospect, chance) for _ in range(throws)]
    distribution = block_probabilities(prospect)
    expected = 0.0
    for block in range(1, 9):
        expected += distribution[block - 1] if block < len(distribution) else 0.0
        share = sum(outcome <= block for outcome in outcomes) / throws
        assert expected == pytest.approx(share, abs=0.04)


def test_with_room_for_it_and_nobody_coming_it_is_in_the_next_block() -> None:
    assert block_probabilities(CALM) == pytest.approx([1.0, 0.0])


def test_a_queue_of_two_blocks_takes_three() -> None:
    distribution = block_probabilities(replace(CALM, least_vb=60_000, most_vb=60_000))
    assert distribution[2] == pytest.approx(1.0)


def test_the_own_size_has_to_fit_as_well() -> None:
    assert block_probabilities(replace(CALM, least_vb=20_000, most_vb=24_000))[0] == pytest.approx(1, abs=0.04)
    assert block_probabilities(replace(CALM, least_vb=25_500, most_vb=25_500))[0] == 0


def test_where_more_comes_than_blocks_hold_it_may_be_never() -> None:
    distribution = block_probabilities(replace(CALM, least_vb=90_000, most_vb=90_000, inflow_vb=48_000))
    assert len(distribution) == MOST_BLOCKS + 1
    assert distribution[-1] > 0.8


def test_a_queue_of_a_year_is_told_as_quickly_as_one_of_some_blocks() -> None:
    distribution = block_probabilities(replace(CALM, least_vb=1e9, most_vb=2e9, inflow_vb=1e9))
    assert distribution[-1] == pytest.approx(1.0)
    assert len(distribution) == MOST_BLOCKS + 1


def test_unsteady_demand_makes_the_prospect_wider() -> None:
    steady = block_probabilities(replace(CALM, least_vb=60_000, most_vb=60_000, inflow_vb=12_000))
    unsteady = block_probabilities(replace(CALM, least_vb=60_000, most_vb=60_000, inflow_vb=12_000, unsteadiness=0.4))
    assert sum(unsteady[15:]) > sum(steady[15:])
    assert sum(unsteady[:3]) > sum(steady[:3])


prospects = st.builds(
    Prospect,
    least_vb=st.floats(100, 2e5),
    most_vb=st.just(0),
    sizes_vb=st.lists(st.integers(1_000, 100_000), min_size=1, max_size=8),
    phases_left=st.sampled_from([[1.0], [0.5, 0.5], [0.0] * 11 + [1.0]]),
    phases=st.integers(1, 12),
    inflow_vb=st.floats(0, 1e5),
    unsteadiness=st.floats(0, 2),
    lump_vb=st.floats(100, 1e5),
    missed_probability=st.floats(0, 0.5),
    bumped_probability=st.floats(0, 0.2),
).map(lambda each: replace(each, most_vb=1.2 * each.least_vb))


@settings(deadline=None)
@given(prospects)
def test_probabilities_add_up(prospect: Prospect) -> None:
    distribution = block_probabilities(prospect)
    assert 2 <= len(distribution) <= MOST_BLOCKS + 1
    assert all(-1e-9 <= each <= 1 + 1e-9 for each in distribution)
    assert sum(distribution) == pytest.approx(1.0)


@settings(deadline=None)
@given(prospects, st.floats(1.01, 20))
def test_who_stands_further_back_is_not_sooner_in_the_next_block(prospect: Prospect, times: float) -> None:
    further = replace(prospect, least_vb=prospect.least_vb * times, most_vb=prospect.most_vb * times)
    # A longer queue is looked at on a coarser grid.
    assert block_probabilities(further)[0] <= block_probabilities(prospect)[0] + 0.06
