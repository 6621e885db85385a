"""An appliance at work on a chain with life, and what one of its clients has heard of each whale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.node.lively_chain import LivelyChain
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.whales import Whales
from tests.whales.appliance import SAT_PER_BTC, Row, WhaleAppliance, whale_appliance
from tests.whales.client import FaithfulClient, Received

# Every whale of these tests moves at least so much.
WHALE_BTC = 10
WHALE_SAT = WHALE_BTC * SAT_PER_BTC


@dataclass(frozen=True)
class Watched:
    """All parts run.

    Attributes:
        appliance: The parts.
        life: The generator of transactions, and
        client: who has followed the stream from the beginning.
    """

    appliance: WhaleAppliance
    life: LivelyChain
    client: FaithfulClient

    @property
    def whales(self) -> Whales:
        """Send whales, and let something happen to them."""
        return self.life.present.whales

    def heard(self, txid: str, *types: str) -> list[Received]:
        """Return what the client has heard of a transaction."""
        return [each for each in self.client.events(*types) if each.message.get("txid") == txid]

    def alert(self, txid: str) -> Received:
        """Return the only alert of a whale, as soon as the client has it."""
        self.appliance.until(lambda: self.heard(txid, "whale_alert"), f"an alert of {txid}")
        (found,) = self.heard(txid, "whale_alert")
        return found

    def status(self, txid: str, status: str, *, nth: int = 1, is_final: bool = False) -> Received:
        """Return the word that a whale has come to a status for the nth time, as soon as the client has it."""

        def found() -> list[Received]:
            updates = self.heard(txid, "status_update")
            return [
                each for each in updates if each.message["status"] == status and each.message["is_final"] == is_final
            ]

        self.appliance.until(lambda: len(found()) >= nth, f"{txid} to be {status}; heard: {self.story(txid)}")
        return found()[nth - 1]

    def story(self, txid: str) -> list[str]:
        """Return all that the client was told a whale is, one after the other."""
        updates = self.heard(txid, "whale_alert", "status_update")
        return ["final" if each.message.get("is_final") else each.message["status"] for each in updates]

    def row(self, txid: str) -> Row:
        """Return what the database has of a whale, as soon as it has it."""
        self.appliance.until(lambda: txid in self.appliance.whales(), f"a row of {txid}")
        return self.appliance.whales()[txid]

    def wait_for_tip(self) -> None:
        """Return once the node's newest block has been looked through."""
        tip = self.appliance.node.call("getbestblockhash")
        self.appliance.until(lambda: tip in self.appliance.connected_blocks(), f"block {tip} to be looked through")

    def mine(self) -> dict[str, Any]:
        """Mine all that waits; return the block as `getblock` describes it, once it was looked through."""
        block = self.life.mine(0)
        self.wait_for_tip()
        return block


@contextmanager
def watched(directory: Path, *node_options: str, pace: Pace | None = None) -> Iterator[Watched]:
    """Start everything, and wait until a first whale was seen.

    Args:
        directory: Of all files.
        node_options: Further arguments of bitcoind.
        pace: Of the generator; without it there is little but what a test sends.
    """
    with whale_appliance(directory, threshold_btc=WHALE_BTC, node_options=node_options) as appliance:
        life = appliance.chain(pace)
        appliance.label_exchanges()
        with appliance.client(last_event_id=0) as client:
            appliance.detector.start()
            it = Watched(appliance, life, client)
            first = life.present.whale(WHALE_SAT)
            it.alert(first.txid)
            it.mine()
            yield it
            assert client.faults == []
            appliance.detector.assert_not_ended()
