"""A detector at work between a simulated node and a store in memory, turn by turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.domain.mempool.outlook import Outlook
from app.services.whales.detector import Detector
from app.services.whales.limits import DetectorLimits
from app.services.whales.mempool_node import Heard
from app.services.whales.whale_store import Whale, WhalePrediction
from tests.fakes.whale_clock import SimulatedClock
from tests.fakes.whale_node import SimulatedNode
from tests.fakes.whale_store import MemoryLabels, MemoryWhales
from tests.fakes.whale_transactions import BTC, Coin, Sent, pay, script_of

THRESHOLD_SAT = 100 * BTC
# Of the fee of a transaction that is in no hurry.
FEE_SAT = 1_000


class Watch:
    """The whole of it; nothing happens between two turns but what a test does.

    Attributes:
        delivered: What the present detector has heard.
        is_stream_wanted: As the operator set it, of the next detector that starts.
    """

    def __init__(self, **limits: Any) -> None:  # noqa: ANN401 - as replace() takes them
        self.clock = SimulatedClock()
        self.node = SimulatedNode(self.clock)
        self.store = MemoryWhales()
        self.labels = MemoryLabels()
        self.limits = replace(DetectorLimits(threshold_sat=THRESHOLD_SAT), **limits)
        self.is_stream_wanted = True
        self.delivered: list[Heard] = []
        self._scripts = 0

    def start(self) -> None:
        """Start a detector, in place of one that was killed if there is one."""
        self.node.welcome()
        self.node.shown.clear()
        self.delivered.clear()
        self.outlook = Outlook(is_proof_of_work=False, since=self.node.chain.tip.block.time)
        self.detector = Detector(
            node=self.node,
            store=self.store,
            labels=self.labels,
            outlook=self.outlook,
            limits=self.limits,
            clocks=self.clock.clocks,
            is_stream_wanted=self.is_stream_wanted,
        )

    def turn(self, *, after_seconds: float = 0.1, most: int | None = None) -> None:
        """Let the detector hear up to `most` messages, and do its turn."""
        self.clock.advance(after_seconds)
        heard = self.node.heard(most) if self.is_stream_wanted else []
        self.delivered += heard
        self.detector.hear(heard, is_connected=self.node.is_publishing and self.is_stream_wanted)
        self.detector.turn()

    def turns(self, count: int = 5) -> None:
        for _ in range(count):
            self.turn()

    def wait(self, seconds: float, *, step_seconds: float = 0.5) -> None:
        """Let time pass, turn by turn."""
        until_seconds = self.clock.seconds() + seconds
        while self.clock.seconds() < until_seconds:
            self.turn(after_seconds=step_seconds)

    def script(self) -> bytes:
        """Return a script that nobody has used."""
        self._scripts += 1
        return script_of(self._scripts)

    def coin(self, btc: float) -> Coin:
        """Return a confirmed coin of a script of its own."""
        return self.node.give(round(btc * BTC), self.script())

    def payment(self, btc: float, *coins: Coin, fee_sat: int = FEE_SAT) -> Sent:
        """Return a payment of so much, and its change back to the script of the first coin."""
        coins = coins or (self.coin(btc + 1),)
        paid_sat = round(btc * BTC)
        change_sat = sum(coin.value_sat for coin in coins) - paid_sat - fee_sat
        return pay(coins, [(paid_sat, self.script()), (change_sat, coins[0].script)])

    def send(self, btc: float, *coins: Coin, fee_sat: int = FEE_SAT) -> Sent:
        """Send such a payment."""
        payment = self.payment(btc, *coins, fee_sat=fee_sat)
        assert self.node.send(payment)
        return payment

    def whale(self, transaction: Sent) -> Whale:
        return self.store.whales[transaction.txid]

    def prediction(self, transaction: Sent) -> WhalePrediction:
        """Return what was predicted of a whale, or of the first of those that it took the place of."""
        return self.store.outcomes[self.whale(transaction).prediction_id or ""]

    def alerts(self, transaction: Sent | None = None) -> list[dict[str, Any]]:
        return self.store.told("whale_alert", transaction.txid if transaction else None)

    def updates(self, transaction: Sent) -> list[tuple[str, str, str | None]]:
        """Return the way of a whale: previous status, status and reason of each update."""
        told = self.store.told("status_update", transaction.txid)
        return [(each["previous_status"], each["status"], each["reason"]) for each in told]

    @property
    def figures(self) -> Mapping[str, Any]:
        return self.detector.condition.figures

    @property
    def problems(self) -> Mapping[str, str]:
        return self.detector.condition.problems
