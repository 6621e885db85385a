"""What goes on now: payments all the time, replacements, children, a whale now and then, and blocks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.node.programs.bitcoind_rpc import BitcoindRpc
from tests.node.programs.life.bumps import Bumps
from tests.node.programs.life.ledger import Ledger
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.purse import Purse
from tests.node.programs.life.record import Record
from tests.node.programs.life.scripts import Scripts
from tests.node.programs.life.sender import Made, Sender
from tests.node.programs.life.shapes import Shapes
from tests.node.programs.life.spending import SAT_PER_BTC, Spending
from tests.node.programs.life.transaction import Transaction
from tests.node.programs.life.whales import Whales
from tests.node.programs.price_path import PricePath

_SHARE_BUMPS = 0.05
_MOST_AT_ONCE = 500
_MOST_DEPTH = 3
# Blocks' worth of waiting transactions above which people hold back.
_CROWD_BLOCKS = 4
_RECOVER_EVERY_BLOCKS = 1000
# bitcoind calls a tip of more than a day an initial block download.
_STALE_SECONDS = 6 * 3600


class Present:
    """Life on a chain that has its history.

    Args:
        rpc: The bitcoind.
        seed: Of scripts and chances.
        price: The true price.
        pace: How much happens.
        record: Where whales are written down, if they are.

    Attributes:
        spending: Makes the transactions.
        ledger: Knows the coins.
        whales: Those that somebody asks for.
    """

    def __init__(self, rpc: BitcoindRpc, seed: int, price: PricePath, pace: Pace, record: Record | None = None) -> None:
        self._rpc = rpc
        self._seed = seed
        self._pace = pace
        self._chance = random.Random(f"present/{seed}")
        scripts = Scripts(seed)
        purse = Purse(self._chance)
        self.ledger = Ledger(rpc, scripts, purse)
        self.spending = Spending(scripts, purse, price, self._chance, pace.coins)
        self._shapes = Shapes(purse, self.spending, self._chance)
        self._bumps = Bumps(scripts, self.spending)
        self._sender = Sender(rpc, self.ledger, record)
        self.whales = Whales(rpc, self.ledger, self._shapes, self._bumps, self._sender)
        self._crowd = 0

    @property
    def counts(self) -> Counter[str]:
        """What was sent, by kind, and what was refused, since somebody cleared it."""
        return self._sender.counts

    def recover(self, now: float) -> None:
        """Find our coins again: at the start, after bitcoind was away, or when the chain is not where we left it."""
        self.ledger.recover()
        self._chance.seed(f"present/{self._seed}/{self.ledger.tip}")
        self._crowd = self._rpc.call("getmempoolinfo")["size"]
        if now - self._rpc.call("getblockchaininfo")["time"] > _STALE_SECONDS:
            self.mine()

    def send_again(self) -> None:
        """Send what waited before bitcoind was away; `recover` has to follow."""
        self._sender.send_again()

    def pay(self, wanted: float, now: float) -> None:
        """Send about `wanted` transactions; fewer while the mempool is crowded."""
        self.ledger.follow()
        if self._crowd > _CROWD_BLOCKS * self._pace.payments:
            wanted /= 2
        made: list[Made] = []
        bases = _Bases(self.ledger.pending.values(), self._chance)
        count = min(_MOST_AT_ONCE, int(wanted + self._chance.random()))
        # Not every idea can be carried out: there may be no coin for it.
        for _ in range(2 * count):
            one = self._one(now, bases) if len(made) < count else None
            if one is not None:
                made.append(one)
        self._sender.send(made)

    def mine(self) -> dict[str, Any]:
        """Mine a block; return it as `getblock` describes it at verbosity 2."""
        if self.ledger.tip % _RECOVER_EVERY_BLOCKS == 0:
            self.ledger.tip_hash = ""
        self.ledger.follow()
        script = self.ledger.descriptor(self.spending.script())
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
        return self.whales.send(value_sat)

    def _one(self, now: float, bases: _Bases) -> Made | None:
        dice = self._chance.random()
        if dice < _SHARE_BUMPS:
            base = bases.take()
            return None if base is None else self._replacement_or_child(base)
        if dice > 1 - self._pace.share_whales:
            least, most = self._pace.whale_btc
            made = self._shapes.make_any(int(self._chance.uniform(least, most) * SAT_PER_BTC))
        else:
            made = self.spending.make(now, self.ledger.tip)
        return None if made is None else Made(made)

    def _replacement_or_child(self, base: Transaction) -> Made | None:
        """Pay more: half of the time by replacing `base`, otherwise by a child that pays for it."""
        if base.depth == 0 and self._chance.random() < 1 / 2:
            replacement = self._bumps.replacement(base)
            return None if replacement is None else Made(replacement, base)
        child = self._bumps.child(base) if base.depth < _MOST_DEPTH else None
        return None if child is None else Made(child)


class _Bases:
    """What somebody may pay more for, each once: those that wait, as they are at one moment."""

    def __init__(self, waiting: Iterable[Transaction], chance: random.Random) -> None:
        self._chance = chance
        self._all = list(waiting)
        self._ends = [each for each in self._all if each.depth and each.spent_by_child is None]
        self._taken: set[bytes] = set()

    def take(self) -> Transaction | None:
        """Return one, one time in three the end of a chain, so that chains grow; None if it was taken before."""
        some = self._ends if self._ends and self._chance.random() < 1 / 3 else self._all
        base = self._chance.choice(some) if some else None
        if base is None or base.txid_le in self._taken:
            return None
        self._taken.add(base.txid_le)
        return base
