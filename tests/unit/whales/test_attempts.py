"""Steps that fail, and are tried again."""

from __future__ import annotations

import pytest

from app.services.block_source import NodeUnreachableError
from app.services.storage import StorageError
from app.services.whales.attempts import Attempts
from app.services.whales.condition import Condition
from tests.fakes.whale_clock import SimulatedClock

TIMEOUT_SECONDS = 10.0


class Step:
    """Counts how often it is taken, takes its time, and raises what it is told to."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.taken = 0
        self.seconds = 0.0
        self.error: Exception | None = None

    def hang(self) -> None:
        self.seconds, self.error = TIMEOUT_SECONDS, NodeUnreachableError("does not answer in time")

    def take(self) -> None:
        self.taken += 1
        self._clock.advance(self.seconds)
        if self.error is not None:
            raise self.error


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def condition() -> Condition:
    return Condition()


@pytest.fixture
def attempts(condition: Condition, clock: SimulatedClock) -> Attempts:
    return Attempts(condition, clock.clocks)


@pytest.fixture
def steps(clock: SimulatedClock) -> list[Step]:
    """Five steps, in the order in which they are offered."""
    return [Step(clock) for _ in range(5)]


def turns(attempts: Attempts, clock: SimulatedClock, steps: list[Step], seconds: float) -> None:
    """Offer all of them again and again."""
    until_seconds = clock.seconds() + seconds
    while clock.seconds() < until_seconds:
        for step in steps:
            attempts.take(step.take, "node")
        clock.advance(0.1)


def test_what_fails_is_tried_again_after_a_while(
    attempts: Attempts, condition: Condition, clock: SimulatedClock
) -> None:
    step = Step(clock)
    step.error = NodeUnreachableError("nobody answers")
    assert not attempts.take(step.take, "node")
    assert not attempts.take(step.take, "node")
    assert step.taken == 1
    assert condition.problems == {"node": "nobody answers"}
    step.error = None
    clock.advance(0.5)
    assert attempts.take(step.take, "node")
    assert condition.problems == {}
    assert not attempts.is_held_up


def test_what_fails_at_once_is_tried_twice_a_second_and_holds_up_nobody(
    attempts: Attempts, clock: SimulatedClock, steps: list[Step]
) -> None:
    for step in steps[:4]:
        step.error = NodeUnreachableError("nobody answers")
    turns(attempts, clock, steps, 60)
    assert all(90 <= step.taken <= 120 for step in steps[:4])
    assert steps[4].taken >= 600


@pytest.mark.parametrize(("seconds", "rest_seconds"), [(1.0, 1.0), (3.0, 3.0), (TIMEOUT_SECONDS, 4.0)])
def test_what_waits_in_vain_is_left_alone_for_as_long_but_not_for_five_seconds(
    attempts: Attempts, clock: SimulatedClock, seconds: float, rest_seconds: float
) -> None:
    step = Step(clock)
    step.hang()
    step.seconds = seconds
    attempts.take(step.take, "node")
    clock.advance(rest_seconds - 0.1)
    attempts.take(step.take, "node")
    assert step.taken == 1
    clock.advance(0.2)
    attempts.take(step.take, "node")
    assert step.taken == 2


@pytest.mark.parametrize("hanging", [1, 2, 3, 4])
def test_however_many_wait_in_vain_each_has_its_turn_and_the_others_as_well(
    attempts: Attempts, clock: SimulatedClock, steps: list[Step], hanging: int
) -> None:
    for step in steps[:hanging]:
        step.hang()
    turns(attempts, clock, steps, 1_000)
    in_vain = [step.taken for step in steps[:hanging]]
    assert min(in_vain) > 0.9 * max(in_vain)
    assert all(step.taken >= 0.9 * max(in_vain) for step in steps[hanging:])


def test_there_is_time_to_listen_before_anything_else_may_wait_in_vain(
    attempts: Attempts, clock: SimulatedClock, steps: list[Step]
) -> None:
    for step in steps:
        step.hang()
    turns(attempts, clock, steps, 0.1)
    assert [step.taken for step in steps] == [1, 0, 0, 0, 0]
    turns(attempts, clock, steps, 0.1)
    assert [step.taken for step in steps] == [1, 0, 0, 0, 0]
    turns(attempts, clock, steps, 1)
    assert [step.taken for step in steps] == [1, 1, 0, 0, 0]


def test_others_do_not_wait_for_one_that_is_offered_no_more(
    attempts: Attempts, clock: SimulatedClock, steps: list[Step]
) -> None:
    steps[0].hang()
    attempts.take(steps[0].take, "node")
    turns(attempts, clock, steps[1:], 3)
    assert all(step.taken >= 10 for step in steps[1:])


def test_the_success_of_another_does_not_mean_that_all_is_well(
    attempts: Attempts, condition: Condition, clock: SimulatedClock
) -> None:
    failing, other = Step(clock), Step(clock)
    failing.error = StorageError("the disk is full")
    attempts.take(failing.take, "store")
    assert attempts.take(other.take, "store")
    assert condition.problems == {"store": "the disk is full"}


def test_what_needs_only_the_node_does_not_wait_for_the_store(attempts: Attempts, clock: SimulatedClock) -> None:
    failing, other = Step(clock), Step(clock)
    failing.seconds, failing.error = 5.0, StorageError("was locked for too long")
    attempts.take(failing.take, "node", "store")
    assert attempts.take(other.take, "node")
    assert not attempts.take(other.take, "store")


def test_a_step_that_lacks_another_thing_than_before_says_so(
    attempts: Attempts, condition: Condition, clock: SimulatedClock
) -> None:
    step = Step(clock)
    step.error = NodeUnreachableError("nobody answers")
    attempts.take(step.take, "node", "store")
    clock.advance(1)
    step.error = StorageError("the disk is full")
    attempts.take(step.take, "node", "store")
    assert condition.problems == {"store": "the disk is full"}


def test_a_mistake_of_ours_is_not_swallowed(attempts: Attempts, clock: SimulatedClock) -> None:
    step = Step(clock)
    step.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        attempts.take(step.take, "node")
