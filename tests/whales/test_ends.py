"""What becomes of whales on a real bitcoind, as a client hears of it."""

from __future__ import annotations

import itertools
import sys
import time

from tests.node.programs.life.transaction import Transaction
from tests.whales.watched import WHALE_SAT, Watched

_MOST_CONFIRMING_SECONDS = 2.0
_FINAL_CONFIRMATIONS = 6


def of_prediction(it: Watched, made: Transaction) -> str:
    found: str = it.alert(made.txid).message["prediction_id"]
    assert found
    return found


def test_three_bumps_keep_the_prediction_of_the_first_whale(it: Watched) -> None:
    first = it.whales.send(WHALE_SAT)
    prediction_id = of_prediction(it, first)
    chain = [first]
    for _ in range(3):
        chain.append(it.whales.bump(chain[-1].txid))
        it.alert(chain[-1].txid)
    for one, other in itertools.pairwise(chain):
        assert it.alert(other.txid).message["replaces"] == [one.txid]
        assert it.status(one.txid, "replaced").message["replaced_by"] == other.txid
    block = it.mine()
    confirmed = it.status(chain[-1].txid, "confirmed").message
    assert (confirmed["block_hash"], confirmed["previous_status"]) == (block["hash"], "pending")
    assert [it.story(each.txid) for each in chain] == [["pending", "replaced"]] * 3 + [["pending", "confirmed"]]
    assert {of_prediction(it, each) for each in chain} == {prediction_id}
    assert {each.message["prediction_id"] for made in chain for each in it.heard(made.txid)} == {prediction_id}
    txids = {each.txid for each in chain}
    (row,) = [row for row in it.appliance.predictions().values() if {row["txid"], row["final_txid"]} & txids]
    assert (row["txid"], row["final_txid"], row["outcome"]) == (first.txid, chain[-1].txid, "confirmed")
    assert row["outcome_block"] == block["height"]


def test_bumps_too_quick_to_be_looked_at_are_told_all_the_same_each_once(it: Watched) -> None:
    chain = [it.whales.send(WHALE_SAT)]
    for _ in range(9):
        chain.append(it.whales.bump(chain[-1].txid))
    for one in chain[:-1]:
        it.alert(one.txid)
        it.status(one.txid, "replaced")
        assert it.story(one.txid) == ["pending", "replaced"]
    it.mine()
    it.status(chain[-1].txid, "confirmed")
    assert it.story(chain[-1].txid) == ["pending", "confirmed"]
    txids = {each.txid for each in chain}
    outcomes = [row["outcome"] for row in it.appliance.predictions().values() if row["txid"] in txids]
    assert outcomes == ["confirmed"]


def test_a_bump_that_gives_the_money_back_is_followed_without_an_alert(it: Watched) -> None:
    whale = it.whales.send(WHALE_SAT)
    prediction_id = of_prediction(it, whale)
    cancelled = it.whales.cancel(whale.txid)
    assert it.status(whale.txid, "replaced").message["replaced_by"] == cancelled.txid
    it.mine()
    assert it.status(cancelled.txid, "confirmed").message["prediction_id"] == prediction_id
    assert it.story(cancelled.txid) == ["confirmed"]
    assert it.appliance.predictions()[prediction_id]["outcome"] == "confirmed"


def test_a_child_that_pays_for_a_whale_changes_nothing_of_what_is_told_of_it(it: Watched) -> None:
    whale = it.whales.send(WHALE_SAT)
    it.alert(whale.txid)
    it.whales.pay_for(whale.txid)
    it.mine()
    it.status(whale.txid, "confirmed")
    assert it.story(whale.txid) == ["pending", "confirmed"]


def test_a_whale_on_a_parent_that_waits_has_the_feerate_of_both(it: Watched) -> None:
    parent = it.whales.send(2 * WHALE_SAT)
    it.alert(parent.txid)
    child = it.whales.pay_for(parent.txid, with_largest=True)
    told = it.alert(child.txid).message
    waiting = it.life.waiting()[child.txid]
    expected = waiting["fees"]["ancestor"] * 1e8 / waiting["ancestorsize"]
    assert told["inputs_resolved"]
    assert abs(told["fee_rate"] - expected) < 0.01
    assert told["fee_rate"] < waiting["fees"]["base"] * 1e8 / waiting["vsize"]
    assert it.story(parent.txid) == ["pending"]
    it.mine()


def test_a_mined_whale_is_confirmed_within_two_seconds_and_final_after_six_blocks(it: Watched) -> None:
    whale = it.whales.send(WHALE_SAT)
    it.alert(whale.txid)
    block = it.life.mine(0)
    mined_at = time.monotonic()
    confirmed = it.status(whale.txid, "confirmed")
    sys.stdout.write(f"from the block to the client: {(confirmed.at_seconds - mined_at) * 1000:.0f} ms\n")
    assert confirmed.at_seconds - mined_at <= _MOST_CONFIRMING_SECONDS
    assert confirmed.message["block_height"] == block["height"]
    for _ in range(_FINAL_CONFIRMATIONS - 2):
        it.mine()
    assert it.story(whale.txid) == ["pending", "confirmed"]
    it.mine()
    final = it.status(whale.txid, "confirmed", is_final=True).message
    assert (final["reason"], final["block_hash"]) == ("final", block["hash"])


def test_a_whale_that_only_a_block_has_shown_is_missed_without_an_alert(it: Watched) -> None:
    missed = it.whales.mine_unseen(WHALE_SAT)
    it.wait_for_tip()
    row = it.row(missed.txid)
    assert (row["status"], row["source"], row["prediction_id"]) == ("missed", "block", None)
    assert it.heard(missed.txid) == []


def test_a_whale_whose_coins_a_block_spends_is_conflicted(it: Watched) -> None:
    whale = it.whales.send(WHALE_SAT)
    prediction_id = of_prediction(it, whale)
    rival = it.whales.conflict(whale.txid)
    it.status(whale.txid, "conflicted")
    it.wait_for_tip()
    assert it.row(rival.txid)["status"] == "missed"
    assert it.story(whale.txid) == ["pending", "conflicted"]
    assert it.appliance.predictions()[prediction_id]["outcome"] == "conflicted"
