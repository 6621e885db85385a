"""The node, its stream, the store and the detector itself fail; nobody is alerted twice, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.fakes.whale_node import EVERY_TOPIC, NO_TOPIC
from tests.fakes.whale_watch import Watch

TEN_MINUTES = 600.0


def test_while_the_node_is_away_nothing_counts_as_gone(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.evict(whale)
    watch.turn()
    watch.node.is_away = True
    watch.wait(2 * TEN_MINUTES, step_seconds=10)
    assert watch.updates(whale) == []
    assert "node" in watch.problems
    watch.node.is_away = False
    watch.node.send(whale)
    watch.wait(2)
    assert watch.problems == {}
    watch.wait(2 * TEN_MINUTES, step_seconds=10)
    assert watch.updates(whale) == []


def test_what_was_gone_before_it_could_be_looked_at_is_told_soon_lest_a_restart_forget_it(watch: Watch) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    second = watch.send(151, coin, fee_sat=5_000)
    evicted = watch.send(150)
    watch.node.evict(evicted)
    # Less than a second; until a block would have shown it three may pass.
    watch.turns(8)
    watch.start()
    watch.turns()
    assert [len(watch.alerts(each)) for each in (first, second, evicted)] == [1, 1, 1]


def test_a_node_that_is_away_is_said_to_be_until_it_answers_again(watch: Watch) -> None:
    watch.node.is_away = True
    watch.send(150)
    watch.turn()
    for _ in range(50):
        watch.turn()
        assert "node" in watch.problems
    watch.node.is_away = False
    watch.wait(1, step_seconds=0.1)
    assert watch.problems == {}
    assert len(watch.alerts()) == 1


def test_a_block_that_cannot_be_had_holds_up_no_alert(watch: Watch) -> None:
    watch.node.raw_block = lambda block_hash: b"no block " + block_hash.encode()  # type: ignore[method-assign]
    watch.node.mine()
    watch.wait(1, step_seconds=0.1)
    assert "node" in watch.problems
    watch.send(150)
    watch.wait(1, step_seconds=0.1)
    assert len(watch.alerts()) == 1
    assert watch.figures["tip_height"] == 102


def test_two_questions_that_are_refused_again_and_again_keep_no_other_from_being_asked(watch: Watch) -> None:
    watch.node.failing = frozenset({"raw_block", "entries"})
    watch.node.mine()
    watch.send(150)
    watch.wait(60, step_seconds=0.2)
    watch.node.requests.clear()
    watch.node.losing = EVERY_TOPIC
    watch.send(150)
    watch.node.losing = NO_TOPIC
    watch.send(1)
    watch.wait(5, step_seconds=0.2)
    assert {"raw_block", "entries", "snapshot"} <= {*watch.node.requests}


def test_a_parent_that_makes_no_sense_ends_no_detector_and_hides_no_child(watch: Watch) -> None:
    parent = watch.send(90)
    watch.turns()
    watch.node.raw_transactions = lambda txids: [b"no transaction"] * len(txids)  # type: ignore[method-assign]
    child = watch.send(120, parent.coin(), watch.coin(50))
    watch.turns()
    assert [alert["inputs_resolved"] for alert in watch.alerts(child)] == [False]


def test_while_the_mempool_is_being_loaded_nothing_counts_as_gone(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.stop()
    watch.wait(5)
    watch.node.start()
    watch.wait(2 * TEN_MINUTES, step_seconds=10)
    assert "loads its mempool" in watch.problems["node"]
    assert watch.updates(whale) == []
    watch.node.load()
    watch.wait(10)
    assert watch.problems == {}
    assert watch.whale(whale).left_at is None
    assert len(watch.alerts(whale)) == 1


def test_what_a_node_lost_with_its_mempool_is_dropped_ten_minutes_later(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.stop()
    watch.wait(5)
    watch.node.start(is_mempool_kept=False)
    watch.node.load()
    watch.wait(TEN_MINUTES - 10, step_seconds=10)
    assert watch.updates(whale) == []
    watch.wait(50, step_seconds=10)
    assert watch.updates(whale) == [("pending", "dropped", None)]


def test_a_node_that_was_started_anew_counts_from_one_and_is_understood(watch: Watch) -> None:
    for _ in range(5):
        watch.send(1)
    watch.turns()
    watch.node.stop()
    watch.wait(5)
    watch.node.start()
    watch.node.load()
    whale = watch.send(150)
    watch.wait(5)
    assert len(watch.alerts(whale)) == 1
    watch.node.evict(whale)
    watch.turn()
    assert watch.whale(whale).left_at is not None


def test_when_the_stream_is_gone_whales_are_polled_for_within_five_seconds(watch: Watch) -> None:
    watch.node.is_publishing = False
    watch.turn()
    watch.wait(20)
    assert watch.figures["source"] == "polling"
    assert "stream" in watch.problems
    watch.node.losing = EVERY_TOPIC
    whale = watch.send(150)
    watch.wait(5)
    assert len(watch.alerts(whale)) == 1
    watch.node.losing = NO_TOPIC
    watch.node.is_publishing = True
    watch.wait(1)
    assert watch.figures["source"] == "stream"
    assert watch.problems == {}
    assert len(watch.alerts()) == 1


def test_when_the_stream_falls_silent_whales_are_polled_for_within_five_seconds(watch: Watch) -> None:
    watch.node.losing = EVERY_TOPIC
    for _ in range(12):
        watch.send(1)
        watch.wait(0.5, step_seconds=0.1)
    assert watch.figures["source"] == "polling"
    assert "silent" in watch.problems["stream"]
    whale = watch.send(150)
    watch.wait(5)
    assert len(watch.alerts(whale)) == 1
    watch.node.losing = NO_TOPIC
    watch.send(1)
    watch.wait(1)
    assert watch.figures["source"] == "stream"
    assert watch.problems == {}


def test_a_stream_with_nothing_to_say_is_not_silent(watch: Watch) -> None:
    watch.wait(60)
    assert watch.figures["source"] == "stream"
    assert watch.problems == {}


def test_a_whale_whose_messages_were_lost_is_found_with_the_next_one(watch: Watch) -> None:
    watch.node.losing = EVERY_TOPIC
    whale = watch.send(150)
    watch.node.losing = NO_TOPIC
    # Without a lull in which one would look anyhow.
    for _ in range(15):
        watch.send(1)
        watch.turn()
    assert len(watch.alerts(whale)) == 1
    assert watch.figures["lost_messages"] == 2


@pytest.mark.parametrize("topic", ["rawtx", "sequence"])
def test_a_whale_of_which_one_of_two_messages_was_lost_is_found_with_the_next_one(watch: Watch, topic: str) -> None:
    watch.node.losing = frozenset({topic})
    whale = watch.send(150)
    watch.turn()
    watch.node.losing = NO_TOPIC
    watch.send(1)
    watch.wait(3)
    assert len(watch.alerts(whale)) == 1


def test_lost_messages_again_and_again_do_not_make_it_ask_without_end(watch: Watch) -> None:
    watch.node.requests.clear()
    for _ in range(100):
        watch.node.losing = EVERY_TOPIC
        watch.send(1)
        watch.node.losing = NO_TOPIC
        watch.send(1)
        watch.turn()
    assert watch.node.requests.count("snapshot") <= 11


def test_what_the_store_could_not_take_is_written_when_it_can(watch: Watch) -> None:
    watch.store.is_failing = True
    first = watch.send(150)
    watch.turns()
    second = watch.send(250)
    watch.turns()
    assert "store" in watch.problems
    assert watch.alerts() == []
    watch.node.mine(first)
    watch.turns()
    watch.store.is_failing = False
    watch.wait(3, step_seconds=0.1)
    assert watch.problems == {}
    assert {alert["txid"] for alert in watch.alerts()} == {first.txid, second.txid}
    assert watch.whale(first).status == "confirmed"
    assert watch.whale(second).status == "pending"


def test_a_store_that_fails_after_the_whale_was_looked_at_loses_nothing(watch: Watch) -> None:
    write = watch.store.write
    failures = [True, True, True]

    def fail_thrice(changes: object) -> None:
        watch.store.is_failing = bool(failures and failures.pop())
        try:
            write(changes)  # type: ignore[arg-type]
        finally:
            watch.store.is_failing = False

    watch.store.write = fail_thrice  # type: ignore[method-assign]
    whale = watch.send(150)
    watch.wait(5)
    assert len(watch.alerts(whale)) == 1
    assert watch.whale(whale).prediction_id in watch.store.outcomes


def test_a_detector_that_starts_anew_goes_on_without_a_second_alert(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    watch.start()
    watch.turns(20)
    assert len(watch.alerts(whale)) == 1
    replacement = watch.send(151, coin, fee_sat=5_000)
    watch.turns()
    assert watch.updates(whale) == [("pending", "replaced", None)]
    watch.start()
    watch.node.mine(replacement)
    watch.turns(10)
    assert watch.whale(replacement).status == "confirmed"
    assert watch.prediction(whale).outcome == "confirmed"


def test_what_left_while_no_detector_ran_is_dropped_ten_minutes_after_it_was_seen_to_lack(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.evict(whale)
    watch.clock.advance(3_600)
    watch.start()
    watch.wait(TEN_MINUTES - 10, step_seconds=10)
    assert watch.updates(whale) == []
    watch.start()
    watch.wait(30, step_seconds=10)
    assert watch.updates(whale) == [("pending", "dropped", None)]


def test_what_was_mined_while_no_detector_ran_is_confirmed_however_long_it_had_been_away(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.evict(whale)
    watch.turn()
    watch.clock.advance(3_600)
    watch.node.mine(whale)
    watch.start()
    watch.wait(10)
    assert watch.updates(whale) == [("pending", "confirmed", None)]


def test_what_replaced_a_whale_while_no_detector_ran_is_found(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    small = watch.send(1, coin, fee_sat=5_000)
    watch.start()
    watch.turns(10)
    assert watch.updates(whale) == [("pending", "replaced", None)]
    assert watch.whale(whale).replaced_by == small.txid


def test_a_store_that_was_away_at_the_start_hides_no_replacement(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    watch.store.is_failing = True
    watch.start()
    watch.turns()
    watch.send(1, coin, fee_sat=5_000)
    watch.wait(60)
    watch.store.is_failing = False
    watch.wait(5)
    assert watch.updates(whale) == [("pending", "replaced", None)]


def test_a_stream_that_lags_far_behind_the_node_makes_nothing_missed(watch: Watch) -> None:
    watch.node.losing = EVERY_TOPIC
    watch.send(1)
    watch.node.losing = NO_TOPIC
    for _ in range(20):
        watch.send(1)
    whale = watch.send(150)
    watch.node.mine(whale)
    for _ in range(60):
        watch.turn(after_seconds=1, most=1)
    assert len(watch.alerts(whale)) == 1
    assert watch.whale(whale).status == "confirmed"
