"""Whales that were let go for want of room: their end is told, and late only if they just left the mempool."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.whale_transactions import Coin, Sent
from tests.fakes.whale_watch import Watch

TEN_MINUTES = 600.0
TWO_WEEKS = timedelta(hours=336)


class Crowd:
    """Two whales, of which there is room for the one that pays more.

    Attributes:
        low: The one that was let go.
        coin: What it spends.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.coin: Coin = watch.coin(200)
        self.low: Sent = watch.send(150, self.coin)
        self.high: Sent = watch.send(150, fee_sat=100_000)
        watch.turns()
        watch.detector.keep_fewer(0.5)
        watch.turns()
        assert watch.figures["let_go"] == 1

    def outcome(self) -> str:
        return self.watch.prediction(self.low).outcome


@pytest.fixture
def watch() -> Watch:
    """A detector that may have to do with one whale at a time, and looks at nothing again in a lull."""
    watch = Watch(least_followed=1, most_reread=0)
    watch.start()
    watch.turns()
    return watch


@pytest.fixture
def crowd(watch: Watch) -> Crowd:
    return Crowd(watch)


def test_one_that_leaves_unseen_is_given_up_ten_minutes_after_there_is_room_again(watch: Watch, crowd: Crowd) -> None:
    watch.node.evict(crowd.low)
    watch.wait(TEN_MINUTES, step_seconds=5)
    assert watch.updates(crowd.low) == []
    watch.detector.keep_all()
    watch.wait(TEN_MINUTES - 20, step_seconds=5)
    assert watch.updates(crowd.low) == []
    watch.wait(60, step_seconds=5)
    assert watch.updates(crowd.low) == [("pending", "dropped", None)]
    assert crowd.outcome() == "dropped"
    assert watch.whale(crowd.high).status == "pending"


@pytest.mark.parametrize("btc", [1, 151], ids=["small", "whale"])
def test_without_room_one_that_is_replaced_hands_on_its_prediction(watch: Watch, crowd: Crowd, btc: int) -> None:
    replacement = watch.send(btc, crowd.coin, fee_sat=5_000)
    watch.turns()
    assert watch.updates(crowd.low) == [("pending", "replaced", None)]
    assert [alert["replaces"] for alert in watch.alerts(replacement)] == ([[crowd.low.txid]] if btc > 100 else [])
    assert watch.figures["followed"] == 1
    watch.node.mine(replacement)
    watch.turns()
    assert crowd.outcome() == "confirmed"


def test_without_room_one_whose_coins_a_block_spends_is_conflicted(watch: Watch, crowd: Crowd) -> None:
    watch.node.mine(watch.payment(1, crowd.coin))
    watch.turns()
    assert watch.updates(crowd.low) == [("pending", "conflicted", None)]
    assert crowd.outcome() == "conflicted"


def test_without_room_what_replaced_one_while_the_stream_was_silent_is_seen(watch: Watch, crowd: Crowd) -> None:
    watch.node.is_publishing = False
    replacement = watch.send(151, crowd.coin, fee_sat=5_000)
    watch.wait(20)
    assert watch.updates(crowd.low) == [("pending", "replaced", None)]
    assert watch.whale(replacement).prediction_id == watch.whale(crowd.low).prediction_id


def test_without_room_one_that_was_replaced_by_what_left_at_once_is_not_taken_for_waiting(
    watch: Watch, crowd: Crowd
) -> None:
    replacement = watch.send(160, crowd.coin, fee_sat=9_000)
    watch.node.evict(replacement)
    watch.wait(10)
    assert watch.updates(crowd.low) == [("pending", "replaced", None)]
    assert watch.alerts(replacement)[0]["replaces"] == [crowd.low.txid]
    watch.node.mine(replacement)
    watch.wait(10)
    assert crowd.outcome() == "confirmed"


def test_a_store_that_fails_as_one_is_replaced_keeps_it_from_nothing(watch: Watch, crowd: Crowd) -> None:
    watch.store.is_failing = True
    replacement = watch.send(151, crowd.coin, fee_sat=5_000)
    watch.wait(10)
    watch.store.is_failing = False
    watch.wait(10)
    assert watch.updates(crowd.low) == [("pending", "replaced", None)]
    assert watch.alerts(replacement)[0]["replaces"] == [crowd.low.txid]


def test_one_that_still_waits_is_followed_again_when_there_is_room(watch: Watch, crowd: Crowd) -> None:
    watch.detector.keep_all()
    watch.wait(30)
    assert watch.figures["followed"] == 2
    assert watch.whale(crowd.low).left_at is None
    replacement = watch.send(151, crowd.coin, fee_sat=5_000)
    watch.turns()
    assert watch.updates(crowd.low) == [("pending", "replaced", None)]
    assert watch.whale(replacement).prediction_id == watch.whale(crowd.low).prediction_id


def test_one_that_ended_unseen_is_given_up_by_the_next_detector_too(watch: Watch, crowd: Crowd) -> None:
    watch.node.evict(crowd.low)
    watch.start()
    watch.wait(TEN_MINUTES + 60, step_seconds=5)
    assert watch.updates(crowd.low) == [("pending", "dropped", None)]


def test_without_room_one_that_ended_unseen_expires_after_two_weeks(watch: Watch, crowd: Crowd) -> None:
    watch.node.evict(crowd.low)
    watch.clock.jump(TWO_WEEKS - timedelta(minutes=5))
    watch.wait(60, step_seconds=5)
    assert watch.updates(crowd.low) == []
    watch.clock.jump(timedelta(minutes=5))
    watch.wait(60, step_seconds=5)
    assert watch.updates(crowd.low) == [("pending", "expired", None)]
    assert crowd.outcome() == "expired"


def test_without_room_one_that_a_node_keeps_for_longer_goes_on_waiting(watch: Watch, crowd: Crowd) -> None:
    watch.clock.jump(2 * TWO_WEEKS)
    watch.wait(60, step_seconds=5)
    assert watch.updates(crowd.low) == []
    watch.node.mine(crowd.low)
    watch.wait(10)
    assert watch.updates(crowd.low) == [("pending", "confirmed", None)]


def test_hundreds_are_taken_up_again_in_a_while(watch: Watch) -> None:
    for _ in range(250):
        watch.send(150)
    watch.turns()
    watch.detector.keep_fewer(0.1)
    watch.turns()
    assert watch.figures["followed"] == 25
    watch.detector.keep_all()
    watch.wait(10)
    assert watch.figures["followed"] < 250
    watch.wait(60)
    assert watch.figures["followed"] == 250


@pytest.mark.usefixtures("crowd")
def test_a_store_that_fails_meanwhile_keeps_none_from_being_taken_up(watch: Watch) -> None:
    watch.store.is_failing = True
    watch.detector.keep_all()
    watch.wait(60, step_seconds=5)
    assert watch.figures["followed"] == 1
    watch.store.is_failing = False
    watch.wait(60, step_seconds=5)
    assert watch.figures["followed"] == 2
