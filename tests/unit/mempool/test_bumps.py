"""How often people pay more is learned."""

from __future__ import annotations

import pytest

from app.domain.mempool.bumps import Bumps


def after(blocks: int, bumps_a_block: int, waiting: int) -> float:
    bumps = Bumps()
    for _ in range(blocks):
        for _ in range(bumps_a_block):
            bumps.bumped()
        bumps.block_came(waiting)
    return bumps.probability_a_block


def test_until_anything_was_seen_it_is_one_in_a_hundred() -> None:
    assert after(0, 0, 0) == 0.01


def test_what_is_seen_is_believed() -> None:
    assert after(100, 5, 100) == pytest.approx(0.05, abs=0.003)
    assert after(100, 0, 1000) < 0.001


def test_it_stays_a_small_probability() -> None:
    assert after(100, 500, 100) == 0.2
