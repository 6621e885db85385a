"""Where there is room for two whales, and more wait, none is replaced or conflicted without being told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.services.whales.soundness import assert_sound
from tests.services.whales.story import Story


class CrowdedStory(Story):
    """After each thing that happens the detector has three seconds, and then waits for nothing that cannot come."""

    def __init__(self) -> None:
        super().__init__()
        self.watch.limits = replace(self.watch.limits, most_followed=2, least_followed=1)
        self.watch.start()

    def happened(self) -> None:
        self.watch.wait(3, step_seconds=0.3)
        self.check()

    @rule()
    def wait_for_long(self) -> None:
        self.watch.wait(700, step_seconds=50)
        self.check()

    def check(self) -> None:
        assert_sound(self.watch.store)
        assert self.watch.problems == {}
        mempool = self.node.pool.transactions
        mined = [each for block in self.node.chain.active for each in self.node.chain.blocks[block].transactions]
        spent = {outpoint for each in [*mempool, *mined] for outpoint in each.outpoints}
        for whale in self.sent:
            if whale not in mempool and not spent.isdisjoint(whale.outpoints):
                row = self.watch.store.whales.get(whale.txid)
                assert row is None or row.status != "pending", row


def test_without_room_nothing_that_takes_the_place_of_a_whale_is_overlooked() -> None:
    run_state_machine_as_test(
        CrowdedStory, settings=settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
    )
