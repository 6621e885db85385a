"""What a block holds is seen where something was left behind."""

from __future__ import annotations

import random

import pytest

from app.domain.mempool.block_space import USUAL_VB, BlockSpace


def after(*blocks: tuple[int, float]) -> BlockSpace:
    space = BlockSpace()
    for vsize_vb, left_vb in blocks:
        space.came(vsize_vb, left_vb)
    return space


def test_until_a_block_was_full_it_is_a_million_less_what_is_reserved() -> None:
    assert BlockSpace().usual_vb == USUAL_VB
    assert after((5_000, 0), (80_000, 100)).usual_vb == USUAL_VB


def test_a_block_that_left_much_behind_was_full() -> None:
    assert after((25_400, 9_000)).sizes_vb == [25_400] * 8


def test_a_smaller_block_that_left_nothing_behind_says_nothing() -> None:
    assert after((25_400, 9_000), (3_000, 0), (24_000, 300)).sizes_vb == [25_400] * 8


def test_a_larger_block_that_left_nothing_behind_says_that_blocks_hold_more() -> None:
    assert after((10_000, 9_000), (25_400, 0)).sizes_vb == [10_000] * 4 + [25_400] * 4


def test_one_block_that_seemed_full_by_chance_does_not_make_all_blocks_small() -> None:
    assert after((3_000, 1_300), *[(20_000, 0)] * 30).sizes_vb == [USUAL_VB] * 8


def test_an_empty_block_counts_as_one_that_holds_hardly_anything() -> None:
    space = after((0, 50_000), *[(25_400, 9_000)] * 7)
    assert space.sizes_vb == [1_000] + [25_400] * 7
    assert space.usual_vb == 25_400


def test_a_calm_does_not_make_the_limit_forgotten() -> None:
    assert after((25_400, 9_000), *[(2_000, 0)] * 500).usual_vb == 25_400


def test_the_limit_of_another_miner_is_learned() -> None:
    assert after(*[(25_400, 9_000)] * 36, *[(90_000, 90_000)] * 36).sizes_vb == [90_000] * 8


def test_sizes_are_not_judged_by_the_full_ones_alone() -> None:
    """Full blocks are mostly small ones, since those are soon full."""
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    means = []
    for _ in range(200):
        space = BlockSpace()
        for _ in range(60):
            holds_vb, demand_vb = chance.randint(10_000, 30_000), chance.randint(5_000, 40_000)
            space.came(min(holds_vb, demand_vb), demand_vb - holds_vb)
        means.append(sum(space.sizes_vb) / 8)
    assert sum(means) / len(means) == pytest.approx(20_000, rel=0.06)
