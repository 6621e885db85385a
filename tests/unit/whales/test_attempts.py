"""Steps that fail, and are tried again."""

from __future__ import annotations

import pytest

from app.services.block_source import NodeUnreachableError
from app.services.storage import StorageError
from app.services.whales.attempts import Attempts
from app.services.whales.condition import Condition
from tests.fakes.whale_clock import SimulatedClock


class Step:
    """Counts how often it is taken, and raises what it is told to."""

    def __init__(self) -> None:
        self.taken = 0
        self.error: Exception | None = None

    def take(self) -> None:
        self.taken += 1
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


def test_what_fails_is_tried_again_after_a_while(
    attempts: Attempts, condition: Condition, clock: SimulatedClock
) -> None:
    step = Step()
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


def test_what_always_fails_keeps_no_other_from_its_turn(attempts: Attempts, clock: SimulatedClock) -> None:
    failing, other = Step(), Step()
    failing.error = NodeUnreachableError("nobody answers")
    for _ in range(100):
        attempts.take(failing.take, "node")
        attempts.take(other.take, "node", "store")
        clock.advance(0.05)
    assert failing.taken == 10
    assert other.taken >= 40


def test_the_success_of_another_does_not_mean_that_all_is_well(
    attempts: Attempts, condition: Condition, clock: SimulatedClock
) -> None:
    failing, other = Step(), Step()
    failing.error = StorageError("the disk is full")
    attempts.take(failing.take, "store")
    clock.advance(0.3)
    assert attempts.take(other.take, "store")
    assert condition.problems == {"store": "the disk is full"}


def test_what_needs_only_the_node_does_not_wait_for_the_store(attempts: Attempts) -> None:
    failing, other = Step(), Step()
    failing.error = StorageError("the disk is full")
    attempts.take(failing.take, "node", "store")
    assert attempts.take(other.take, "node")
    assert not attempts.take(other.take, "store")


def test_a_step_that_lacks_another_thing_than_before_says_so(
    attempts: Attempts, condition: Condition, clock: SimulatedClock
) -> None:
    step = Step()
    step.error = NodeUnreachableError("nobody answers")
    attempts.take(step.take, "node", "store")
    clock.advance(1)
    step.error = StorageError("the disk is full")
    attempts.take(step.take, "node", "store")
    assert condition.problems == {"store": "the disk is full"}


def test_a_mistake_of_ours_is_not_swallowed(attempts: Attempts) -> None:
    step = Step()
    step.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        attempts.take(step.take, "node")
