"""A detector that has time to notice each thing believes what a slow, obvious model believes."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.fakes.whale_watch import THRESHOLD_SAT
from tests.services.whales.soundness import assert_sound
from tests.services.whales.story import Story
from tests.services.whales.truth import Truth


class CalmStory(Story):
    """After each thing that happens the detector has three seconds, and then believes the truth."""

    def happened(self) -> None:
        if not hasattr(self, "truth"):
            self.truth = Truth(self.node, THRESHOLD_SAT)
        self.truth.notice(self.watch.clock.seconds())
        self.watch.wait(3, step_seconds=0.3)
        self.compare()

    @rule()
    def wait_for_long(self) -> None:
        self.watch.wait(700, step_seconds=50)
        self.truth.pass_time(self.watch.clock.seconds())
        self.compare()

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
        assert_sound(store)
        connected = {each.block_hash for each in store.blocks.values() if each.is_connected}
        assert connected == set(self.node.chain.active[-len(connected) :])
        assert len(self.watch.outlook) == len(self.node.pool.transactions)
        assert self.watch.problems == {}


def test_a_detector_that_notices_each_thing_believes_the_truth() -> None:
    run_state_machine_as_test(
        CalmStory, settings=settings(max_examples=120, stateful_step_count=30, deadline=None, derandomize=True)
    )
