"""The memory of sources that failed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from app.services.source_breaker import Delays, SourceBreaker, Trouble

DELAYS = {"near": Delays(60, 300), "far": Delays(600, 21_600)}


class Kept:
    """A memory that outlives its breaker."""

    def __init__(self) -> None:
        self.troubles: dict[str, Trouble] = {}
        self.saved = 0

    def load(self) -> dict[str, Trouble]:
        return dict(self.troubles)

    def save(self, troubles: Mapping[str, Trouble]) -> None:
        self.troubles = dict(troubles)
        self.saved += 1


class Clock:
    now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breaker(kept: Kept, clock: Clock) -> SourceBreaker:
    """A breaker as each process makes its own."""
    return SourceBreaker(kept, DELAYS.__getitem__, clock)


def waited(kept: Kept, clock: Clock, name: str) -> float:
    """Fail once more, and return for how long the next processes leave the source alone."""
    breaker(kept, clock).failed(name)
    failed_at = clock.now
    while breaker(kept, clock).is_open(name):
        clock.now += 30
    return clock.now - failed_at


def test_a_failure_is_remembered_by_the_next_process_and_not_for_ever(kept: Kept, clock: Clock) -> None:
    assert not breaker(kept, clock).is_open("far")
    breaker(kept, clock).failed("far")
    assert breaker(kept, clock).is_open("far")
    assert not breaker(kept, clock).is_open("near")
    clock.now += 599
    assert breaker(kept, clock).is_open("far")
    clock.now += 1
    assert not breaker(kept, clock).is_open("far")


def test_each_failure_in_a_row_doubles_the_delay_up_to_the_longest(kept: Kept, clock: Clock) -> None:
    assert [waited(kept, clock, "far") for _ in range(8)] == [600, 1200, 2400, 4800, 9600, 19_200, 21_600, 21_600]
    assert [waited(kept, clock, "near") for _ in range(4)] == [60, 120, 240, 300]


def test_a_success_forgets_the_failures(kept: Kept, clock: Clock) -> None:
    for _ in range(3):
        breaker(kept, clock).failed("far")
    breaker(kept, clock).worked("far")
    assert not breaker(kept, clock).is_open("far")
    assert waited(kept, clock, "far") == 600


def test_what_works_costs_no_writing(kept: Kept, clock: Clock) -> None:
    one = breaker(kept, clock)
    for _ in range(144):
        one.worked("near")
    assert kept.saved == 0


@pytest.mark.parametrize("name", DELAYS)
def test_a_clock_that_was_ahead_locks_nobody_out(kept: Kept, clock: Clock, name: str) -> None:
    clock.now += 365 * 86_400
    breaker(kept, clock).failed(name)
    clock.now -= 365 * 86_400
    assert not breaker(kept, clock).is_open(name)


def test_a_count_beyond_reason_is_the_longest_delay(kept: Kept, clock: Clock) -> None:
    kept.troubles["far"] = Trouble(10**30, float("-inf"))
    assert not breaker(kept, clock).is_open("far")
    assert waited(kept, clock, "far") == 21_600
