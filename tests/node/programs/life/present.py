"""What goes on now: payments all the time, replacements, children, a whale now and then, and blocks."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.node.programs.bitcoind_rpc import BitcoindRpc, RpcError
from tests.node.programs.life.history import COINS_PER_PAYMENT
from tests.node.programs.life.ledger import Ledger
from tests.node.programs.life.purse import Purse
from tests.node.programs.life.scripts import Scripts
from tests.node.programs.life.spending import SAT_PER_BTC, Spending
from tests.node.programs.life.transaction import Output, Transaction, build
from tests.node.programs.price_path import PricePath

_SHARE_BUMPS = 0.05
_SHARE_WHALES = 0.002
_MOST_AT_ONCE = 500
_MOST_DEPTH = 3
_DUST_SAT = 2000
# Blocks' worth of waiting transactions above which people hold back.
_CROWD_BLOCKS = 4
_RECOVER_EVERY_BLOCKS = 1000
# bitcoind calls a tip of more than a day an initial block download.
_STALE_SECONDS = 6 * 3600
_INPUTS_MISSING = -25


class NoCoinsError(Exception):
    """Nobody has that much at the moment."""


@dataclass(frozen=True)
class Pace:
    """How lively the chain is at speed 1: payments in a block on average, and seconds between blocks."""

    payments: int = 100
    block_seconds: float = 30.0


class Present:
    """Life on a chain that has its history.

    Attributes:
        counts: What was sent, by kind, and what was refused, since the last block.
        spending: Makes the transactions.
        ledger: Knows the coins.
    """

    def __init__(self, rpc: BitcoindRpc, seed: int, price: PricePath, pace: Pace) -> None:
        self._rpc = rpc
        self._seed = seed
        self._pace = pace
        self._chance = random.Random(f"present/{seed}")
        self._scripts = Scripts(seed)
        purse = Purse(self._chance)
        self.ledger = Ledger(rpc, self._scripts, purse)
        self.spending = Spending(self._scripts, purse, price, self._chance, pace.payments * COINS_PER_PAYMENT)
        self.counts: Counter[str] = Counter()
        self._crowd = 0

    def recover(self, now: float) -> None:
        """Find our coins again: at the start, after bitcoind was away, or when the chain is not where we left it."""
        self.ledger.recover()
        self._chance.seed(f"present/{self._seed}/{self.ledger.tip}")
        self._crowd = self._rpc.call("getmempoolinfo")["size"]
        if now - self._rpc.call("getblockchaininfo")["time"] > _STALE_SECONDS:
            self.mine()

    def pay(self, wanted: float, now: float) -> None:
        """Send about `wanted` transactions; fewer while the mempool is crowded."""
        self._follow_the_chain()
        if self._crowd > _CROWD_BLOCKS * self._pace.payments:
            wanted /= 2
        made: list[tuple[Transaction, Transaction | None]] = []
        touched: set[bytes] = set()
        for _ in range(min(_MOST_AT_ONCE, int(wanted + self._chance.random()))):
            one = self._one(now, touched)
            if one is not None:
                made.append(one)
        self._send(made)

    def mine(self) -> dict[str, Any]:
        """Mine a block; return it as `getblock` describes it at verbosity 2."""
        if self.ledger.tip % _RECOVER_EVERY_BLOCKS == 0:
            self.ledger.tip_hash = ""
        self._follow_the_chain()
        script = self._scripts.descriptor(self.spending.script())
        (block_hash,) = self._rpc.call("generatetodescriptor", 1, script)
        block: dict[str, Any] = self._rpc.call("getblock", block_hash, 2)
        if block["previousblockhash"] == self.ledger.tip_hash:
            self.ledger.connect(block)
        else:
            self.ledger.recover()
        self._crowd = self._rpc.call("getmempoolinfo")["size"]
        return block

    def whale(self, value_sat: int) -> Transaction:
        """Send a transaction that moves `value_sat` and more.

        Raises:
            NoCoinsError: There are not enough confirmed coins.
        """
        self._follow_the_chain()
        made = self.spending.whale(value_sat)
        if made is None:
            raise NoCoinsError(
                f"nobody has {value_sat / SAT_PER_BTC:g} BTC in confirmed coins; mine a block, or ask for less"
            )
        (refusal,) = self._send([(made, None)])
        if refusal is not None:
            raise NoCoinsError(f"bitcoind refuses the whale: {refusal.reason}")
        return made

    def _follow_the_chain(self) -> None:
        """Look for our coins again if somebody else mined, or the chain was reorganised."""
        if self._rpc.call("getbestblockhash") != self.ledger.tip_hash:
            self.ledger.recover()

    def _one(self, now: float, touched: set[bytes]) -> tuple[Transaction, Transaction | None] | None:
        dice = self._chance.random()
        if dice < _SHARE_BUMPS and self.ledger.pending:
            base = self._base()
            if base.txid_le in touched:
                return None
            touched.add(base.txid_le)
            return self._replacement_or_child(base)
        if dice > 1 - _SHARE_WHALES:
            made = self.spending.whale(self._chance.randint(100, 400) * SAT_PER_BTC)
        else:
            made = self.spending.make(now, self.ledger.tip)
        return None if made is None else (made, None)

    def _base(self) -> Transaction:
        """Return what to pay more for: one time in three the end of a chain, so that chains grow."""
        waiting = list(self.ledger.pending.values())
        ends = [each for each in waiting if each.depth and each.spent_by_child is None]
        return self._chance.choice(ends if ends and self._chance.random() < 1 / 3 else waiting)

    def _replacement_or_child(self, base: Transaction) -> tuple[Transaction, Transaction | None] | None:
        """Pay more: half of the time by replacing `base`, otherwise by a child that pays for it."""
        ours = [(output, vout) for vout, output in enumerate(base.outputs) if isinstance(output.script, int)]
        if base.spent_by_child is not None or not ours:
            return None
        largest, vout = max(ours)
        fee = int(max(base.fee_sat * 1.3, base.fee_sat + 2 * base.vsize_vb, 20 * base.vsize_vb))
        if largest.value_sat < fee + _DUST_SAT:
            return None
        if base.depth == 0 and self._chance.random() < 1 / 2:
            outputs = list(base.outputs)
            outputs[vout] = Output(largest.value_sat - fee + base.fee_sat, largest.script)
            return build(self._scripts, "replacement", base.coins, outputs, fee), base
        if base.depth == _MOST_DEPTH:
            return None
        coin = base.coins_made(0)[[number for _, number in ours].index(vout)]
        child = build(
            self._scripts, "child", [coin], [Output(coin.value_sat - fee, self.spending.script({coin.script}))], fee
        )
        child.depth = base.depth + 1
        base.spent_by_child = vout
        return child, None

    def _send(self, made: list[tuple[Transaction, Transaction | None]]) -> list[RpcError | None]:
        answers = self._rpc.batch("sendrawtransaction", [(each.raw.hex(), 0) for each, _ in made])
        refusals: list[RpcError | None] = []
        for (transaction, replaced), answer in zip(made, answers, strict=True):
            if isinstance(answer, RpcError):
                self._take_back(transaction, replaced)
                self.counts[f"refused: {answer.reason}"] += 1
                if answer.code == _INPUTS_MISSING:
                    self.ledger.tip_hash = ""
                refusals.append(answer)
                continue
            if replaced is not None:
                self.ledger.pending.pop(replaced.txid_le, None)
            self.ledger.pending[transaction.txid_le] = transaction
            self.counts[transaction.kind] += 1
            refusals.append(None)
        return refusals

    def _take_back(self, transaction: Transaction, replaced: Transaction | None) -> None:
        if transaction.kind == "child":
            parent = self.ledger.pending.get(transaction.coins[0].txid_le)
            if parent is not None:
                parent.spent_by_child = None
        elif replaced is None:
            self.ledger.purse.put_back(transaction.coins)
