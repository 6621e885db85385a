"""A node that catches up with the network: its blocks are history, and no whale of theirs was ever missed."""

from __future__ import annotations

import pytest

from tests.fakes.whale_watch import Watch


def catch_up(watch: Watch, blocks: int) -> None:
    """Let the node connect so many blocks, each with a whale that was in nobody's mempool."""
    for _ in range(blocks):
        watch.node.mine(watch.payment(150))


@pytest.fixture
def watch() -> Watch:
    """A detector that has just been started beside a node in initial block download."""
    watch = Watch()
    watch.node.is_catching_up = True
    catch_up(watch, 5)
    watch.start()
    watch.turns()
    return watch


def test_whales_of_history_are_not_missed(watch: Watch) -> None:
    for _ in range(20):
        catch_up(watch, 10)
        watch.wait(5)
    assert "initial block download at height" in watch.problems["blocks"]
    assert watch.node.requests.count("raw_block") == 0
    assert watch.node.requests.count("status") <= 12
    watch.node.is_catching_up = False
    watch.wait(15)
    assert watch.problems == {}
    assert watch.store.whales == {}
    assert watch.figures["tip_height"] == watch.node.chain.tip.block.height


def test_from_then_on_whales_are_seen_and_followed(watch: Watch) -> None:
    catch_up(watch, 10)
    watch.wait(5)
    watch.node.is_catching_up = False
    watch.wait(15)
    whale = watch.send(150)
    watch.turns()
    watch.node.mine(whale)
    watch.turns()
    assert watch.whale(whale).status == "confirmed"
    watch.node.mine(unseen := watch.payment(160))
    watch.turns()
    assert watch.whale(unseen).status == "missed"


def test_what_waited_before_a_node_fell_behind_is_confirmed_when_it_has_caught_up() -> None:
    watch = Watch()
    watch.start()
    whale = watch.send(150)
    watch.turns()
    watch.node.is_catching_up = True
    watch.node.mine(whale)
    watch.wait(1_000, step_seconds=5)
    assert watch.updates(whale) == []
    watch.node.is_catching_up = False
    watch.wait(20)
    assert watch.whale(whale).status == "confirmed"


def test_a_whale_that_waits_meanwhile_is_told_of(watch: Watch) -> None:
    whale = watch.send(150)
    watch.wait(2)
    assert len(watch.alerts(whale)) == 1


def test_a_whale_whose_block_left_meanwhile_is_no_work_until_its_leaving_is_looked_at() -> None:
    watch = Watch()
    watch.start()
    whale = watch.send(150)
    watch.turns()
    watch.node.mine(whale)
    watch.turns()
    watch.node.is_catching_up = True
    watch.node.take_back()
    watch.wait(5)
    watch.node.requests.clear()
    watch.wait(60)
    assert not watch.detector.has_work
    assert watch.node.requests.count("entries") == 0
    watch.node.is_catching_up = False
    watch.wait(20)
    assert watch.updates(whale)[1:] == [("confirmed", "pending", "reorganisation")]
    watch.wait(1_200, step_seconds=10)
    assert watch.whale(whale).status == "pending"
