"""What a real detector tells of a real bitcoind, as a client is sent it, is as docs/asyncapi.yaml says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.asyncapi import check_frame
from tests.whales.watched import WHALE_SAT, Watched, watched

FINAL_CONFIRMATIONS = 6


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """An appliance to whose whales all has happened that there is."""
    with watched(tmp_path_factory.mktemp("appliance")) as running:
        bump_and_confirm(running)
        conflict(running)
        take_back_two_blocks(running)
        take_back_what_was_missed(running)
        end(running)
        yield running


def bump_and_confirm(it: Watched) -> None:
    first = it.whales.send(WHALE_SAT)
    it.alert(first.txid)
    second = it.whales.bump(first.txid)
    it.status(first.txid, "replaced")
    it.alert(second.txid)
    it.mine()
    it.status(second.txid, "confirmed")


def conflict(it: Watched) -> None:
    whale = it.whales.send(WHALE_SAT)
    it.alert(whale.txid)
    it.whales.conflict(whale.txid)
    it.status(whale.txid, "conflicted")


def take_back_two_blocks(it: Watched) -> None:
    whales = []
    for _ in range(2):
        whales.append(it.whales.send(WHALE_SAT).txid)
        it.alert(whales[-1])
        it.mine()
        it.status(whales[-1], "confirmed")
    it.whales.reorganise(2)
    for whale in whales:
        it.status(whale, "pending")
        it.status(whale, "confirmed", nth=2)


def take_back_what_was_missed(it: Watched) -> None:
    missed = it.whales.mine_unseen(WHALE_SAT)
    it.wait_for_tip()
    it.appliance.node.call("invalidateblock", it.appliance.node.call("getbestblockhash"))
    it.alert(missed.txid)
    it.mine()


def end(it: Watched) -> None:
    whale = it.whales.send(WHALE_SAT)
    it.alert(whale.txid)
    # Fees are told of every ten seconds at most.
    it.appliance.until(lambda: any(each["projected_blocks"] for each in told(it, "fee_update")), "fees of what waits")
    for _ in range(FINAL_CONFIRMATIONS):
        it.mine()
    it.status(whale.txid, "confirmed", is_final=True)


def told(it: Watched, kind: str) -> list[dict[str, Any]]:
    return [each.message for each in it.client.events(kind)]


def test_every_frame_is_as_it_says(it: Watched, document: dict[str, Any]) -> None:
    frames = [each.message for each in it.client.received]
    for frame in frames:
        check_frame(document, frame)
    assert {frame["type"] for frame in frames} >= {"whale_alert", "status_update", "fee_update", "reorg"}
    updates = told(it, "status_update")
    assert {each["status"] for each in updates} >= {"replaced", "confirmed", "conflicted", "pending"}
    assert {each["reason"] for each in updates} >= {None, "reorganisation", "final"}
    assert any(each["replaces"] for each in told(it, "whale_alert"))
    assert any(each["projected_blocks"] for each in told(it, "fee_update"))


def test_only_a_replacement_in_the_mempool_is_named(it: Watched) -> None:
    named = {each["status"] for each in told(it, "status_update") if each["replaced_by"] is not None}
    assert named == {"replaced"}
    assert all(each["block_hash"] for each in told(it, "status_update") if each["status"] == "conflicted")


def test_each_block_that_leaves_the_chain_is_told_by_itself(it: Watched) -> None:
    higher, lower, _ = told(it, "reorg")
    assert len(higher["disconnected"]) == len(lower["disconnected"]) == 1
    assert higher["height"] == lower["height"] + 1


def test_of_each_reverted_whale_a_status_is_told_or_of_one_that_was_missed_its_first_alert(it: Watched) -> None:
    *known, missed = (txid for event in told(it, "reorg") for txid in event["reverted"])
    back = {each["txid"] for each in told(it, "status_update") if each["reason"] == "reorganisation"}
    assert back == set(known)
    assert [each["source"] for each in told(it, "whale_alert") if each["txid"] == missed] == ["block"]
