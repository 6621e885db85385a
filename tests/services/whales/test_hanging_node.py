"""A node that takes questions and answers none: what waits for it is little at a time, and goes on being alive."""

from __future__ import annotations

import pytest

from app.services.block_source import NodeUnreachableError
from app.services.whales.first_contact import first_contact
from tests.fakes.whale_watch import Watch

TIMEOUT_SECONDS = 10.0
# As long as the detector listens while there is nothing to hear.
IDLE_SECONDS = 0.2


def turn_seconds(watch: Watch) -> float:
    """Return how long the next turn takes."""
    before_seconds = watch.clock.seconds()
    watch.turn(after_seconds=IDLE_SECONDS)
    return watch.clock.seconds() - before_seconds - IDLE_SECONDS


def with_all_kinds_of_work() -> Watch:
    """Return a detector that has whales, a block and a template to ask a node for that hangs."""
    watch = Watch()
    watch.start()
    watch.turns()
    watch.send(140)
    watch.turns()
    watch.node.hangs_for_seconds = TIMEOUT_SECONDS
    watch.node.send(watch.payment(150))
    watch.node.mine(watch.send(160))
    return watch


def test_a_node_that_hangs_costs_no_more_than_one_timeout_a_turn() -> None:
    watch = with_all_kinds_of_work()
    watch.node.requests.clear()
    taken_seconds = [turn_seconds(watch) for _ in range(60)]
    assert max(taken_seconds) == pytest.approx(TIMEOUT_SECONDS)
    # One that keeps a block waiting keeps nothing else from being asked for.
    assert len(set(watch.node.requests)) > 1
    assert watch.problems["node"] == "does not answer in time"


def test_a_node_that_hung_is_caught_up_with_when_it_answers() -> None:
    watch = with_all_kinds_of_work()
    for _ in range(20):
        watch.turn(after_seconds=IDLE_SECONDS)
    watch.node.hangs_for_seconds = 0.0
    watch.wait(5)
    assert watch.problems == {}
    assert sorted(alert["btc_value"] for alert in watch.alerts()) == [140, 150, 160]


def test_at_first_contact_a_node_that_hangs_costs_one_timeout() -> None:
    watch = Watch()
    watch.node.hangs_for_seconds = TIMEOUT_SECONDS
    before_seconds = watch.clock.seconds()
    with pytest.raises(NodeUnreachableError):
        first_contact(watch.node, "regtest", 1, lambda: None)
    assert watch.clock.seconds() - before_seconds == TIMEOUT_SECONDS


def test_at_first_contact_a_slow_node_is_no_silence() -> None:
    watch = Watch()
    for _ in range(40):
        watch.node.mine()
    lives: list[int] = []
    first_contact(watch.node, "regtest", 1, lambda: lives.append(len(watch.node.requests)))
    assert lives == list(range(1, len(watch.node.requests)))


def test_a_detector_begins_although_the_node_does_not_tell_how_often_blocks_came() -> None:
    watch = Watch()
    watch.node.failing = frozenset({"place_of"})
    outlook = first_contact(watch.node, "regtest", 1, lambda: None)
    assert len(outlook) == 0
    assert watch.node.requests == ["status", "best_block", "place_of"]
