"""Blocks of a real bitcoind that are taken back, as a client hears of it."""

from __future__ import annotations

from tests.whales.watched import WHALE_SAT, Watched


def take_back(it: Watched, block_hash: str) -> None:
    it.appliance.node.call("invalidateblock", block_hash)


def reorg(it: Watched, block_hash: str) -> dict[str, object]:
    """Return the event that tells that a block has left the chain, as soon as the client has it."""

    def found() -> list[dict[str, object]]:
        return [each.message for each in it.client.events("reorg") if block_hash in each.message["disconnected"]]

    it.appliance.until(found, f"the end of block {block_hash}")
    (event,) = found()
    return event


def test_a_whale_waits_again_when_its_block_is_taken_back_until_another_one_holds_it(it: Watched) -> None:
    whale = it.whales.send(WHALE_SAT)
    prediction_id = it.alert(whale.txid).message["prediction_id"]
    first = it.mine()
    it.status(whale.txid, "confirmed")
    take_back(it, first["hash"])
    reverted = it.status(whale.txid, "pending").message
    assert (reverted["previous_status"], reverted["reason"]) == ("confirmed", "reorganisation")
    event = reorg(it, first["hash"])
    assert (event["height"], event["reverted"]) == (first["height"] - 1, [whale.txid])
    assert it.appliance.predictions()[prediction_id]["outcome"] == "pending"
    second = it.mine()
    assert second["hash"] != first["hash"]
    assert it.status(whale.txid, "confirmed", nth=2).message["block_hash"] == second["hash"]
    assert it.story(whale.txid) == ["pending", "confirmed", "pending", "confirmed"]
    assert it.appliance.predictions()[prediction_id]["outcome"] == "confirmed"


def test_whales_of_two_blocks_that_are_taken_back_at_once_end_in_the_new_ones(it: Watched) -> None:
    whales, blocks = [], []
    for _ in range(2):
        whales.append(it.whales.send(WHALE_SAT).txid)
        it.alert(whales[-1])
        blocks.append(it.mine())
        it.status(whales[-1], "confirmed")
    hashes = it.whales.reorganise(2)
    it.wait_for_tip()
    for whale, block in zip(whales, blocks, strict=True):
        assert reorg(it, block["hash"])["height"] == block["height"] - 1
        row = it.status(whale, "confirmed", nth=2).message
        assert row["block_hash"] in hashes
        assert it.story(whale) == ["pending", "confirmed", "pending", "confirmed"]
    assert [event.message["height"] for event in it.client.events("reorg")[-2:]] == [
        blocks[1]["height"] - 1,
        blocks[0]["height"] - 1,
    ]
    assert not {block["hash"] for block in blocks} & it.appliance.connected_blocks().keys()


def test_a_missed_whale_is_alerted_to_when_its_block_is_taken_back(it: Watched) -> None:
    missed = it.whales.mine_unseen(WHALE_SAT)
    it.wait_for_tip()
    assert it.row(missed.txid)["status"] == "missed"
    take_back(it, it.appliance.node.call("getbestblockhash"))
    it.alert(missed.txid)
    it.mine()
    it.status(missed.txid, "confirmed")
    assert it.story(missed.txid) == ["pending", "confirmed"]
