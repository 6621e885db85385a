"""A past for an empty chain: coins for everybody, then a day of payments, ending now."""

from __future__ import annotations

import math
import random

from tests.node.programs.bitcoind_rpc import BitcoindRpc
from tests.node.programs.life.block import assemble, reward_sat
from tests.node.programs.life.pace import COINS_PER_PAYMENT
from tests.node.programs.life.purse import Purse
from tests.node.programs.life.scripts import Scripts
from tests.node.programs.life.spending import SAT_PER_BTC, WINDOW_BLOCKS, Spending
from tests.node.programs.life.transaction import Coin, Output, Transaction, build
from tests.node.programs.price_path import PricePath

MATURITY_BLOCKS = 100
# The first blocks split coinbases into coins; what is in them is older than every window that holds a payment.
_SPLITTING_BLOCKS = 252
# The window ends one below the tip.
_PAYING_BLOCKS = WINDOW_BLOCKS + 1
BLOCKS = _SPLITTING_BLOCKS + _PAYING_BLOCKS
_BLOCK_SECONDS = 600
_TIP_AGE_SECONDS = 5
_SPLIT_FEE_SAT = 400_000
_HOARD_COINBASES = 20
_SHARE_WHALES = 0.002


class History:
    """Makes the blocks 1 to `BLOCKS` of an empty regtest chain, and leaves their coins in a purse.

    Args:
        rpc: The bitcoind, whose chain is empty.
        seed: Decides everything but the time.
        price: The true price.
        payments: Transactions in a block, on average.
        now: Unix time at which the history ends.
    """

    def __init__(self, rpc: BitcoindRpc, seed: int, price: PricePath, payments: int, now: float) -> None:
        self._rpc = rpc
        self._payments = payments
        self._now = now
        self._chance = random.Random(f"history/{seed}")
        self._scripts = Scripts(seed)
        self._purse = Purse(self._chance)
        self._target_coins = payments * COINS_PER_PAYMENT
        self._spending = Spending(self._scripts, self._purse, price, self._chance, self._target_coins)
        self._coinbases: list[Coin] = []
        self._hoard: list[Coin] = []

    def make(self) -> None:
        """Submit every block.

        Raises:
            RuntimeError: bitcoind refused one.
        """
        gaps = self._gaps()
        when = self._now - _TIP_AGE_SECONDS - sum(gaps)
        previous = bytes.fromhex(self._rpc.call("getblockhash", 0))[::-1]
        for height, gap in enumerate(gaps, 1):
            when += gap
            transactions = self._splits(height, when) if height <= _SPLITTING_BLOCKS else self._day(height, when, gap)
            previous = self._submit(height, int(when), previous, transactions)

    def _gaps(self) -> list[float]:
        """Return the seconds before each block: irregular, but the paying ones make a day, and the tip is new."""
        gaps: list[float] = []
        for blocks in (_SPLITTING_BLOCKS, _PAYING_BLOCKS):
            some = [max(0.05, self._chance.expovariate(1)) for _ in range(blocks)]
            # The window of 144 blocks, not the 145, makes the day.
            factor = min(blocks, WINDOW_BLOCKS if blocks == _PAYING_BLOCKS else blocks) * _BLOCK_SECONDS / sum(some)
            gaps += [gap * factor for gap in some]
        return gaps

    def _splits(self, height: int, when: float) -> list[Transaction]:
        """Split every second coinbase into coins of all sizes; hoard the others, in few coins, for whales."""
        self._hoard += self._purse.take_made_at(height - MATURITY_BLOCKS, SAT_PER_BTC // 4)
        if height % 2 and self._hoard:
            return [self._split(self._hoard.pop(), when)]
        if len(self._hoard) >= _HOARD_COINBASES or (height == _SPLITTING_BLOCKS and self._hoard):
            coins, self._hoard = self._hoard, []
            total = sum(coin.value_sat for coin in coins) - _SPLIT_FEE_SAT
            values = [total // 2, total * 3 // 10]
            return [self._pay_out("hoard", coins, [*values, total - sum(values)])]
        return []

    def _split(self, coin: Coin, when: float) -> Transaction:
        most = math.ceil(self._target_coins / (_SPLITTING_BLOCKS - MATURITY_BLOCKS - 5) * 1.9)
        left, values = coin.value_sat - _SPLIT_FEE_SAT, list[int]()
        while len(values) < most and (value := self._spending.amount_sat(when, 1.8)) < left - SAT_PER_BTC:
            values.append(value)
            left -= value
        return self._pay_out("split", [coin], [*values, left // 2, left // 3, left - left // 2 - left // 3])

    def _pay_out(self, kind: str, coins: list[Coin], values: list[int]) -> Transaction:
        outputs = [Output(value, self._spending.script()) for value in values]
        return build(self._scripts, kind, coins, outputs, sum(coin.value_sat for coin in coins) - sum(values))

    def _day(self, height: int, when: float, gap: float) -> list[Transaction]:
        """Return a block's worth of life, more after a long wait."""
        wanted = self._chance.gauss(self._payments, 2 * self._payments**0.5)
        wanted *= min(2.5, 0.4 + 0.6 * gap / _BLOCK_SECONDS)
        made = []
        for _ in range(max(1, int(wanted))):
            if self._chance.random() < _SHARE_WHALES:
                made.append(self._spending.whale(self._chance.randint(100, 400) * SAT_PER_BTC))
            else:
                made.append(self._spending.make(when, height - 1, _SPLITTING_BLOCKS))
        return sorted(filter(None, made), key=lambda each: -each.fee_sat / each.vsize_vb)

    def _submit(self, height: int, unix_time: int, previous: bytes, transactions: list[Transaction]) -> bytes:
        script = self._spending.script()
        content, block_hash, coinbase = assemble(
            height, unix_time, previous, transactions, self._scripts.output[script], self._chance.randbytes(4)
        )
        refusal = self._rpc.call("submitblock", content.hex())
        if refusal:
            raise RuntimeError(f"bitcoind refuses block {height} of the history: {refusal}")
        self._coinbases.append(Coin(coinbase, 0, reward_sat(height, transactions), script, height))
        for transaction in transactions:
            self._purse.add(transaction.coins_made(height))
        if height >= MATURITY_BLOCKS:
            self._purse.add([self._coinbases.pop(0)])
        return block_hash
