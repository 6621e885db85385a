"""The compact table agrees with a plain dictionary, in little memory."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.domain.mempool.bands import band_of, feerate_of
from app.domain.mempool.histogram import Ahead
from app.domain.mempool.table import MULTIPLIER
from app.domain.mempool.waiting import Waiting

# Few enough to meet again, and with multiplier 1 many share a slot: those with the same upper half do.
keys = st.integers(1, 40) | st.integers(1, 5).map(lambda low: low << 60 | low)
feerates = st.sampled_from([0.0, 0.4, 1.0, 1.001, 3.0, 3.5, 80.0])
sizes = st.integers(60, 1_000_000)


class AgreesWithADictionary(RuleBasedStateMachine):
    """`model`: feerate and size by key, None while the fee is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = Waiting(most=30, multiplier=1)
        self.model: dict[int, tuple[float, int] | None] = {}
        self.seen: set[int] | None = None
        self.untracked = 0

    def enter(self, key: int, priced: tuple[float, int] | None) -> None:
        if key not in self.model and len(self.model) == 30:
            self.untracked += 1
            return
        if key not in self.model and self.seen is not None:
            self.seen.add(key)
        self.model[key] = priced

    @rule(key=keys)
    def add(self, key: int) -> None:
        self.waiting.add(key)
        self.enter(key, self.model.get(key))

    @rule(key=keys, feerate=feerates, size=sizes)
    def price(self, key: int, feerate: float, size: int) -> None:
        self.waiting.price(key, feerate, size)
        self.enter(key, (feerate, size))

    @rule(key=keys, feerate=feerates)
    def lift(self, key: int, feerate: float) -> None:
        self.waiting.lift(key, feerate)
        priced = self.model.get(key)
        if priced is not None:
            self.model[key] = (max(feerate, priced[0]), priced[1])

    @rule(key=keys)
    def remove(self, key: int) -> None:
        assert self.waiting.remove(key) == (key in self.model)
        self.model.pop(key, None)

    @rule(expected=st.integers(0, 5000))
    def begin_sweep(self, expected: int) -> None:
        self.waiting.begin_sweep(expected)
        self.seen = set()
        self.untracked = 0

    @rule(key=keys)
    def mark(self, key: int) -> None:
        assert self.waiting.mark(key) == (key in self.model)
        if self.seen is not None:
            self.seen.add(key)

    @rule()
    def sweep(self) -> None:
        gone = set() if self.seen is None else set(self.model) - self.seen
        assert sorted(self.waiting.sweep()) == sorted(gone)
        self.seen = None
        for key in gone:
            del self.model[key]

    @rule(key=keys)
    def find(self, key: int) -> None:
        priced = self.model.get(key)
        expected = None if priced is None else (band_of(priced[0]), priced[1])
        assert self.waiting.find(key) == expected
        assert (key in self.waiting) == (key in self.model)

    @invariant()
    def everything_is_counted(self) -> None:
        assert len(self.waiting) == len(self.model)
        assert self.waiting.untracked == self.untracked
        assert self.waiting.unpriced == sum(priced is None for priced in self.model.values())

    @invariant()
    def the_histogram_is_that_of_a_plain_count(self) -> None:
        priced = [each for each in self.model.values() if each is not None]
        assert self.waiting.histogram.total_vb == sum(size for _, size in priced)
        bands = sorted({band_of(feerate) for feerate, _ in priced}, reverse=True)
        sizes_vb = [[size for feerate, size in priced if band_of(feerate) == band] for band in bands]
        assert list(self.waiting.histogram.bands()) == [
            (feerate_of(band), sum(held), len(held)) for band, held in zip(bands, sizes_vb, strict=True)
        ]

    @rule(feerate=feerates)
    def ahead(self, feerate: float) -> None:
        band = band_of(feerate)
        priced = [(band_of(each[0]), each[1]) for each in self.model.values() if each is not None]
        higher_vb = sum(size for other, size in priced if other > band)
        assert self.waiting.ahead(feerate) == Ahead(higher_vb, sum(size for other, size in priced if other == band))


TestAgreesWithADictionary = AgreesWithADictionary.TestCase


def _random_keys(count: int) -> list[int]:
    chance = random.Random(1)  # noqa: S311 - to be the same each time
    return [chance.getrandbits(64) for _ in range(count)]


def test_300_000_take_less_than_12_mb() -> None:
    many = _random_keys(300_000)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        waiting = Waiting()
        for key in many:
            waiting.add(key)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(waiting) == len(many)
    assert waiting.bytes_used < peak - before < 12_000_000


def test_after_everything_came_and_went_nothing_is_left() -> None:
    waiting = Waiting()
    many = _random_keys(20_000)
    for key in many:
        waiting.price(key, 1.0 + key % 7, 1 + key % 500)
    assert all(waiting.remove(key) for key in many)
    assert len(waiting) == waiting.histogram.total_vb == waiting.unpriced == 0
    assert not list(waiting.histogram.bands())
    assert not any(key in waiting for key in many)


@pytest.mark.parametrize("multiplier", [MULTIPLIER, 0x1234_5678_9ABC_DEF1])
def test_those_that_come_when_it_is_full_are_counted_until_the_next_sweep(multiplier: int) -> None:
    waiting = Waiting(most=2, multiplier=multiplier)
    for key in (7, 8, 9):
        waiting.add(key)
        waiting.price(key, 1.0, 100)
    # Once, though two things were told of it.
    assert (len(waiting), waiting.untracked, 9 in waiting) == (2, 1, False)
    waiting.begin_sweep()
    assert waiting.untracked == 0


def test_a_sweep_that_never_ended_does_not_save_what_has_gone() -> None:
    waiting = Waiting()
    for key in (1, 2, 3):
        waiting.add(key)
    waiting.begin_sweep()
    waiting.mark(1)
    waiting.begin_sweep()
    waiting.mark(2)
    assert sorted(waiting.sweep()) == [1, 3]
