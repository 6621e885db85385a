"""Whales in blocks that could not be looked through: they are in the chain, and nothing else is made up about them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.domain.whales.prevout import Outpoint, Prevout
from tests.fakes.whale_transactions import Sent
from tests.fakes.whale_watch import Watch

TEN_MINUTES = 600.0


def mined_and_pruned(watch: Watch) -> Sent:
    """Return a whale whose block the node had deleted before it could be looked through."""
    whale = watch.send(150)
    watch.turns()
    watch.node.prune(watch.node.mine(whale))
    watch.wait(5)
    return whale


def test_a_whale_in_a_block_that_was_deleted_unread_is_confirmed_though_nobody_knows_where(watch: Watch) -> None:
    whale = mined_and_pruned(watch)
    watch.node.send(watch.payment(1))
    # It is not in the next snapshot, whatever that is taken for.
    watch.start()
    watch.wait(2 * TEN_MINUTES, step_seconds=10)
    assert watch.updates(whale) == [("pending", "confirmed", None)]
    row = watch.whale(whale)
    assert (row.block_height, row.block_hash, row.confirmed_at) == (None, None, None)
    assert watch.figures["followed"] == 0


def test_what_was_predicted_of_it_is_not_judged(watch: Watch) -> None:
    whale = mined_and_pruned(watch)
    watch.start()
    watch.wait(2 * TEN_MINUTES, step_seconds=10)
    prediction = watch.prediction(whale)
    assert (prediction.outcome, prediction.on_time, prediction.resolved_at) == ("pending", None, None)
    (update,) = watch.store.told("status_update", whale.txid)
    assert update["on_time"] is None


def test_beside_it_a_whale_that_is_in_no_block_is_dropped(watch: Watch) -> None:
    evicted = watch.send(160)
    whale = mined_and_pruned(watch)
    watch.node.evict(evicted)
    watch.start()
    watch.wait(2 * TEN_MINUTES, step_seconds=10)
    assert watch.updates(whale) == [("pending", "confirmed", None)]
    assert watch.updates(evicted) == [("pending", "dropped", None)]


def test_a_whale_that_is_mined_while_it_is_given_up_is_confirmed_in_its_block(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    whale = watch.send(150)
    watch.turns()
    watch.node.evict(whale)
    answer = watch.node.coins

    def after_a_block(outpoints: Sequence[Outpoint]) -> Sequence[Prevout | None]:
        watch.node.mine(whale)
        return answer(outpoints)

    monkeypatch.setattr(watch.node, "coins", after_a_block)
    watch.wait(TEN_MINUTES + 20, step_seconds=10)
    assert watch.updates(whale)[0] == ("pending", "confirmed", None)
    assert {update["block_hash"] for update in watch.store.told("status_update", whale.txid)} <= {
        *watch.node.chain.active
    }
