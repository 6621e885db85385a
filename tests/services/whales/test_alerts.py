"""What is alerted to, and what an alert says."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.services.whales.whale_store import Label
from tests.fakes.whale_transactions import BTC, pay
from tests.fakes.whale_watch import FEE_SAT, THRESHOLD_SAT, Watch


def test_a_whale_is_alerted_to_with_what_it_moves_and_pays(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    (alert,) = watch.alerts()
    assert alert["txid"] == whale.txid
    assert alert["moved_sat"] == 150 * BTC
    assert alert["btc_value"] == 150.0
    assert alert["value_sat"] == 151 * BTC - FEE_SAT
    assert alert["fee_sat"] == FEE_SAT
    assert alert["fee_rate"] == pytest.approx(FEE_SAT / whale.vsize_vb)
    assert alert["inputs_resolved"]
    assert alert["is_rbf"]
    assert alert["kind"] == "transfer"
    assert alert["flow_type"] == "unknown"
    assert alert["source"] == "stream"
    assert alert["replaces"] == []
    assert watch.whale(whale).status == "pending"


def test_an_alert_predicts_a_block_and_what_it_was_computed_from_is_kept(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    (alert,) = watch.alerts(whale)
    prediction = watch.store.outcomes[alert["prediction_id"]]
    assert alert["tip_height"] == prediction.tip_height == watch.node.chain.tip.block.height
    assert alert["predicted_block"] == prediction.predicted_block == prediction.tip_height + 1
    assert (alert["earliest_block"], alert["latest_block"]) == (prediction.earliest_block, prediction.latest_block)
    assert alert["next_block_probability"] == prediction.next_block_probability
    # Nobody else waits.
    assert alert["urgency_score"] == 1.0
    assert sum(prediction.inputs["distribution"]) == pytest.approx(1)


def test_change_back_to_a_script_of_an_input_is_not_moved(watch: Watch) -> None:
    watch.send(99, watch.coin(500))
    watch.turns()
    assert watch.alerts() == []


def test_exactly_the_threshold_is_a_whale_and_a_satoshi_less_is_none(watch: Watch) -> None:
    first, second = watch.coin(100.1), watch.coin(100.1)
    exact, less = pay([first], [(THRESHOLD_SAT, watch.script())]), pay([second], [(THRESHOLD_SAT - 1, watch.script())])
    watch.node.send(exact)
    watch.node.send(less)
    watch.turns()
    assert [alert["txid"] for alert in watch.alerts()] == [exact.txid]


def test_many_payments_at_once_are_a_batch(watch: Watch) -> None:
    batch = pay([watch.coin(200)], [(25 * BTC + number, watch.script()) for number in range(6)])
    watch.node.send(batch)
    watch.turn()
    assert watch.alerts()[0]["kind"] == "batch"


def test_the_flow_is_told_by_labels_of_scripts_on_both_sides(watch: Watch) -> None:
    exchange, coin = watch.script(), watch.coin(200)
    watch.labels.known[exchange] = Label("an exchange", "exchange")
    into = pay([coin], [(150 * BTC, exchange)])
    watch.node.send(into)
    out = pay([watch.node.give(300 * BTC, exchange)], [(250 * BTC, watch.script())])
    watch.node.send(out)
    watch.turn()
    assert [(alert["flow_type"], alert["exchange_labels"]) for alert in watch.alerts()] == [
        ("inflow", ["an exchange"]),
        ("outflow", ["an exchange"]),
    ]


def test_a_whale_on_an_unconfirmed_parent_knows_what_it_spends(watch: Watch) -> None:
    parent = watch.send(50, watch.coin(400))
    child = pay([parent.coin(1)], [(30 * BTC, watch.script()), (319 * BTC, parent.outputs[1].script)])
    watch.node.send(child)
    watch.turns()
    assert watch.alerts() == []


def test_a_whale_whose_inputs_nobody_knows_moves_all_of_its_outputs_and_says_so() -> None:
    watch = Watch(most_inputs=0)
    watch.start()
    watch.turns()
    whale = watch.send(60, watch.coin(150))
    watch.turns()
    (alert,) = watch.alerts(whale)
    assert alert["moved_sat"] == 150 * BTC - FEE_SAT
    assert not alert["inputs_resolved"]
    assert alert["flow_type"] == "unknown"


def test_a_coinbase_is_never_a_whale() -> None:
    watch = Watch(threshold_sat=1)
    watch.start()
    watch.turns()
    watch.node.mine()
    watch.turns()
    assert watch.store.whales == {}


def test_the_price_of_the_day_is_told_with_it(watch: Watch) -> None:
    watch.store.usd = 90_000.0
    watch.send(150)
    watch.turn()
    assert watch.alerts()[0]["usd_value"] == 13_500_000


def test_whales_that_wait_already_are_found_from_a_snapshot() -> None:
    watch = Watch()
    whale = watch.send(150)
    watch.clock.advance(100)
    watch.start()
    watch.turns()
    (alert,) = watch.alerts(whale)
    assert alert["source"] in {"snapshot", "polling"}
    assert alert["timestamp"] < alert["detected_at"]
    assert alert["predicted_block"] is not None


def test_without_a_stream_whales_are_found_by_polling() -> None:
    watch = Watch()
    watch.is_stream_wanted = False
    watch.start()
    watch.turns()
    whale = watch.send(150)
    watch.wait(5)
    (alert,) = watch.alerts(whale)
    assert alert["source"] == "polling"
    assert watch.problems == {}


def test_a_whale_that_was_mined_before_we_looked_is_missed_and_not_alerted_to(watch: Watch) -> None:
    whale = watch.payment(150)
    watch.node.mine(whale)
    watch.turns()
    assert watch.store.events == [("fee_update", watch.store.told("fee_update")[0])]
    row = watch.whale(whale)
    assert (row.status, row.moved_sat, row.source) == ("missed", 150 * BTC, "block")
    assert row.fee_sat == FEE_SAT
    assert row.block_height == watch.node.chain.tip.block.height


def test_a_whale_that_was_seen_and_mined_before_it_could_be_looked_at_is_alerted_to(watch: Watch) -> None:
    whale = watch.send(150)
    watch.node.mine(whale)
    watch.turns()
    assert len(watch.alerts(whale)) == 1
    assert watch.updates(whale) == [("pending", "confirmed", None)]


# The first turn shows the whale, those after it ask for its bytes and get none.
@pytest.mark.parametrize("turns", [1, 5])
def test_a_whale_of_a_snapshot_that_was_mined_before_it_was_read_is_alerted_to(turns: int) -> None:
    watch = Watch()
    whale = watch.send(150)
    watch.start()
    read = watch.node.raw_transactions
    watch.node.raw_transactions = lambda txids: [None for _ in read(txids)]  # type: ignore[method-assign]
    watch.turns(turns)
    watch.node.mine(whale)
    watch.turns()
    assert len(watch.alerts(whale)) == 1
    assert watch.updates(whale) == [("pending", "confirmed", None)]


def test_a_whale_that_came_and_went_before_it_could_be_looked_at_is_alerted_to_all_the_same(watch: Watch) -> None:
    whale = watch.send(150)
    watch.node.evict(whale)
    watch.wait(5)
    assert len(watch.alerts(whale)) == 1
    watch.wait(610, step_seconds=10)
    assert watch.updates(whale) == [("pending", "dropped", None)]


def test_a_burst_is_alerted_to_completely_and_in_its_order(watch: Watch) -> None:
    whales = [watch.send(150) for _ in range(250)]
    watch.turns(10)
    assert [alert["txid"] for alert in watch.alerts()] == [whale.txid for whale in whales]


def test_more_candidates_than_may_be_held_are_asked_for_later() -> None:
    watch = Watch(most_candidates=5)
    watch.start()
    watch.turns()
    whales = [watch.send(150) for _ in range(40)]
    watch.turns(40)
    assert {alert["txid"] for alert in watch.alerts()} == {whale.txid for whale in whales}


def test_hundreds_that_left_before_they_were_looked_at_are_told_of_a_hundred_at_a_time(watch: Watch) -> None:
    for _ in range(250):
        watch.node.evict(watch.send(150))
    told = []
    for _ in range(30):
        watch.turn()
        told.append(len(watch.alerts()))
    assert told[-1] == 250
    assert max(after - before for before, after in pairwise(told)) == 100
