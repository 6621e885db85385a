"""What becomes of whales when blocks leave the chain, and of blocks that came while nobody looked."""

from __future__ import annotations

from tests.fakes.whale_node import EVERY_TOPIC, NO_TOPIC
from tests.fakes.whale_transactions import Sent
from tests.fakes.whale_watch import Watch


def confirmed(watch: Watch) -> Sent:
    """Return a whale that was seen, and then mined in the newest block."""
    whale = watch.send(150)
    watch.turn()
    watch.node.mine(whale)
    watch.turns()
    return whale


def test_a_block_that_leaves_the_chain_reverts_what_it_confirmed(watch: Watch) -> None:
    whale = confirmed(watch)
    left = watch.node.chain.active[-1]
    watch.node.take_back()
    watch.turns()
    assert watch.updates(whale)[1:] == [("confirmed", "pending", "reorganisation")]
    row = watch.whale(whale)
    assert (row.block_hash, row.confirmed_at, row.left_at) == (None, None, None)
    (reorg,) = watch.store.told("reorg")
    assert (reorg["height"], reorg["disconnected"], reorg["reverted"]) == (102, [left], [whale.txid])
    assert not watch.store.blocks[left].is_connected
    watch.node.mine(whale)
    watch.turns()
    assert watch.whale(whale).status == "confirmed"
    assert watch.store.outcomes[row.prediction_id or ""].outcome == "confirmed"


def test_what_another_branch_holds_is_confirmed_there(watch: Watch) -> None:
    whale = confirmed(watch)
    watch.node.reorganise(1, [[], [whale]])
    watch.turns()
    assert watch.updates(whale)[1:] == [("confirmed", "pending", "reorganisation"), ("pending", "confirmed", None)]
    assert watch.whale(whale).block_height == 104


def test_what_the_other_branch_conflicts_with_is_conflicted(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    watch.node.mine(whale)
    watch.turns()
    watch.node.reorganise(1, [[watch.payment(1, coin)], []])
    watch.turns()
    assert watch.updates(whale)[1:] == [("confirmed", "pending", "reorganisation"), ("pending", "conflicted", None)]


def test_a_whale_that_was_missed_and_returns_by_a_reorganisation_is_alerted_to(watch: Watch) -> None:
    whale = watch.payment(150)
    watch.node.mine(whale)
    watch.turns()
    assert watch.whale(whale).status == "missed"
    watch.node.take_back()
    watch.turns()
    assert len(watch.alerts(whale)) == 1
    assert watch.whale(whale).status == "pending"


def test_what_a_conflict_ended_is_replaced_by_its_rival_when_the_block_leaves(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    rival = watch.payment(1, coin, fee_sat=5_000)
    watch.node.mine(rival)
    watch.turns()
    watch.node.take_back()
    watch.turns()
    assert [status for _, status, _ in watch.updates(whale)] == ["conflicted", "pending", "replaced"]
    watch.node.mine(rival)
    watch.turns()
    (outcome,) = watch.store.outcomes.values()
    assert (outcome.outcome, outcome.final_txid) == ("confirmed", rival.txid)


def test_a_block_that_came_and_left_before_it_was_looked_at_decides_nothing(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.mine(whale)
    watch.node.take_back()
    watch.wait(700, step_seconds=10)
    assert watch.updates(whale) == []
    assert watch.whale(whale).left_at is None


def test_blocks_that_came_while_nobody_looked_are_caught_up_with(watch: Watch) -> None:
    waiting, missed = watch.send(150), watch.payment(250)
    watch.turn()
    watch.node.mine()
    watch.node.mine(waiting)
    for _ in range(30):
        watch.node.mine()
    watch.node.mine(missed)
    watch.start()
    watch.wait(30)
    assert watch.whale(waiting).status == "confirmed"
    assert watch.whale(waiting).block_height == 104
    assert watch.whale(missed).status == "missed"
    assert watch.figures["tip_height"] == 135


def test_a_reorganisation_while_nobody_looked_is_made_good(watch: Watch) -> None:
    whale = confirmed(watch)
    watch.node.mine()
    watch.turns()
    watch.node.reorganise(2, [[], [], [whale]])
    watch.start()
    watch.wait(10)
    assert [status for _, status, _ in watch.updates(whale)] == ["confirmed", "pending", "confirmed"]
    assert watch.whale(whale).block_height == 105


def test_a_detector_that_had_seen_no_block_yet_goes_on_from_the_tip_that_it_began_with(watch: Watch) -> None:
    whale = watch.send(150)
    watch.turn()
    watch.node.mine(whale)
    watch.node.mine()
    watch.start()
    watch.wait(10)
    assert watch.whale(whale).status == "confirmed"


def test_a_block_that_is_heard_of_before_the_first_snapshot_is_looked_through() -> None:
    watch = Watch()
    watch.start()
    whale = watch.send(150)
    watch.node.mine(whale)
    watch.turns()
    assert len(watch.alerts(whale)) == 1
    assert watch.whale(whale).status == "confirmed"


def test_the_very_first_block_that_we_know_may_leave_too(watch: Watch) -> None:
    watch.node.take_back(2)
    watch.turns()
    assert watch.figures["tip_height"] == 100
    watch.node.mine()
    watch.turns()
    assert watch.figures["tip_height"] == 101


def test_a_reorganisation_deeper_than_is_remembered_is_followed_all_the_same(watch: Watch) -> None:
    whale = confirmed(watch)
    for _ in range(120):
        watch.node.mine()
    watch.turns(150)
    blocks: list[list[Sent]] = [[] for _ in range(122)]
    watch.node.reorganise(121, [*blocks, [whale]])
    watch.turns(400)
    assert watch.figures["tip_height"] == watch.node.chain.tip.block.height
    assert [status for _, status, reason in watch.updates(whale) if reason != "final"] == [
        "confirmed",
        "pending",
        "confirmed",
    ]
    connected = {each.block_hash for each in watch.store.blocks.values() if each.is_connected}
    assert connected <= set(watch.node.chain.active)


def test_a_chain_of_another_data_directory_is_begun_anew(watch: Watch) -> None:
    confirmed(watch)
    other = Watch()
    other.node.mine()
    other.node.mine()
    other.store = watch.store
    other.start()
    other.wait(10)
    assert other.figures["tip_height"] == 104
    assert other.problems == {}


def test_blocks_that_the_node_has_deleted_are_counted_and_passed(watch: Watch) -> None:
    pruned = [watch.node.mine(watch.payment(150)) for _ in range(3)]
    missed = watch.payment(250)
    watch.node.mine(missed)
    for each in pruned:
        watch.node.prune(each)
    watch.turns(10)
    assert watch.figures["lost_blocks"] == 3
    assert watch.whale(missed).status == "missed"
    assert len(watch.store.whales) == 1


def test_the_tip_of_an_old_snapshot_leads_nowhere_when_the_chain_has_left_it(watch: Watch) -> None:
    watch.node.losing = EVERY_TOPIC
    watch.node.mine()
    watch.node.losing = NO_TOPIC
    watch.send(1)
    watch.wait(2)
    watch.node.reorganise(1, [[], []])
    watch.wait(10)
    assert watch.figures["tip_height"] == watch.node.chain.tip.block.height
    assert watch.store.told("reorg") == []


def test_a_block_that_left_while_the_store_was_away_empties_nothing_of_what_waits(watch: Watch) -> None:
    watch.send(5)
    watch.store.is_failing = True
    watch.node.mine(*watch.node.pool.transactions)
    watch.wait(2)
    watch.node.take_back()
    watch.store.is_failing = False
    watch.wait(5)
    assert watch.figures["waiting"] == 1
    assert watch.store.told("reorg") == []


def test_what_was_in_a_block_when_it_was_to_be_read_and_came_back_without_a_word_is_read_then() -> None:
    watch = Watch()
    whale = watch.send(150)
    watch.start()
    read = watch.node.raw_transactions
    watch.node.raw_transactions = lambda txids: [None for _ in read(txids)]  # type: ignore[method-assign]
    watch.wait(1)
    watch.node.raw_transactions = read  # type: ignore[method-assign]
    watch.node.losing = EVERY_TOPIC
    watch.node.mine(whale)
    watch.node.take_back()
    watch.node.losing = NO_TOPIC
    watch.send(1)
    watch.wait(3)
    assert len(watch.alerts(whale)) == 1


def test_what_two_blocks_held_is_reverted_by_the_block_that_held_it(watch: Watch) -> None:
    whale = confirmed(watch)
    block_hash = watch.node.chain.active[-1]
    watch.node.mine()
    watch.turns()
    watch.node.take_back(2)
    watch.turns()
    assert watch.updates(whale)[1:] == [("confirmed", "pending", "reorganisation")]
    reverted = {block: each["reverted"] for each in watch.store.told("reorg") for block in each["disconnected"]}
    assert reverted[block_hash] == [whale.txid]


def test_what_took_the_place_of_a_whale_while_a_block_had_ended_it_is_found_when_the_block_leaves(watch: Watch) -> None:
    one, other = watch.coin(200), watch.coin(200)
    whale = watch.send(350, one, other)
    watch.turn()
    rival = watch.payment(1, one)
    watch.node.mine(rival)
    watch.turns()
    later = watch.send(1, other)
    # Until it is no news any longer.
    for _ in range(4):
        watch.send(1)
        watch.wait(15)
    watch.node.take_back()
    watch.node.evict(rival)
    watch.wait(5)
    assert watch.whale(whale).status == "replaced"
    assert watch.whale(whale).replaced_by == later.txid


def test_what_took_the_place_of_a_whale_before_its_block_was_seen_to_leave_is_found_then(watch: Watch) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turns()
    watch.node.mine(whale)
    watch.turns()
    watch.node.failing = frozenset({"place_of"})
    watch.node.take_back()
    replacement = watch.send(151, coin, fee_sat=9_000)
    watch.turns()
    watch.node.failing = NO_TOPIC
    watch.wait(5)
    assert watch.updates(whale)[1:] == [("confirmed", "pending", "reorganisation"), ("pending", "replaced", None)]
    watch.node.mine(replacement)
    watch.turns()
    assert {each.outcome for each in watch.store.outcomes.values()} == {"confirmed"}
