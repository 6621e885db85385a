"""What comes in is measured by feerate, and forgotten block by block."""

from __future__ import annotations

import random

import pytest

from app.domain.mempool.arrivals import Arrivals
from app.domain.mempool.bands import band_of

NOBODY = band_of(0.0)


def rate_above(arrivals: Arrivals, feerate: float, now: float) -> float:
    return arrivals.above(band_of(feerate), now, 0.0, 0.0).rate_vb_second


def lived(blocks: int, coming_vb: float, arrivals: Arrivals | None = None, at: float = 0.0) -> Arrivals:
    """Let transactions of 250 vB at 5 sat/vB come for blocks of 100 seconds."""
    arrivals = arrivals or Arrivals(at)
    for block in range(1, blocks + 1):
        for _ in range(int(coming_vb / 250)):
            arrivals.came(band_of(5.0), 250)
        arrivals.block_came(at + 100 * block)
    return arrivals


def test_the_rate_is_that_of_what_pays_more() -> None:
    arrivals = lived(12, 10_000)
    assert rate_above(arrivals, 1.0, 1200.0) == pytest.approx(100)
    assert rate_above(arrivals, 20.0, 1200.0) == 0


def test_time_without_a_block_counts_as_well() -> None:
    arrivals = lived(1, 10_000)
    assert rate_above(arrivals, 1.0, 100.0) > rate_above(arrivals, 1.0, 300.0)


def test_another_demand_is_believed_after_some_blocks() -> None:
    arrivals = lived(30, 10_000)
    lived(15, 30_000, arrivals, at=3000.0)
    assert rate_above(arrivals, 1.0, 4500.0) == pytest.approx(260, abs=20)


def test_what_is_replaced_did_not_come_twice() -> None:
    arrivals = Arrivals(0.0)
    arrivals.came(band_of(2.0), 400)
    arrivals.left(band_of(2.0), 400)
    arrivals.came(band_of(8.0), 400)
    assert rate_above(arrivals, 1.0, 10.0) == 40
    assert rate_above(arrivals, 4.0, 10.0) == 40


def test_more_that_left_than_came_is_nothing_that_came() -> None:
    arrivals = Arrivals(0.0)
    arrivals.left(band_of(2.0), 400)
    assert rate_above(arrivals, 1.0, 10.0) == 0


def test_before_anything_was_seen_the_guess_is_taken() -> None:
    inflow = Arrivals(0.0).above(band_of(1.0), 0.0, 6_000.0, 600.0)
    assert inflow.rate_vb_second == 10
    assert inflow.unsteadiness > 0.1


def test_the_guess_is_soon_outweighed() -> None:
    arrivals = lived(20, 10_000)
    assert arrivals.above(band_of(1.0), 2000.0, 0.0, 100.0).rate_vb_second == pytest.approx(100, rel=0.08)


def test_lumps_are_as_large_as_what_comes_at_once() -> None:
    arrivals = lived(3, 10_000)
    assert arrivals.lump_vb == pytest.approx(250)
    arrivals.came(NOBODY, 100_000)
    assert arrivals.lump_vb > 50_000


def test_unsteady_demand_is_told_from_steady_one() -> None:
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    steady, unsteady = Arrivals(0.0), Arrivals(0.0)
    for block in range(40):
        lived(1, 25_000, steady, at=100.0 * block)
        lived(1, chance.choice((5_000, 45_000)), unsteady, at=100.0 * block)
    seen = [each.above(NOBODY, 4000.0, 0.0, 0.0).unsteadiness for each in (steady, unsteady)]
    assert seen[0] < 0.05
    assert seen[1] > 0.3


def test_the_rate_of_everything_is_known_from_the_first_second_on() -> None:
    arrivals = Arrivals(50.0)
    assert arrivals.total_rate_vb_second(50.0) == 0
    arrivals.came(NOBODY, 500)
    assert arrivals.total_rate_vb_second(60.0) == 50
