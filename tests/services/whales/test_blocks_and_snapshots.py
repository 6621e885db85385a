"""A block comes between a snapshot and the reading of what it showed, or between two questions."""

from __future__ import annotations

import pytest

from app.services.whales.mempool_node import Heard, Topic
from tests.fakes.whale_transactions import Sent
from tests.fakes.whale_watch import Watch

OTHERS = 450


def no_whale(watch: Watch) -> Sent:
    """Send what is worth a look, since a lot of change goes back to where it came from."""
    payment = watch.payment(20, watch.coin(150))
    assert watch.node.send(payment)
    return payment


@pytest.mark.parametrize("is_indexing", [False, True], ids=["without an index", "indexing"])
def test_what_a_block_took_before_it_was_read_is_no_whale_for_want_of_its_inputs(is_indexing: bool) -> None:  # noqa: FBT001 - a parameter
    watch = Watch()
    watch.node.is_indexing = is_indexing
    for _ in range(OTHERS):
        watch.send(1)
    payment = no_whale(watch)
    watch.start()
    watch.turn()
    while not watch.figures["unread"]:
        watch.turn()
    watch.node.mine(payment)
    watch.wait(60)
    assert watch.alerts() == []
    assert watch.store.whales == {}


def test_a_tip_that_could_not_be_asked_for_after_a_snapshot_is_asked_for_again(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turns()
    watch.node.failing = frozenset({"best_block"})
    watch.node.losing = frozenset({"sequence"})
    watch.node.mine(whale)
    watch.node.losing = frozenset()
    watch.send(1)
    watch.wait(2)
    watch.node.failing = frozenset()
    watch.wait(5)
    assert watch.whale(whale).status == "confirmed"


def test_what_a_snapshot_lacks_since_a_block_has_it_was_in_the_mempool_all_the_same() -> None:
    watch = Watch()
    whale = watch.send(150)
    watch.start()
    # The first snapshot shows it, and there is no reading on.
    watch.node.failing = frozenset({"raw_transactions"})
    watch.wait(15)
    assert watch.figures["unread"] == 1
    watch.node.mine(whale)
    watch.detector.hear([Heard(Topic.LOST, b"", 1)], is_connected=True)
    for _ in range(60):
        watch.turn(after_seconds=0.5, most=0)
    assert watch.figures["waiting"] == 0
    watch.node.failing = frozenset()
    watch.wait(6)
    assert len(watch.alerts(whale)) == 1
    assert watch.updates(whale) == [("pending", "confirmed", None)]


def test_of_what_was_found_to_be_no_whale_the_node_is_not_asked_again_when_it_is_mined(watch: Watch) -> None:
    judged = [no_whale(watch) for _ in range(20)]
    # Until it is no news any longer.
    for _ in range(3):
        watch.send(1)
        watch.wait(15)
    watch.node.requests.clear()
    stranger = watch.payment(150)
    watch.node.mine(*judged, stranger)
    watch.turns()
    assert watch.node.requests.count("mined") == 1
    assert watch.whale(stranger).status == "missed"
    assert watch.alerts() == []


def test_what_a_new_detector_predicts_goes_on_from_the_blocks_that_came_while_there_was_none(watch: Watch) -> None:
    for _ in range(3):
        watch.node.mine()
    waiting = watch.send(150)
    watch.start()
    while not watch.alerts(waiting):
        watch.turn()
    (alert,) = watch.alerts(waiting)
    assert watch.figures["blocks_to_read"]
    assert alert["tip_height"] == watch.node.chain.tip.block.height
    assert alert["predicted_block"] > alert["tip_height"]
    watch.wait(10)
    assert watch.figures["tip_height"] == alert["tip_height"]
