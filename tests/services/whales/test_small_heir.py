"""What took the place of a whale and is none: small as it is, nothing about it but its coins draws a look."""

from __future__ import annotations

import pytest

from tests.fakes.whale_transactions import Coin, Sent
from tests.fakes.whale_watch import Watch

ELEVEN_MINUTES = 660.0


class Heir:
    """A payment below the threshold, in the place of a whale, whose coins held less than that each.

    Attributes:
        coin: What both spend.
        small: The payment.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.coin: Coin = watch.coin(90)
        self.whale: Sent = watch.send(145, self.coin, watch.coin(60))
        watch.turns()
        self.small: Sent = watch.send(5, self.coin, fee_sat=9_000)
        watch.turns()

    def drop(self) -> None:
        self.watch.node.evict(self.small)
        self.watch.wait(ELEVEN_MINUTES, step_seconds=10)
        assert self.fate() == ("dropped", "dropped")

    def fate(self) -> tuple[str, str]:
        """Return its status, and the outcome of what was predicted of the whale."""
        (prediction,) = self.watch.store.outcomes.values()
        return self.watch.whale(self.small).status, prediction.outcome


@pytest.fixture
def heir(watch: Watch) -> Heir:
    return Heir(watch)


@pytest.fixture(params=[False, True], ids=["the same detector", "another detector"])
def dropped(watch: Watch, heir: Heir, request: pytest.FixtureRequest) -> Heir:
    """Return one that was dropped; perhaps the detector has been restarted since."""
    heir.drop()
    if request.param:
        watch.start()
        watch.turns()
    return heir


def test_one_that_was_dropped_and_returns_waits_again(watch: Watch, dropped: Heir) -> None:
    watch.node.send(dropped.small)
    watch.turns()
    assert dropped.fate() == ("pending", "pending")


def test_one_that_was_dropped_and_is_mined_after_all_is_confirmed(watch: Watch, dropped: Heir) -> None:
    watch.node.mine(dropped.small)
    watch.turns()
    assert dropped.fate() == ("confirmed", "confirmed")


def test_one_that_was_replaced_by_what_was_dropped_is_confirmed_when_it_is_mined_after_all(
    watch: Watch, heir: Heir
) -> None:
    smaller = watch.send(4, heir.coin, fee_sat=20_000)
    watch.turns()
    watch.node.evict(smaller)
    watch.wait(ELEVEN_MINUTES, step_seconds=10)
    assert heir.fate() == ("replaced", "dropped")
    watch.node.mine(heir.small)
    watch.turns()
    assert heir.fate() == ("confirmed", "confirmed")


def test_one_that_was_dropped_is_still_known_after_another_payment_of_its_coins(watch: Watch, heir: Heir) -> None:
    heir.drop()
    other = watch.send(5, heir.coin, fee_sat=20_000)
    watch.turns()
    assert other.txid not in watch.store.whales
    watch.node.mine(heir.small)
    watch.turns()
    assert heir.fate() == ("confirmed", "confirmed")
