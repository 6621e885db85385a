"""Projected blocks are cut from the highest feerate down."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.domain.mempool.histogram import FeeBand
from app.domain.mempool.projected_blocks import (
    ProjectedBlock,
    economy_feerate_sat_vb,
    next_block_feerate_sat_vb,
    projected_blocks,
)

histograms = st.dictionaries(st.floats(0, 1000), st.integers(1, 5000), max_size=30).map(
    lambda held: [FeeBand(feerate, held[feerate], 1) for feerate in sorted(held, reverse=True)]
)


def test_nothing_waits_so_nothing_is_said() -> None:
    assert projected_blocks([], 1000) == []
    assert next_block_feerate_sat_vb([]) is None
    assert economy_feerate_sat_vb([]) is None


def test_a_band_that_does_not_fit_goes_on_in_the_next_block() -> None:
    blocks = projected_blocks([FeeBand(9.0, 600, 2), FeeBand(4.0, 900, 3), FeeBand(1.0, 100, 1)], 1000)
    assert blocks == [ProjectedBlock(1000, 4.0, 9.0, 9.0), ProjectedBlock(600, 1.0, 4.0, 4.0)]


def test_a_band_that_ends_with_the_block_is_in_that_one_alone() -> None:
    blocks = projected_blocks([FeeBand(9.0, 1000, 2), FeeBand(4.0, 10, 3)], 1000)
    assert blocks == [ProjectedBlock(1000, 9.0, 9.0, 9.0), ProjectedBlock(10, 4.0, 4.0, 4.0)]


def test_the_eighth_block_holds_the_rest() -> None:
    blocks = projected_blocks([FeeBand(float(rate), 500, 1) for rate in range(40, 0, -1)], 1000)
    assert [block.vsize_vb for block in blocks] == [1000] * 7 + [13_000]
    assert blocks[-1][1:] == (1.0, 14.0, 26.0)


def test_the_economy_is_to_be_within_six_blocks() -> None:
    blocks = projected_blocks([FeeBand(float(rate), 1000, 1) for rate in range(9, 0, -1)], 1000)
    assert next_block_feerate_sat_vb(blocks) == 9.0
    assert economy_feerate_sat_vb(blocks) == 4.0
    assert economy_feerate_sat_vb(blocks[:2]) == 8.0


@given(histograms, st.integers(1, 4000))
def test_nothing_is_lost_and_feerates_fall(bands: list[FeeBand], capacity_vb: int) -> None:
    blocks = projected_blocks(bands, capacity_vb)
    assert sum(block.vsize_vb for block in blocks) == sum(band.vsize_vb for band in bands)
    assert all(block.vsize_vb == capacity_vb for block in blocks[:-1])
    assert all(block[1] <= block[2] <= block[3] for block in blocks)
    assert all(before.lowest_feerate_sat_vb >= after.highest_feerate_sat_vb for before, after in pairwise(blocks))
    assert len(blocks) <= 8
