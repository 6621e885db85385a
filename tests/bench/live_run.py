"""Whales of a real bitcoind, with everything real behind it, to clients of ours and of the peer at the same time."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.clients_run import log_peer
from tests.bench.stream_clients import Receipts, connected
from tests.node.lively_chain import LivelyChain
from tests.node.programs.life.pace import Pace
from tests.whales.appliance import WhaleAppliance, whale_appliance
from tests.whales.record import whales

_STEP_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class LiveScene:
    """What goes on.

    Attributes:
        seconds: How long.
        per_second: Transactions.
        share_whales: Of all transactions.
        block_every: Seconds between two blocks.
        threshold_btc: What a whale moves.
        clients: That are told; as many again of the peer.
    """

    seconds: float = 20
    per_second: float = 200
    share_whales: float = 1 / 40
    block_every: float = 8
    threshold_btc: float = 20
    clients: int = 200

    @property
    def pace(self) -> Pace:
        """How the generator has to live; it holds back above four blocks' worth of what waits."""
        most = int(self.block_every * self.per_second)
        return Pace(
            max(20, most), 600, share_whales=self.share_whales, whale_btc=(self.threshold_btc, 2 * self.threshold_btc)
        )


def live_run(scene: LiveScene) -> tuple[list[float], list[float]]:
    """Return the milliseconds from the end of `sendrawtransaction` to each client, in order: ours, and the peer's."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        with whale_appliance(path, threshold_btc=scene.threshold_btc) as it, log_peer(it.stream) as peer:
            chain = it.chain(scene.pace)
            it.detector.start()
            # Whoever comes later than others must not have missed what they were told.
            it.until(lambda: it.events("fee_update"), "the detector's first word")
            tokens = [it.stream.token() for _ in range(scene.clients)]
            with (
                connected(it.stream.url, tokens, scene.clients) as ours,
                connected(peer.url, tokens, scene.clients) as theirs,
            ):
                before = len(it.events())
                live(chain, scene)
                sent = whales(it.sent(), it.threshold_sat)
                it.until(lambda: sent.keys() <= _alerts(it).keys(), "an alert to each whale")
                it.detector.stop()
                events = len(it.events()) - before
                return tuple(_delays_ms(it, each.receipts(events)) for each in (ours, theirs))  # type: ignore[return-value]


def live(chain: LivelyChain, scene: LiveScene) -> None:
    """Let the generator live at its pace."""
    began = due = time.monotonic()
    block_due = began + scene.block_every
    while due - began < scene.seconds:
        chain.present.pay(scene.per_second * _STEP_SECONDS, time.time())
        if due >= block_due:
            block_due += scene.block_every
            chain.present.mine()
        due += _STEP_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))


def _alerts(it: WhaleAppliance) -> dict[str, int]:
    return {event["payload"]["txid"]: event["id"] for event in it.events("whale_alert")}


def _delays_ms(it: WhaleAppliance, receipts: Receipts) -> list[float]:
    if receipts.faults:
        raise AssertionError(f"{len(receipts.faults)} faults: {receipts.faults[:5]}")
    alerts = _alerts(it)
    return sorted(
        (at - whale.sent_at_seconds) * 1e3
        for txid, whale in whales(it.sent(), it.threshold_sat).items()
        for at in receipts.times.get(alerts[txid], ())
    )
