"""What should become of whales by the contract, worked out slowly from what the node did.

Knows nothing of messages, turns, rows or events: only what is in the mempool, what is in blocks, and what was there
before. It is right for a detector that had the time to notice each thing before the next one happened.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from tests.fakes.whale_node import SimulatedNode
from tests.fakes.whale_transactions import Sent
from tests.services.whales.predicted import Predicted

AWAY_SECONDS = 600.0
LIFETIME_SECONDS = 336 * 3_600.0


@dataclass
class Fate:
    """What is believed of a transaction.

    Attributes:
        seen_at: When that began.
        prediction: The one that it was told of with, by the txid that it was published with.
        block: The one that decided.
        replaced_by: What may have taken its place: when a block leaves, several may have.
        left_at: When it was last in the mempool.
    """

    transaction: Sent
    status: str
    is_alerted: bool
    seen_at: float
    prediction: str | None = None
    block: str | None = None
    replaced_by: frozenset[str] = frozenset()
    left_at: float | None = None


class Truth:
    """Fates by txid, of whales and of what took the place of one; and what was predicted of the first of these."""

    def __init__(self, node: SimulatedNode, threshold_sat: int) -> None:
        self.fates: dict[str, Fate] = {}
        self.predicted: dict[str, Predicted] = {}
        self._node = node
        self._threshold_sat = threshold_sat
        self._active = list(node.chain.active)

    def notice(self, now_seconds: float, heirs: Container[str | None]) -> None:
        """Take in what the node has done since the last time.

        Args:
            now_seconds: When it did so.
            heirs: Of several that wait for the place of one, those that the detector has seen there since.
        """
        waiting = sorted(self._node.pool.transactions, key=lambda each: each.txid not in heirs)
        mempool = {each.txid: each for each in waiting}
        for fate in self.fates.values():
            if fate.status == "pending" and fate.transaction.txid not in mempool and fate.left_at is None:
                fate.left_at = now_seconds
        self._notice_blocks_that_left(set(mempool), now_seconds)
        for transaction in mempool.values():
            self._notice_waiting(transaction, now_seconds)
        for block_hash in self._node.chain.active:
            if block_hash not in self._active:
                self._notice_block(block_hash, now_seconds)
        self._active = list(self._node.chain.active)

    def pass_time(self, now_seconds: float) -> None:
        """Let go what has been away for too long."""
        for fate in self.fates.values():
            if fate.left_at is not None and now_seconds - fate.left_at > AWAY_SECONDS:
                is_old = now_seconds - fate.seen_at >= LIFETIME_SECONDS
                fate.status, fate.left_at = "expired" if is_old else "dropped", None

    def is_whale(self, transaction: Sent) -> bool:
        return transaction.moved_sat >= self._threshold_sat

    def _notice_blocks_that_left(self, mempool: set[str], now_seconds: float) -> None:
        left = [each for each in self._active if each not in self._node.chain.active]
        for fate in self.fates.values():
            if fate.block in left:
                fate.status, fate.block, fate.is_alerted = "pending", None, True
                fate.left_at = None if fate.transaction.txid in mempool else now_seconds

    def _notice_waiting(self, transaction: Sent, now_seconds: float) -> None:
        rivals = [fate for fate in self.fates.values() if fate.status == "pending" and _are_rivals(fate, transaction)]
        fate = self.fates.get(transaction.txid)
        if fate is None and (rivals or self.is_whale(transaction)):
            fate = Fate(transaction, "pending", is_alerted=self.is_whale(transaction), seen_at=now_seconds)
            self.fates[transaction.txid] = fate
            self._predict(fate, rivals)
        elif fate is not None:
            if self._has_ended(transaction.txid):
                self._come_back(transaction.txid)
            fate.status, fate.left_at, fate.replaced_by = "pending", None, frozenset()
        for rival in rivals:
            waiting = [each for each in self._node.pool.transactions if _are_rivals(rival, each)]
            rival.status, rival.left_at = "replaced", None
            rival.replaced_by = frozenset(each.txid for each in waiting)

    def _predict(self, fate: Fate, rivals: list[Fate]) -> None:
        """What was said of what it takes the place of goes on being about it; else a whale is predicted anew."""
        txid = fate.transaction.txid
        rivals.sort(key=lambda rival: rival.transaction.txid)
        fate.prediction = next((rival.prediction for rival in rivals if rival.prediction), None)
        if fate.prediction is None and fate.is_alerted:
            fate.prediction = txid
            self.predicted[txid] = Predicted(txid, self._node.chain.tip.block.height, about=txid)

    def _has_ended(self, txid: str) -> bool:
        return self.fates[txid].status not in {"pending", "confirmed"}

    def _come_back(self, txid: str) -> None:
        """One that had ended waits again, or is in a block: predictions are about it, unless a block holds theirs."""
        for each in self.predicted.values():
            if txid in each.versions and self.fates[each.about].status != "confirmed":
                each.about = txid

    def _notice_block(self, block_hash: str, now_seconds: float) -> None:
        held = self._node.chain.blocks[block_hash].transactions
        spent = {outpoint for transaction in held for outpoint in transaction.outpoints}
        back = [each.txid for each in held if each.txid in self.fates and self._has_ended(each.txid)]
        for transaction in held:
            fate = self.fates.get(transaction.txid)
            if fate is not None:
                fate.status, fate.block, fate.left_at, fate.replaced_by = "confirmed", block_hash, None, frozenset()
            elif self.is_whale(transaction):
                self.fates[transaction.txid] = Fate(
                    transaction, "missed", is_alerted=False, seen_at=now_seconds, block=block_hash
                )
        for txid in back:
            self._come_back(txid)
        for fate in self.fates.values():
            if fate.status == "pending" and not spent.isdisjoint(fate.transaction.outpoints):
                fate.status, fate.block, fate.left_at = "conflicted", block_hash, None


def _are_rivals(fate: Fate, transaction: Sent) -> bool:
    return fate.transaction.txid != transaction.txid and share_a_coin(fate.transaction, transaction)


def share_a_coin(one: Sent, other: Sent) -> bool:
    """Return whether only one of two transactions can be in the chain."""
    return not set(one.outpoints).isdisjoint(other.outpoints)
