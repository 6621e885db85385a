"""What becomes of whales, as long as the chain only grows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.whale_transactions import BTC, pay
from tests.fakes.whale_watch import Watch

TEN_MINUTES = 600.0


def test_a_whale_in_a_block_is_confirmed_and_its_prediction_judged(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    block_hash = watch.node.mine(whale)
    watch.turn()
    row = watch.whale(whale)
    assert (row.status, row.block_hash, row.block_height) == ("confirmed", block_hash, 103)
    (update,) = watch.store.told("status_update", whale.txid)
    assert update["on_time"] is True
    assert not update["is_final"]
    outcome = watch.prediction(whale)
    assert (outcome.outcome, outcome.outcome_block, outcome.on_time) == ("confirmed", 103, True)


def test_an_outcome_is_final_at_six_confirmations_and_that_is_told_once(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.mine(whale)
    watch.turns()
    for _ in range(4):
        watch.node.mine()
        watch.turns(2)
    assert len(watch.updates(whale)) == 1
    watch.node.mine()
    watch.turns(2)
    assert watch.updates(whale)[1:] == [("confirmed", "confirmed", "final")]
    assert watch.store.told("status_update", whale.txid)[-1]["is_final"]
    watch.node.take_back()
    watch.node.mine()
    watch.turns()
    assert len(watch.updates(whale)) == 2


def test_a_replacement_takes_over_the_prediction(watch: Watch) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    watch.turn()
    second = watch.send(151, coin, fee_sat=5_000)
    watch.turn()
    assert watch.updates(first) == [("pending", "replaced", None)]
    assert watch.whale(first).replaced_by == second.txid
    (alert,) = watch.alerts(second)
    assert alert["replaces"] == [first.txid]
    assert alert["prediction_id"] == watch.alerts(first)[0]["prediction_id"]
    assert watch.prediction(first).final_txid == second.txid


def test_a_chain_of_replacements_is_followed_to_its_end_under_one_prediction(watch: Watch) -> None:
    coin = watch.coin(200)
    chain = []
    for fee_sat in (1_000, 3_000, 9_000):
        chain.append(watch.send(150, coin, fee_sat=fee_sat))
        watch.turn()
    watch.node.mine(chain[-1])
    watch.turns()
    assert [watch.whale(each).status for each in chain] == ["replaced", "replaced", "confirmed"]
    assert len({watch.whale(each).prediction_id for each in chain}) == 1
    (outcome,) = watch.store.outcomes.values()
    assert (outcome.txid, outcome.final_txid, outcome.outcome) == (chain[0].txid, chain[-1].txid, "confirmed")


def test_a_replacement_below_the_threshold_is_followed_without_an_alert(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    small = watch.send(1, coin, fee_sat=5_000)
    watch.turn()
    assert watch.updates(whale) == [("pending", "replaced", None)]
    assert watch.alerts(small) == []
    watch.node.mine(small)
    watch.turns()
    assert watch.prediction(whale).outcome == "confirmed"
    assert watch.store.blocks[watch.node.chain.active[-1]].whale_count == 0


def test_what_takes_the_place_of_nothing_that_was_predicted_is_predicted_itself_only_if_it_is_told(
    watch: Watch,
) -> None:
    watch.node.is_away = True
    watch.turn()
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.node.evict(whale)
    watch.node.is_away = False
    watch.wait(5)
    assert watch.whale(whale).prediction_id is None
    small = watch.send(1, coin)
    watch.turns()
    assert watch.whale(small).prediction_id is None
    assert watch.store.outcomes == {}


def test_two_whales_that_one_replaces_both_hand_on_their_predictions(watch: Watch) -> None:
    one, other = watch.coin(200), watch.coin(300)
    whales = [watch.send(150, one), watch.send(250, other)]
    watch.turn()
    both = watch.send(400, one, other, fee_sat=9_000)
    watch.turn()
    assert sorted(watch.alerts(both)[0]["replaces"]) == sorted(whale.txid for whale in whales)
    watch.node.mine(both)
    watch.turns()
    assert [watch.prediction(whale).outcome for whale in whales] == ["confirmed", "confirmed"]


def test_a_whale_whose_coins_a_block_spends_otherwise_is_conflicted(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    block_hash = watch.node.mine(watch.payment(1, coin))
    watch.turns()
    assert watch.updates(whale) == [("pending", "conflicted", None)]
    assert watch.whale(whale).block_hash == block_hash
    assert watch.prediction(whale).outcome == "conflicted"


def test_the_replaced_one_may_be_mined_after_all(watch: Watch) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    watch.turn()
    second = watch.send(151, coin, fee_sat=5_000)
    watch.turn()
    watch.node.mine(first)
    watch.turns()
    assert watch.updates(first) == [("pending", "replaced", None), ("replaced", "confirmed", None)]
    assert watch.updates(second) == [("pending", "conflicted", None)]
    outcome = watch.prediction(first)
    assert (outcome.outcome, outcome.final_txid) == ("confirmed", first.txid)


def test_what_leaves_the_mempool_is_dropped_after_ten_minutes_and_not_before(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.evict(whale)
    watch.wait(TEN_MINUTES - 5, step_seconds=5)
    assert watch.updates(whale) == []
    watch.wait(20, step_seconds=5)
    assert watch.updates(whale) == [("pending", "dropped", None)]
    assert watch.prediction(whale).outcome == "dropped"
    assert watch.prediction(whale).on_time is False


def test_what_comes_back_within_ten_minutes_was_never_gone(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.evict(whale)
    watch.wait(500, step_seconds=10)
    watch.node.send(whale)
    watch.wait(500, step_seconds=10)
    assert watch.updates(whale) == []
    assert watch.whale(whale).left_at is None
    assert len(watch.alerts(whale)) == 1


def test_what_was_dropped_and_comes_back_is_reopened(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.evict(whale)
    watch.wait(TEN_MINUTES + 20, step_seconds=10)
    watch.node.send(whale)
    watch.turns()
    assert watch.updates(whale)[1:] == [("dropped", "pending", "returned")]
    assert watch.prediction(whale).outcome == "pending"
    watch.node.mine(whale)
    watch.turns()
    assert watch.prediction(whale).outcome == "confirmed"
    assert len(watch.alerts(whale)) == 1


def test_what_replaced_two_and_comes_back_reopens_what_was_predicted_of_both(watch: Watch) -> None:
    one, other = watch.coin(200), watch.coin(300)
    whales = [watch.send(150, one), watch.send(250, other)]
    watch.turn()
    both = watch.send(400, one, other, fee_sat=9_000)
    watch.turn()
    watch.node.evict(both)
    watch.wait(TEN_MINUTES + 20, step_seconds=10)
    assert [watch.prediction(whale).outcome for whale in whales] == ["dropped", "dropped"]
    watch.node.send(both)
    watch.turns()
    assert [watch.prediction(whale).outcome for whale in whales] == ["pending", "pending"]


def test_what_replaced_a_whale_and_was_gone_before_it_could_be_looked_at_replaced_it_all_the_same(
    watch: Watch,
) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    watch.turn()
    second = watch.send(151, coin, fee_sat=5_000)
    watch.node.evict(second)
    watch.wait(5)
    assert watch.updates(first) == [("pending", "replaced", None)]
    assert watch.alerts(second)[0]["replaces"] == [first.txid]
    watch.wait(TEN_MINUTES + 20, step_seconds=10)
    assert watch.updates(second) == [("pending", "dropped", None)]
    assert watch.prediction(first).outcome == "dropped"


@pytest.mark.parametrize("btc", [151, 20], ids=["a whale", "too small for one"])
def test_what_replaced_a_whale_and_was_mined_before_it_could_be_looked_at_replaced_it_all_the_same(
    watch: Watch, btc: float
) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    watch.turn()
    second = watch.send(btc, coin, fee_sat=5_000)
    watch.node.mine(second)
    watch.wait(5)
    assert watch.updates(first) == [("pending", "replaced", None)]
    assert watch.updates(second) == [("pending", "confirmed", None)]
    assert [alert["replaces"] for alert in watch.alerts(second)] == ([[first.txid]] if btc > 100 else [])
    prediction = watch.prediction(first)
    assert (prediction.outcome, prediction.final_txid) == ("confirmed", second.txid)


def test_what_was_replaced_before_it_could_be_looked_at_is_alerted_to_and_replaced(watch: Watch) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    second = watch.send(151, coin, fee_sat=5_000)
    watch.wait(5)
    assert len(watch.alerts(first)) == len(watch.alerts(second)) == 1
    assert watch.updates(first) == [("pending", "replaced", None)]
    assert watch.whale(first).replaced_by == second.txid


def test_what_was_replaced_and_comes_back_replaces_in_turn(watch: Watch) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    watch.turn()
    second = watch.send(151, coin, fee_sat=5_000)
    watch.turn()
    watch.node.evict(second)
    watch.node.send(first)
    watch.turns()
    assert watch.updates(first)[1:] == [("replaced", "pending", "returned")]
    assert watch.updates(second) == [("pending", "replaced", None)]
    assert watch.prediction(first).final_txid == first.txid


def test_what_waited_for_two_weeks_expires(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.wait(timedelta(hours=336).total_seconds(), step_seconds=1_200)
    assert watch.updates(whale) == []
    watch.node.evict(whale)
    watch.wait(TEN_MINUTES + 20, step_seconds=10)
    assert watch.updates(whale) == [("pending", "expired", None)]
    assert watch.prediction(whale).outcome == "expired"


@pytest.mark.parametrize("hours", [-400, 400])
def test_a_clock_that_is_set_drops_nothing_early(watch: Watch, hours: int) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.evict(whale)
    watch.turn()
    watch.clock.jump(timedelta(hours=hours))
    watch.wait(TEN_MINUTES - 10, step_seconds=10)
    assert watch.updates(whale) == []
    watch.node.send(whale)
    watch.turns()
    assert watch.whale(whale).left_at is None


def test_a_batch_of_whales_in_one_block_adds_up_in_its_flows(watch: Watch) -> None:
    whales = [watch.send(150), watch.send(250)]
    watch.turn()
    missed = watch.payment(300)
    block_hash = watch.node.mine(*whales, missed)
    watch.turns()
    flow = watch.store.blocks[block_hash]
    assert (flow.whale_count, flow.unknown_sat) == (3, 700 * BTC)
    assert watch.whale(missed).status == "missed"


def test_those_of_the_lowest_feerates_are_let_go_and_still_confirmed() -> None:
    watch = Watch(most_followed=3)
    watch.start()
    watch.turns()
    whales = [watch.send(150, fee_sat=1_000 * (number + 1)) for number in range(5)]
    watch.turns()
    assert watch.figures["followed"] == 3
    assert watch.figures["let_go"] == 2
    watch.node.mine(*whales)
    watch.turns()
    assert {watch.whale(whale).status for whale in whales} == {"confirmed"}


def test_when_memory_is_short_a_hundred_are_kept_and_health_says_so(watch: Watch) -> None:
    whales = [watch.send(150) for _ in range(120)]
    watch.turns()
    watch.detector.keep_fewer(0.5)
    watch.turns()
    assert watch.figures["followed"] == 100
    assert "memory" in watch.problems
    watch.detector.keep_all()
    assert watch.problems == {}
    watch.node.mine(*whales)
    watch.turns()
    assert {watch.whale(whale).status for whale in whales} == {"confirmed"}


def test_a_child_of_the_same_value_is_a_whale_of_its_own(watch: Watch) -> None:
    parent = watch.send(150, watch.coin(200))
    watch.turn()
    child = pay([parent.coin()], [(149 * BTC, watch.script())])
    watch.node.send(child)
    watch.turn()
    watch.node.mine(parent, child)
    watch.turns()
    assert watch.updates(parent) == watch.updates(child) == [("pending", "confirmed", None)]
