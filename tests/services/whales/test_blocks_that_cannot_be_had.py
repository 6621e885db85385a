"""Blocks that the node said it connected, and does not give: the chain goes on without them."""

from __future__ import annotations

import pytest

from tests.fakes.whale_node import EVERY_TOPIC, NO_TOPIC
from tests.fakes.whale_transactions import Sent
from tests.fakes.whale_watch import Watch


def damage(watch: Watch, damaged: str) -> None:
    """Let the node give something else in place of a block."""
    read = watch.node.raw_block
    watch.node.raw_block = lambda block_hash: b"no block" if block_hash == damaged else read(block_hash)  # type: ignore[method-assign]


def finals(watch: Watch, whale: Sent) -> int:
    return len([each for each in watch.updates(whale) if each[2] == "final"])


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_node_that_lost_its_last_blocks_by_a_power_cut_is_followed_to_those_that_come_in_their_place(
    watch: Watch, blocks: int
) -> None:
    whale = watch.send(150)
    watch.turns()
    watch.node.failing = frozenset({"raw_block"})
    watch.node.mine(whale)
    for _ in range(blocks - 1):
        watch.node.mine()
    watch.turns()
    watch.node.stop()
    watch.turns()
    for _ in range(blocks):
        watch.node.forget_tip()
    watch.node.failing = frozenset()
    watch.node.start()
    watch.node.load()
    watch.node.send(whale)
    watch.wait(10)
    watch.node.mine(whale)
    watch.wait(10)
    assert watch.updates(whale) == [("pending", "confirmed", None)]
    assert watch.figures["tip_height"] == watch.node.chain.tip.block.height
    assert watch.figures["lost_blocks"] == 0
    assert watch.problems == {}


def test_a_block_that_was_looked_through_and_is_lost_by_a_power_cut_reverts_its_whales(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turns()
    watch.node.mine(whale)
    watch.turns()
    watch.node.stop()
    watch.node.forget_tip()
    watch.node.start()
    watch.node.load()
    watch.node.send(whale)
    watch.node.mine()
    watch.node.mine(whale)
    watch.wait(10)
    assert [each[1] for each in watch.updates(whale)] == ["confirmed", "pending", "confirmed"]
    assert watch.problems == {}


def test_a_block_that_is_damaged_on_the_node_is_passed_over_after_minutes(watch: Watch) -> None:
    whale = watch.send(150)
    damage(watch, watch.node.mine())
    watch.node.mine(whale)
    watch.wait(240)
    assert "gave a block" in watch.problems["node"]
    assert watch.figures["lost_blocks"] == 0
    watch.wait(120)
    assert watch.figures["lost_blocks"] == 1
    assert watch.whale(whale).status == "confirmed"
    assert watch.problems == {}


def test_a_damaged_block_that_is_mended_in_time_is_looked_through(watch: Watch) -> None:
    read = watch.node.raw_block
    damage(watch, watch.node.mine(watch.payment(150)))
    watch.wait(60)
    watch.node.raw_block = read  # type: ignore[method-assign]
    watch.wait(5)
    assert watch.figures["lost_blocks"] == 0
    assert [each.status for each in watch.store.whales.values()] == ["missed"]


@pytest.mark.parametrize("lost", range(1, 7))
def test_a_whale_is_final_at_six_confirmations_whichever_of_the_blocks_cannot_be_had(watch: Watch, lost: int) -> None:
    whale = watch.send(150)
    watch.turns()
    watch.node.mine(whale)
    watch.turns()
    for confirmations in range(2, 10):
        watch.node.losing = EVERY_TOPIC
        block_hash = watch.node.mine()
        if confirmations == lost + 1:
            watch.node.prune(block_hash)
        watch.node.losing = NO_TOPIC
        watch.send(1)
        watch.wait(5)
        assert finals(watch, whale) == (confirmations >= 6)
    assert watch.figures["lost_blocks"] == 1


def test_a_block_that_is_damaged_and_left_the_chain_unheard_holds_up_nobody(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turns()
    damage(watch, watch.node.mine())
    watch.turns()
    watch.node.stop()
    watch.turns()
    watch.node.chain.disconnect()
    watch.node.start()
    watch.node.load()
    watch.turns()
    watch.node.mine(whale)
    watch.node.mine()
    watch.wait(10)
    assert watch.updates(whale) == [("pending", "confirmed", None)]
    assert watch.figures["lost_blocks"] == 0
    assert watch.problems == {}


def test_what_a_lost_block_took_is_soon_known_to_wait_no_longer(watch: Watch) -> None:
    payments = [watch.send(1) for _ in range(30)]
    watch.turns()
    damage(watch, watch.node.mine(*payments))
    watch.wait(320)
    assert watch.figures["lost_blocks"] == 1
    assert watch.figures["waiting"] == 0
