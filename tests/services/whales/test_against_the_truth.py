"""A detector that has time to notice each thing believes what a slow, obvious model believes."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from app.services.whales.whale_store import WhalePrediction
from tests.fakes.whale_watch import THRESHOLD_SAT
from tests.services.whales.predicted import Predicted, assert_published, is_on_time
from tests.services.whales.soundness import assert_sound
from tests.services.whales.story import Story, picks
from tests.services.whales.truth import LIFETIME_SECONDS, Truth


class CalmStory(Story):
    """After each thing that happens the detector has three seconds, and then believes the truth."""

    def happened(self) -> None:
        if not hasattr(self, "truth"):
            self.truth = Truth(self.node, THRESHOLD_SAT)
        happened_at, before = self.watch.clock.seconds(), self._replacements()
        self.watch.wait(3, step_seconds=0.3)
        self.truth.notice(happened_at, {heir for _, heir in self._replacements() - before})
        self.compare()

    @rule()
    def wait_for_long(self) -> None:
        self.watch.wait(700, step_seconds=50)
        self.truth.pass_time(self.watch.clock.seconds())
        self.compare()

    @rule()
    def wait_until_all_are_old(self) -> None:
        # Whatever is away by now is given up before.
        self.wait_for_long()
        self.watch.wait(LIFETIME_SECONDS, step_seconds=LIFETIME_SECONDS / 10)
        self.compare()

    @precondition(lambda self: self.node.pool.transactions)
    @rule(which=picks, is_old=st.booleans())
    def evict_for_long_and_send_again(self, which: int, is_old: bool) -> None:  # noqa: FBT001 - drawn
        if is_old:
            self.wait_until_all_are_old()
        waiting = self.node.pool.transactions
        self.evict(which)
        self.wait_for_long()
        self._send(waiting[which % len(waiting)])

    def _replacements(self) -> set[tuple[str, str | None]]:
        return {(whale.txid, whale.replaced_by) for whale in self.watch.store.whales.values()}

    def compare(self) -> None:
        store, fates = self.watch.store, self.truth.fates
        believed = {txid: (whale.status, whale.block_hash) for txid, whale in store.whales.items()}
        assert believed == {txid: (fate.status, fate.block) for txid, fate in fates.items()}
        assert all(store.whales[txid].replaced_by in (fate.replaced_by or {None}) for txid, fate in fates.items())
        alerted = {alert["txid"] for alert in store.told("whale_alert")}
        assert alerted == {
            txid for txid, fate in fates.items() if fate.is_alerted and self.truth.is_whale(fate.transaction)
        }
        assert all(store.whales[txid].moved_sat == fate.transaction.moved_sat for txid, fate in fates.items())
        self.compare_predictions()
        assert_sound(store)
        connected = {each.block_hash for each in store.blocks.values() if each.is_connected}
        assert connected == set(self.node.chain.active[-len(connected) :])
        assert len(self.watch.outlook) == len(self.node.pool.transactions)
        assert self.watch.problems == {}

    def compare_predictions(self) -> None:
        store, fates, predicted = self.watch.store, self.truth.fates, self.truth.predicted
        rows = {row.txid: row for row in store.outcomes.values()}
        assert len(rows) == len(store.outcomes)
        assert rows.keys() == predicted.keys()
        txids = {row.prediction_id: row.txid for row in rows.values()}
        told = {txid: whale.prediction_id and txids[whale.prediction_id] for txid, whale in store.whales.items()}
        assert told == {txid: fate.prediction for txid, fate in fates.items()}
        for txid, each in predicted.items():
            # Where several may have taken its place, the rows say which one it was.
            each.follow({txid: whale.replaced_by for txid, whale in store.whales.items()})
            self.compare_prediction(rows[txid], each)

    def compare_prediction(self, row: WhalePrediction, predicted: Predicted) -> None:
        fate = self.truth.fates[predicted.about]
        height = self.node.chain.blocks[fate.block].block.height if fate.block and fate.status == "confirmed" else None
        said = (row.tip_height, row.final_txid, row.outcome, row.outcome_block, row.on_time)
        on_time = is_on_time(row, fate.status, height)
        assert said == (predicted.tip_height, predicted.about, fate.status, height, on_time)
        assert_published(self.watch.store, row)


def test_a_detector_that_notices_each_thing_believes_the_truth() -> None:
    run_state_machine_as_test(
        CalmStory, settings=settings(max_examples=120, stateful_step_count=30, deadline=None, derandomize=True)
    )
