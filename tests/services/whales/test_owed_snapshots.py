"""A snapshot that is owed cannot be had for a while, or has to be taken twice: what was half heard is not forgotten."""

from __future__ import annotations

import pytest

from app.services.whales import mempool_view
from app.services.whales.mempool_node import Topic
from tests.fakes.whale_node import EVERY_TOPIC, NO_TOPIC
from tests.fakes.whale_transactions import Sent
from tests.fakes.whale_watch import Watch


@pytest.fixture
def watch() -> Watch:
    """A detector that has listened to a quiet node for a while."""
    watch = Watch()
    watch.start()
    watch.wait(15)
    return watch


def half_heard(watch: Watch) -> Sent:
    """Send a whale of which only the word is heard that it entered the mempool."""
    watch.node.losing = frozenset({"rawtx"})
    whale = watch.send(150)
    watch.turn()
    watch.node.losing = NO_TOPIC
    return whale


def go_on(watch: Watch, seconds: int) -> None:
    """Let a payment come every second."""
    for _ in range(seconds):
        watch.send(1)
        watch.turn(after_seconds=1.0)


@pytest.mark.parametrize("seconds", [5, 12, 25, 120])
def test_a_whale_that_was_half_heard_is_found_however_long_no_snapshot_can_be_had(watch: Watch, seconds: int) -> None:
    whale = half_heard(watch)
    watch.node.failing = frozenset({"snapshot"})
    go_on(watch, seconds)
    assert watch.alerts(whale) == []
    watch.node.failing = frozenset()
    watch.wait(3)
    assert len(watch.alerts(whale)) == 1


def test_a_whale_that_was_half_heard_and_is_mined_before_a_snapshot_can_be_had_is_told_of(watch: Watch) -> None:
    whale = half_heard(watch)
    watch.node.failing = frozenset({"snapshot"})
    go_on(watch, 60)
    watch.node.mine(whale)
    watch.turns()
    assert len(watch.alerts(whale)) == 1
    assert watch.updates(whale) == [("pending", "confirmed", None)]


def test_while_half_of_the_stream_is_mute_nothing_is_forgotten_before_a_snapshot_can_be_had(watch: Watch) -> None:
    watch.node.losing = frozenset({"rawtx"})
    go_on(watch, 10)
    watch.node.failing = frozenset({"snapshot"})
    whale = watch.send(150)
    go_on(watch, 60)
    watch.node.failing = frozenset()
    go_on(watch, 5)
    assert len(watch.alerts(whale)) == 1


def test_a_whale_that_was_half_heard_is_found_by_turns_that_take_as_long_as_a_node_that_hangs(watch: Watch) -> None:
    whale = half_heard(watch)
    watch.node.hangs_for_seconds = 10.0
    go_on(watch, 12)
    watch.node.hangs_for_seconds = 0.0
    watch.wait(15)
    assert len(watch.alerts(whale)) == 1


@pytest.mark.parametrize("is_mined", [False, True])
def test_of_more_than_can_be_remembered_everything_is_read_again(
    watch: Watch,
    is_mined: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mempool_view, "_MOST_HALF_HEARD", 10)
    watch.start()
    watch.turns()
    whale = half_heard(watch)
    watch.node.failing = frozenset({"snapshot"})
    go_on(watch, 30)
    if is_mined:
        watch.node.mine(whale)
        watch.turns()
    watch.node.failing = frozenset()
    watch.wait(3)
    assert len(watch.alerts(whale)) == 1


def test_what_one_snapshot_lacked_is_remembered_when_the_tip_could_not_be_asked_for(watch: Watch) -> None:
    whale = half_heard(watch)
    mine_unheard(watch, whale)
    watch.node.failing = frozenset({"best_block"})
    go_on(watch, 90)
    watch.node.failing = frozenset()
    watch.wait(10)
    assert len(watch.alerts(whale)) == 1
    assert watch.whale(whale).status == "confirmed"


def test_what_one_snapshot_lacked_is_remembered_when_the_next_ones_come_before_its_block(watch: Watch) -> None:
    whale = half_heard(watch)
    mine_unheard(watch, whale)
    for _ in range(5):
        watch.send(1)
        watch.node.losing = EVERY_TOPIC
        watch.send(1)
        watch.node.losing = NO_TOPIC
        watch.send(1)
        watch.turns()
    watch.wait(10)
    assert len(watch.alerts(whale)) == 1
    assert watch.whale(whale).status == "confirmed"


def test_what_was_never_in_the_mempool_is_missed_after_all_that(watch: Watch) -> None:
    mine_unheard(watch, half_heard(watch))
    go_on(watch, 10)
    watch.wait(10)
    watch.node.mine(stranger := watch.payment(150))
    watch.turns()
    assert watch.whale(stranger).status == "missed"


def test_the_word_that_a_whale_entered_comes_after_a_snapshot_that_lacks_it_and_before_its_block(watch: Watch) -> None:
    watch.node.losing = frozenset({"rawtx"})
    whale = watch.send(150)
    watch.node.losing = NO_TOPIC
    watch.node.mine(whale)
    # Of two addresses that of the bytes is heard first.
    heard = watch.node.heard()
    lost = [each for each in heard if each.topic is Topic.LOST]
    for messages in (lost, [each for each in heard if each.topic is not Topic.LOST]):
        watch.detector.hear(messages, is_connected=True)
        watch.turn()
    watch.wait(10)
    assert len(watch.alerts(whale)) == 1
    assert watch.updates(whale) == [("pending", "confirmed", None)]


def mine_unheard(watch: Watch, whale: Sent) -> None:
    """Mine it without a word of the block."""
    watch.node.losing = EVERY_TOPIC
    watch.node.mine(whale)
    watch.node.losing = NO_TOPIC


@pytest.mark.parametrize("is_snapshot_had", [False, True])
def test_a_whale_that_was_half_heard_and_replaced_is_not_missed_when_it_is_mined_all_the_same(
    watch: Watch,
    is_snapshot_had: bool,  # noqa: FBT001 - a parameter
) -> None:
    watch.node.failing = frozenset({"snapshot", "raw_transactions"})
    coin = watch.coin(200)
    watch.node.losing = frozenset({"rawtx"})
    whale = watch.send(150, coin)
    watch.turn()
    watch.node.losing = NO_TOPIC
    watch.send(5, coin, fee_sat=5_000)
    go_on(watch, 30)
    watch.node.failing -= {"snapshot"} if is_snapshot_had else set()
    go_on(watch, 5)
    watch.node.mine(whale)
    watch.turns()
    assert len(watch.alerts(whale)) == 1
    assert watch.updates(whale) == [("pending", "confirmed", None)]
