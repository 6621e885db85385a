"""What a prediction is about when several versions of one payment come and go."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from app.services.whales.whale_store import WhalePrediction
from tests.fakes.whale_transactions import Coin, Sent
from tests.fakes.whale_watch import Watch

ELEVEN_MINUTES = 660.0


class Versions(NamedTuple):
    """`first` was replaced by `both`, which pays from two coins, and `second` pays from the other one of these."""

    first: Sent
    second: Sent
    both: Sent
    coins: tuple[Coin, Coin]


@pytest.fixture
def merged(watch: Watch) -> Versions:
    one, other = watch.coin(200), watch.coin(300)
    first, second = watch.send(150, one), watch.send(250, other)
    watch.turns()
    both = watch.send(400, one, other, fee_sat=9_000)
    watch.turns()
    return Versions(first, second, both, (one, other))


@pytest.fixture
def parted(watch: Watch) -> Versions:
    """`both` was replaced by `second`, which leaves room for `first`: the two wait."""
    one, other = watch.coin(200), watch.coin(300)
    first = watch.send(150, one)
    watch.turns()
    both = watch.send(400, one, other, fee_sat=9_000)
    watch.turns()
    second = watch.send(250, other, fee_sat=20_000)
    watch.turns()
    watch.node.send(first)
    watch.turns()
    return Versions(first, second, both, (one, other))


def prediction_of(watch: Watch, whale: Sent) -> WhalePrediction:
    (found,) = [each for each in watch.store.outcomes.values() if each.txid == whale.txid]
    return found


def judgement_of(watch: Watch, whale: Sent) -> tuple[str, str, int | None, bool | None]:
    found = prediction_of(watch, whale)
    return found.final_txid, found.outcome, found.outcome_block, found.on_time


def test_what_replaced_two_and_is_mined_after_all_confirms_what_was_predicted_of_both(
    watch: Watch, merged: Versions
) -> None:
    watch.send(401, *merged.coins, fee_sat=20_000)
    watch.turns()
    watch.node.mine(merged.both)
    watch.turns()
    for whale in (merged.first, merged.second):
        assert judgement_of(watch, whale) == (merged.both.txid, "confirmed", 103, True)


def test_what_replaced_two_and_comes_back_in_place_of_its_own_heir_reopens_what_was_predicted_of_both(
    watch: Watch, merged: Versions
) -> None:
    heir = watch.send(401, *merged.coins, fee_sat=20_000)
    watch.turns()
    watch.node.evict(heir)
    watch.wait(ELEVEN_MINUTES, step_seconds=10)
    watch.node.send(merged.both)
    watch.turns()
    for whale in (merged.first, merged.second):
        assert judgement_of(watch, whale) == (merged.both.txid, "pending", None, None)


def test_what_its_heir_replaced_besides_stays_about_the_heir(watch: Watch, merged: Versions) -> None:
    coin = watch.coin(500)
    third = watch.send(450, coin)
    watch.turns()
    heir = watch.send(801, *merged.coins, coin, fee_sat=20_000)
    watch.turns()
    watch.node.mine(merged.both)
    watch.turns()
    assert judgement_of(watch, merged.second) == (merged.both.txid, "confirmed", 103, True)
    assert judgement_of(watch, third) == (heir.txid, "conflicted", None, False)


def test_a_version_that_was_dropped_and_is_mined_after_all_confirms_the_prediction(watch: Watch) -> None:
    coin = watch.coin(200)
    first = watch.send(150, coin)
    watch.turns()
    second = watch.send(151, coin, fee_sat=5_000)
    watch.turns()
    watch.node.evict(second)
    watch.wait(ELEVEN_MINUTES, step_seconds=10)
    watch.node.send(first)
    watch.turns()
    watch.send(152, coin, fee_sat=9_000)
    watch.turns()
    watch.node.mine(second)
    watch.turns()
    assert judgement_of(watch, first) == (second.txid, "confirmed", 103, True)


def test_a_confirmed_version_is_not_reopened_by_another_one_that_comes_back(watch: Watch, parted: Versions) -> None:
    watch.node.mine(parted.first)
    watch.turns()
    watch.node.evict(parted.second)
    watch.wait(ELEVEN_MINUTES, step_seconds=10)
    watch.node.send(parted.second)
    watch.turns()
    assert judgement_of(watch, parted.first) == (parted.first.txid, "confirmed", 103, True)


def test_a_confirmed_version_is_not_reopened_by_a_block_that_leaves_and_does_not_hold_it(
    watch: Watch, parted: Versions
) -> None:
    watch.node.mine(parted.first)
    watch.turns()
    watch.node.mine(watch.payment(1, parted.coins[1]))
    watch.turns()
    watch.node.take_back()
    watch.turns()
    assert judgement_of(watch, parted.first) == (parted.first.txid, "confirmed", 103, True)


def test_a_confirmed_version_is_judged_once_though_another_one_is_mined_later(watch: Watch, parted: Versions) -> None:
    watch.node.mine(parted.first)
    watch.turns()
    watch.send(251, parted.coins[1], fee_sat=40_000)
    watch.turns()
    for _ in range(3):
        watch.node.mine()
    watch.node.mine(parted.second)
    watch.turns(10)
    assert judgement_of(watch, parted.first) == (parted.first.txid, "confirmed", 103, True)


def test_of_two_versions_in_one_block_the_prediction_stays_about_its_own(watch: Watch, parted: Versions) -> None:
    watch.node.mine(parted.first, parted.second)
    watch.turns()
    assert judgement_of(watch, parted.first) == (parted.first.txid, "confirmed", 103, True)
