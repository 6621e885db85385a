"""Whales that somebody asks for, and what happens to them."""

from __future__ import annotations

import secrets

from tests.node.programs.bitcoind_rpc import BitcoindRpc
from tests.node.programs.life.bumps import MOST_DEPTH, Bumps
from tests.node.programs.life.ledger import Ledger
from tests.node.programs.life.record import moved_sat
from tests.node.programs.life.scripts import FIRST_EXCHANGE
from tests.node.programs.life.sender import Made, Sender
from tests.node.programs.life.shapes import Shapes
from tests.node.programs.life.spending import SAT_PER_BTC
from tests.node.programs.life.transaction import Transaction

# What the fees of a whole chain of whales may come to.
_CHAIN_FEES_SAT = 1_000_000


class NoCoinsError(Exception):
    """Nobody has that much at the moment, or there is no such transaction to build on."""


class Whales:
    """Sends whales, one after the other.

    Args:
        rpc: The bitcoind.
        ledger: Knows the coins, and what waits.
        shapes: Makes whales out of confirmed coins.
        bumps: Makes transactions out of those that wait.
        sender: Sends them.
    """

    def __init__(self, rpc: BitcoindRpc, ledger: Ledger, shapes: Shapes, bumps: Bumps, sender: Sender) -> None:
        self._rpc = rpc
        self._ledger = ledger
        self._shapes = shapes
        self._bumps = bumps
        self._sender = sender

    def send(self, value_sat: int, shape: str = "transfer") -> Transaction:
        """Send a transaction of one of SHAPES that moves `value_sat` and more; all of these may raise NoCoinsError."""
        return self.send_made(self.make(value_sat, shape))

    def send_made(self, made: Transaction) -> Transaction:
        """Send what `make` has returned."""
        return self._send(Made(made))

    def make(self, value_sat: int, shape: str = "transfer") -> Transaction:
        """Return a whale that is not sent yet."""
        self._ledger.follow()
        made = self._shapes.make(shape, value_sat)
        if made is None:
            raise NoCoinsError(
                f"nobody has {value_sat / SAT_PER_BTC:g} BTC in confirmed coins; mine a block, or ask for less"
            )
        return made

    def burst(self, count: int, value_sat: int) -> list[Transaction]:
        """Send `count` whales as fast as bitcoind takes them; where coins run out, they spend each other."""
        sent: list[Transaction] = []
        self._ledger.follow()
        while len(sent) < count:
            made = self._shapes.make("transfer", value_sat + _CHAIN_FEES_SAT) or self._onwards(sent)
            if made is None:
                raise NoCoinsError(f"there are coins for only {len(sent)} whales at once")
            sent.append(self._send(Made(made)))
        return sent

    def bump(self, txid: str = "") -> Transaction:
        """Replace a whale, the newest if none is named, by one that pays more and moves the same to its receiver."""
        return self._replace(txid, None)

    def cancel(self, txid: str = "", keep_sat: int = SAT_PER_BTC // 10) -> Transaction:
        """Replace a whale by what moves only `keep_sat` and gives the rest back."""
        return self._replace(txid, keep_sat)

    def pay_for(self, txid: str = "", *, with_largest: bool = False) -> Transaction:
        """Send a child that pays for a whale: with the smallest output that can, or with the whale itself."""
        child = self._bumps.child(self._waiting(txid), of_largest=with_largest)
        if child is None:
            raise NoCoinsError("no output of that transaction can pay for it")
        return self._send(Made(child))

    def mine_unseen(self, value_sat: int) -> Transaction:
        """Mine a block of nothing but a whale that was never in the mempool."""
        return self._mine_alone(self.make(value_sat), None)

    def conflict(self, txid: str = "", keep_sat: int | None = None) -> Transaction:
        """Mine a block of nothing but a transaction that spends the coins of a waiting whale."""
        base = self._waiting(txid)
        made = self._bumps.replacement(base, of_largest=False, keep_sat=keep_sat)
        if made is None or made.depth:
            raise NoCoinsError("that transaction cannot be conflicted with")
        return self._mine_alone(made, base)

    def reorganise(self, blocks: int) -> list[str]:
        """Take back the newest `blocks` blocks and mine one more than those; return the hashes of the new ones."""
        height = self._rpc.call("getblockcount")
        self._rpc.call("invalidateblock", self._rpc.call("getblockhash", height - blocks + 1))
        hashes: list[str] = self._rpc.call("generatetodescriptor", blocks + 1, self._reward())
        self._ledger.tip_hash = ""
        return hashes

    def _replace(self, txid: str, keep_sat: int | None) -> Transaction:
        base = self._waiting(txid)
        made = self._bumps.replacement(base, of_largest=False, keep_sat=keep_sat)
        if made is None:
            raise NoCoinsError("that transaction cannot be replaced")
        return self._send(Made(made, base))

    def _waiting(self, txid: str) -> Transaction:
        """Return the transaction of that name, or the newest whale that nothing spends."""
        self._ledger.follow()
        if txid:
            found = self._ledger.pending.get(bytes.fromhex(txid)[::-1])
        else:
            waiting = reversed(self._ledger.pending.values())
            found = next((each for each in waiting if _is_free_whale(each)), None)
        if found is None:
            raise NoCoinsError(f"{txid or 'no whale'} is waiting")
        return found

    def _onwards(self, sent: list[Transaction]) -> Transaction | None:
        """Return what moves the money of an earlier one on, the shortest chain first."""
        ends = [each for each in sent if each.spent_by_child is None and each.depth < MOST_DEPTH]
        end = min(ends, key=lambda each: each.depth, default=None)
        return None if end is None else self._bumps.child(end)

    def _mine_alone(self, made: Transaction, replaced: Transaction | None) -> Transaction:
        self._rpc.call("generateblock", self._reward(), [made.raw.hex()])
        self._sender.note_mined(Made(made, replaced))
        # What it spent, and what it drove out of the mempool with all that stood on it, bitcoind knows best.
        self._ledger.tip_hash = ""
        return made

    def _reward(self) -> str:
        """Return where to mine to: never the same, else a block of this second may be the one just taken back."""
        return self._ledger.descriptor(secrets.randbelow(FIRST_EXCHANGE))

    def _send(self, made: Made) -> Transaction:
        (refusal,) = self._sender.send([made])
        if refusal is not None:
            raise NoCoinsError(f"bitcoind refuses the whale: {refusal.reason}")
        return made.transaction


def _is_free_whale(transaction: Transaction) -> bool:
    largest = max(output.value_sat for output in transaction.outputs)
    return largest >= SAT_PER_BTC and transaction.spent_by_child is None and moved_sat(transaction) >= SAT_PER_BTC
