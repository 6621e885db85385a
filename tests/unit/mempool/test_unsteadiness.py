"""Demand that changes is told from lumps that come by chance."""

from __future__ import annotations

import random

import pytest

from app.domain.mempool.unsteadiness import Unsteadiness

LUMP_VB = 1_000.0


def after(periods: list[tuple[float, float]]) -> float:
    unsteadiness = Unsteadiness()
    for seen_vb, expected_vb in periods:
        unsteadiness.period(seen_vb, expected_vb, LUMP_VB)
    return unsteadiness.squared


def test_until_it_was_seen_demand_is_taken_to_be_a_little_unsteady() -> None:
    assert after([]) == pytest.approx(0.05)
    assert after([(0.0, 0.0)]) == pytest.approx(0.0375)


def test_lumps_by_chance_are_no_unsteadiness() -> None:
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    lumps = [sum(chance.random() < 0.02 for _ in range(1_000)) for _ in range(300)]
    assert after([(LUMP_VB * count, 20_000.0) for count in lumps]) < 0.03


def test_half_as_much_and_half_as_much_again_is_an_unsteadiness_of_a_half() -> None:
    assert after([(50_000.0, 100_000.0), (150_000.0, 100_000.0)] * 50) == pytest.approx(0.25, abs=0.06)


def test_a_short_period_says_little() -> None:
    steady = [(100_000.0, 100_000.0)] * 10
    assert after([*steady, (4_000.0, 400.0)]) < 0.02
