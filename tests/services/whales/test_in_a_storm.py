"""Whatever is lost, late, away or killed: in the end each whale is alerted to or missed, once, and its end is true."""

from __future__ import annotations

from datetime import datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from app.services.whales.mempool_node import Topic
from app.services.whales.whale_store import Whale, WhalePrediction
from tests.fakes.whale_chain import Mined
from tests.fakes.whale_node import EVERY_TOPIC, NO_TOPIC
from tests.fakes.whale_transactions import Sent
from tests.fakes.whale_watch import THRESHOLD_SAT
from tests.services.whales.predicted import assert_published, is_on_time, versions_of
from tests.services.whales.soundness import assert_sound
from tests.services.whales.story import Story, picks, some_picks
from tests.services.whales.truth import LIFETIME_SECONDS, share_a_coin

moments = st.integers(0, 3)
# Below what a detector waits for when a snapshot is ahead of the stream.
seconds = st.sampled_from([0.1, 0.5, 1.0])


class StormyStory(Story):
    """Nothing is noticed but by turns, and everything may fail between two of them."""

    def __init__(self) -> None:
        self._was_disconnected: set[str] = set()
        self._was_in_mempool: set[str] = set()
        super().__init__()
        self.watch.turns(3)

    def happened(self) -> None:
        self._was_in_mempool |= {each.txid for each in self.node.pool.transactions}
        active = set(self.node.chain.active)
        for block_hash, block in self.node.chain.blocks.items():
            if block_hash not in active:
                self._was_disconnected |= {each.txid for each in block.transactions}

    @rule(most=st.sampled_from([None, 1, 3, 10]), after_seconds=seconds)
    def turn(self, most: int | None, after_seconds: float) -> None:
        self.watch.turn(after_seconds=after_seconds, most=most)

    @rule(count=st.integers(2, 8), after_seconds=seconds)
    def turns(self, count: int, after_seconds: float) -> None:
        for _ in range(count):
            self.watch.turn(after_seconds=after_seconds)

    @rule(coin=picks, which=picks, btc=st.sampled_from([5, 140]), count=moments)
    def pay_and_replace(self, coin: int, which: int, btc: int, count: int) -> None:
        self.pay(coin, 140)
        self.watch.turns(count)
        self.replace(which, btc)
        self.watch.turns(count)

    @rule(left_out=some_picks, strangers=some_picks, count=moments)
    def mine_and_notice(self, left_out: list[int], strangers: list[int], count: int) -> None:
        self.mine(left_out, strangers, 140)
        self.watch.turns(count)

    @rule(topics=st.sets(st.sampled_from(sorted(EVERY_TOPIC))))
    def lose_messages(self, topics: set[str]) -> None:
        self.node.losing = frozenset(topics)

    @rule(is_away=st.booleans())
    def answer_nothing(self, is_away: bool) -> None:  # noqa: FBT001 - drawn
        self.node.is_away = is_away

    @rule(is_failing=st.booleans())
    def fill_the_disk(self, is_failing: bool) -> None:  # noqa: FBT001 - drawn
        self.watch.store.is_failing = is_failing

    @rule(is_publishing=st.booleans())
    def cut_the_stream(self, is_publishing: bool) -> None:  # noqa: FBT001 - drawn
        if is_publishing and not self.node.is_publishing:
            self.node.welcome()
        self.node.is_publishing = is_publishing

    @rule()
    def kill_the_detector(self) -> None:
        self.watch.start()

    @rule(is_mempool_kept=st.booleans(), down=moments, loading=moments)
    def kill_the_node(self, is_mempool_kept: bool, down: int, loading: int) -> None:  # noqa: FBT001 - drawn
        self.node.stop()
        self.watch.turns(down)
        self.node.start(is_mempool_kept=is_mempool_kept)
        self.watch.turns(loading)
        self.node.load()

    @rule()
    def calm_down(self) -> None:
        self.node.is_away = self.watch.store.is_failing = False
        self.node.losing = NO_TOPIC
        self.cut_the_stream(is_publishing=True)
        # Without another message nobody can know that some are missing.
        self.node.send(self._payment([self.watch.coin(1)], 1))
        self.watch.wait(15, step_seconds=0.25)
        self.watch.wait(700, step_seconds=20)
        self.compare()

    @rule(which=picks)
    def calm_down_until_all_are_old_and_evict(self, which: int) -> None:
        self.calm_down()
        self.watch.wait(LIFETIME_SECONDS, step_seconds=LIFETIME_SECONDS / 10)
        self.evict(which)
        self.calm_down()

    def teardown(self) -> None:
        self.calm_down()

    def compare(self) -> None:
        store = self.watch.store
        assert_sound(store)
        whales = {each.txid: each for each in self.sent if each.moved_sat >= THRESHOLD_SAT}
        for txid, transaction in whales.items():
            self._assert_known(transaction, store.whales.get(txid))
        for alert in store.told("whale_alert"):
            assert alert["txid"] in whales or not alert["inputs_resolved"]
        for row in store.whales.values():
            self._assert_true(row)
        for prediction in store.outcomes.values():
            self._assert_judged(prediction)
        connected = {each.block_hash for each in store.blocks.values() if each.is_connected}
        assert connected == set(self.node.chain.active[-len(connected) :])
        assert len(self.watch.outlook) == len(self.node.pool.transactions)
        assert self.watch.figures["followed"] == sum(row.status == "pending" for row in store.whales.values())
        assert self.watch.problems == {}

    def _assert_known(self, transaction: Sent, row: Whale | None) -> None:
        is_waiting = transaction.txid in self.node.pool
        is_mined = self._is_mined(transaction)
        is_alerted = bool(self.watch.alerts(transaction))
        if is_waiting:
            assert is_alerted
        if is_mined:
            assert row is not None
            assert is_alerted or row.status == "missed"
        if self._was_heard(transaction):
            assert is_alerted
        if transaction.txid in self.node.shown and is_mined:
            assert is_alerted
        if not self._was_in_mempool & {transaction.txid} and transaction.txid not in self._was_disconnected:
            assert not is_alerted

    def _assert_true(self, row: Whale) -> None:
        transaction = next(each for each in self.sent if each.txid == row.txid)
        rivals = [each for each in self.sent if each.txid != row.txid and share_a_coin(each, transaction)]
        if row.txid in self.node.pool:
            assert row.status == "pending"
        elif self._is_mined(transaction):
            assert row.status in {"confirmed", "missed"}
            assert row.block_hash in self.node.chain.active
        elif row.status == "conflicted":
            assert any(self._is_mined(rival) for rival in rivals)
            assert row.block_hash in self.node.chain.active
        elif row.status == "replaced":
            assert row.replaced_by in {rival.txid for rival in rivals}
        else:
            assert row.status == self._given_up(row)

    def _given_up(self, row: Whale) -> str:
        """Return what one that left the mempool is called, by its age when that was told."""
        told_at = datetime.fromisoformat(self.watch.store.told("status_update", row.txid)[-1]["at"])
        return "expired" if (told_at - row.timestamp).total_seconds() >= LIFETIME_SECONDS else "dropped"

    def _assert_judged(self, row: WhalePrediction) -> None:
        """Fail unless a prediction says what became of the version that it is about, and no rival is a better one."""
        assert_published(self.watch.store, row)
        versions = versions_of(self.watch.store, row.txid)
        assert row.final_txid in versions
        mined = {each.txid: block.block.height for block in self._blocks() for each in block.transactions}
        waiting = {each.txid for each in self.node.pool.transactions}
        if row.final_txid in mined:
            assert (row.outcome, row.outcome_block) == ("confirmed", mined[row.final_txid])
        elif row.final_txid in waiting:
            assert row.outcome == "pending"
        else:
            assert row.outcome in {"dropped", "expired", "conflicted"}
            (final,) = [each for each in self.sent if each.txid == row.final_txid]
            rivals = {each.txid for each in self.sent if share_a_coin(each, final)}
            assert rivals.isdisjoint(versions & {*mined, *waiting})
        assert row.on_time == is_on_time(row, row.outcome, row.outcome_block)

    def _was_heard(self, transaction: Sent) -> bool:
        """Return whether both messages about its entering reached the present detector."""
        bodies = {heard.topic: set[bytes]() for heard in self.watch.delivered}
        for heard in self.watch.delivered:
            bodies[heard.topic].add(heard.body)
        is_read = transaction.raw in bodies.get(Topic.RAW, set())
        return is_read and transaction.txid_bytes in bodies.get(Topic.ADDED, set())

    def _is_mined(self, transaction: Sent) -> bool:
        return any(transaction.txid == each.txid for block in self._blocks() for each in block.transactions)

    def _blocks(self) -> list[Mined]:
        return [self.node.chain.blocks[each] for each in self.node.chain.active]


def test_in_a_storm_no_whale_is_lost_or_told_of_twice() -> None:
    run_state_machine_as_test(
        StormyStory, settings=settings(max_examples=90, stateful_step_count=40, deadline=None, derandomize=True)
    )
