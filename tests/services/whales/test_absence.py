"""What WHALES.md says is known of what happened while no detector ran."""

from __future__ import annotations

import pytest

from tests.fakes.whale_watch import Watch


@pytest.mark.parametrize(("btc", "status"), [(150, "missed"), (1, None)])
def test_after_a_bump_that_was_mined_meanwhile_the_whale_is_conflicted_and_was_not_on_time(
    watch: Watch, btc: float, status: str | None
) -> None:
    coin = watch.coin(200)
    whale = watch.send(150, coin)
    watch.turn()
    bump = watch.send(btc, coin, fee_sat=9_000)
    watch.node.mine(bump)
    watch.clock.advance(60)
    watch.start()
    watch.wait(10)
    assert watch.updates(whale) == [("pending", "conflicted", None)]
    outcome = watch.prediction(whale)
    assert (outcome.outcome, outcome.on_time) == ("conflicted", False)
    known = watch.store.whales.get(bump.txid)
    assert (known and known.status) == status
