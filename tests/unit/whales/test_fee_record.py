"""The state of the mempool, written down now and then, and told when it has changed."""

from __future__ import annotations

import pytest

from tests.fakes.whale_watch import Watch


@pytest.fixture
def watch() -> Watch:
    """A detector that listens to a node on which one transaction waits."""
    watch = Watch()
    watch.start()
    watch.send(1, fee_sat=1_410)
    watch.turns()
    return watch


def test_it_is_written_every_ten_seconds_and_told_every_minute(watch: Watch) -> None:
    written, told = len(watch.store.fees), len(watch.store.told("fee_update"))
    watch.wait(120)
    assert len(watch.store.fees) - written == 12
    assert len(watch.store.told("fee_update")) - told == 2


def test_a_feerate_that_changed_by_a_tenth_is_told_at_once(watch: Watch) -> None:
    watch.wait(15)
    told = len(watch.store.told("fee_update"))
    watch.send(1, fee_sat=141)
    watch.wait(10)
    (update,) = watch.store.told("fee_update")[told:]
    assert update["transaction_count"] == 2
    assert update["tip_height"] == 102
    assert update["next_block_feerate_sat_vb"] == pytest.approx(1, rel=0.01)
    assert update["projected_blocks"][0]["highest_feerate_sat_vb"] == pytest.approx(10, rel=0.01)


def test_the_histogram_is_kept_in_bands_that_add_up(watch: Watch) -> None:
    for fee_sat in range(1_000, 40_000, 500):
        watch.send(1, fee_sat=fee_sat)
    watch.wait(20)
    fees = watch.store.fees[-1]
    assert fees.transaction_count == 79
    assert sum(band["transactions"] for band in fees.histogram) == 79
    assert sum(band["vsize_vb"] for band in fees.histogram) == fees.mempool_vsize_vb
    rates = [band["feerate_sat_vb"] for band in fees.histogram]
    assert rates == sorted(rates, reverse=True)
    assert len(rates) < 45


def test_of_a_node_that_is_away_nothing_is_written(watch: Watch) -> None:
    watch.node.is_away, watch.node.is_publishing = True, False
    watch.wait(30)
    written = len(watch.store.fees)
    watch.wait(300)
    assert len(watch.store.fees) == written
    watch.node.is_away = False
    watch.wait(15)
    assert len(watch.store.fees) > written
    assert watch.store.fees[-1].source == "polling"


def test_a_whale_that_comes_when_fees_are_not_known_for_two_minutes_is_told_without_urgency(watch: Watch) -> None:
    entries = watch.node.entries
    watch.node.is_away, watch.node.is_publishing = True, False
    watch.wait(130)
    watch.node.is_away = False
    known: list[str] = []

    def entries_of_whales_alone(txids: list[bytes]) -> list[object]:
        return [entry if txid.hex() in known else None for txid, entry in zip(txids, entries(txids), strict=True)]

    watch.node.entries = entries_of_whales_alone  # type: ignore[method-assign, assignment]
    for _ in range(20):
        watch.send(1)
    whale = watch.send(150)
    known.append(whale.txid)
    watch.wait(10)
    (alert,) = watch.alerts(whale)
    assert alert["urgency_score"] is None
    assert alert["urgency_level"] is None
    assert alert["prediction_id"] is None
    assert alert["predicted_block"] is None
    assert alert["fee_sat"] == 1_000


def test_the_naive_prediction_is_the_template_of_the_node(watch: Watch) -> None:
    watch.node.template_size = 1
    slow, fast = watch.send(150, fee_sat=500), watch.send(150, fee_sat=90_000)
    watch.turns()
    of = {each.txid: each.baseline_block for each in watch.store.outcomes.values()}
    assert of == {slow.txid: 104, fast.txid: 103}


def test_a_template_is_asked_for_after_the_alert_and_not_for_each_whale(watch: Watch) -> None:
    watch.node.requests.clear()
    for _ in range(10):
        watch.send(150)
        watch.turn()
    assert len(watch.alerts()) == 10
    assert watch.node.requests.count("template") == 1
    watch.wait(7)
    assert watch.node.requests.count("template") == 2
    assert all(each.baseline_block is not None for each in watch.store.outcomes.values())
