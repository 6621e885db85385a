"""A clock that stands still with the process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.own_time import OwnTime


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_time_passes_as_on_the_clock_while_somebody_ticks() -> None:
    clock = Clock()
    own = OwnTime(clock)
    for _ in range(100):
        clock.now += 0.05
        own.tick()
    assert own.seconds() == pytest.approx(5.0)


def test_a_stall_hardly_counts_whether_it_is_looked_at_before_or_after_the_tick() -> None:
    clock = Clock()
    own = OwnTime(clock)
    clock.now += 37
    before = own.seconds()
    own.tick()
    assert before == own.seconds() < 0.5


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans())))
def test_it_never_goes_back_nor_faster_than_the_clock(steps: list[tuple[float, bool]]) -> None:
    clock = Clock()
    own = OwnTime(clock)
    last = 0.0
    for seconds, ticks in steps:
        clock.now += seconds
        if ticks:
            own.tick()
        assert last <= own.seconds() <= last + seconds + 1e-6
        last = own.seconds()
