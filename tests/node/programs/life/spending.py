"""What people do with their coins: the payments that the estimate reads, among everything else that a chain holds."""

from __future__ import annotations

import math
import random
from collections import Counter

from tests.node.programs.life.purse import Purse
from tests.node.programs.life.scripts import FIRST_EXCHANGE, Scripts
from tests.node.programs.life.transaction import Coin, Output, Transaction, build, compact_size, vsize_vb
from tests.node.programs.price_path import PricePath

SAT_PER_BTC = 100_000_000
WINDOW_BLOCKS = 144
_DUST_SAT = 1000
_MOST_WHALE_COINS = 40

# Those that the estimate looks for are about as frequent among each other as it expects; the others are noise to it.
_ROUND_USD = {
    1: 1.3,
    2: 0.6,
    3: 0.4,
    5: 1.7,
    10: 5.5,
    15: 1.9,
    20: 6,
    25: 1.5,
    30: 5.3,
    40: 2,
    50: 11.8,
    60: 1,
    75: 1,
    80: 1,
    100: 16,
    120: 0.7,
    150: 2.9,
    200: 7.4,
    250: 1.5,
    300: 5.3,
    400: 1.5,
    500: 3.8,
    750: 0.7,
    1000: 6.1,
    1500: 1.3,
    2000: 3,
    3000: 0.8,
    5000: 1.2,
    10000: 0.8,
}
_ROUND_BTC = {
    0.0001: 4,
    0.0002: 3,
    0.0003: 2,
    0.0005: 5,
    0.001: 10,
    0.002: 6,
    0.003: 4,
    0.005: 8,
    0.01: 14,
    0.02: 6,
    0.03: 4,
    0.05: 8,
    0.1: 10,
    0.2: 4,
    0.3: 2,
    0.5: 5,
    1: 4,
    2: 1,
    5: 0.5,
    10: 0.3,
}
_KINDS = {"pay": 0.55, "sweep": 0.19, "consolidation": 0.02, "batch": 0.07, "note": 0.17}
_SHARE_ROUND_USD, _SHARE_ROUND_BTC = 0.28, 0.07
# Not everybody's coins are older than the estimate's window; payments from younger ones do not count.
_SHARE_YOUNG = 0.3
# What is paid lies low, since the change, which the estimate reads just the same, is more.
_MEDIAN_USD = 70
# People round in dollars at a rate that is never quite the true one. Were they more exact, so many amounts would fall
# into one bin of the estimate's histogram that it caps them, and then half the price fits nearly as well.
_RATE_ERROR = 0.006


class Spending:
    """Makes transactions out of the coins of a purse.

    Args:
        scripts: Where the coins lie.
        purse: The coins.
        price: What a dollar amount is in bitcoin.
        chance: All that is random comes from here.
        target_coins: When there are more, people consolidate instead of splitting.
    """

    def __init__(
        self, scripts: Scripts, purse: Purse, price: PricePath, chance: random.Random, target_coins: int
    ) -> None:
        self.made: Counter[str] = Counter()
        self._scripts = scripts
        self._purse = purse
        self._price = price
        self._chance = chance
        self._target_coins = target_coins

    def script(self, besides: frozenset[int] | set[int] = frozenset()) -> int:
        """Return one of our scripts, none of an exchange, that is not among `besides`."""
        while (number := self._chance.randrange(FIRST_EXCHANGE)) in besides:
            pass
        return number

    def feerate_sat_vb(self) -> float:
        """Return what somebody is ready to pay: mostly a few sat/vB, sometimes 100, sometimes half of one."""
        return min(100.0, max(0.5, math.exp(self._chance.gauss(1.0, 1.2))))

    def amount_sat(self, when: float, spread: float = 2.0) -> int:
        """Return an amount without any roundness, around `_MEDIAN_USD`."""
        usd = math.exp(self._chance.gauss(math.log(_MEDIAN_USD), spread))
        return int(min(20 * SAT_PER_BTC, max(1100, usd / self._price.usd_at(when) * SAT_PER_BTC)))

    def make(self, when: float, tip: int, floor: int = 0) -> Transaction | None:
        """Return a transaction as somebody makes at `when`, or None if no coin fits.

        Args:
            when: Unix time, which decides the price.
            tip: Height of the newest block.
            floor: Coins up to this height are old, whatever the window.
        """
        kind = self._chance.choices(list(_KINDS), list(_KINDS.values()))[0]
        if kind == "batch" and len(self._purse) > self._target_coins:
            kind = "consolidation"
        old = max(floor, tip + 1 - WINDOW_BLOCKS)
        if kind == "pay":
            return self._pay(when, tip, None if self._chance.random() < _SHARE_YOUNG else old)
        if kind == "sweep":
            return self._spend(kind, [], [self._least_sat(when)])
        if kind == "consolidation":
            return self._consolidate(self._chance.randint(10, 60))
        if kind == "batch":
            values = [self.amount_sat(when) for _ in range(int(3 + self._chance.expovariate(0.08)))]
            return self._spend(kind, values, [0])
        content = self._chance.randbytes(self._chance.choice((20, 32, 40, 64)))
        return self._spend(kind, [], [self._least_sat(when)], note=b"\x6a" + compact_size(len(content)) + content)

    def whale(self, value_sat: int) -> Transaction | None:
        """Return a transaction that moves `value_sat` to a script that is not among its inputs', or None."""
        coins = self._purse.take_largest(value_sat + SAT_PER_BTC, _MOST_WHALE_COINS)
        return self.finish("whale", coins, [Output(value_sat, -1)], self.feerate_sat_vb())

    def _consolidate(self, inputs: int) -> Transaction | None:
        """Merge coins of every size: if it were always the smallest, the change of payments would grow week by week."""
        coins = [coin for coin in (self._purse.take_any() for _ in range(inputs)) if coin is not None]
        return self.finish("consolidation", coins, [], self.feerate_sat_vb())

    def _pay(self, when: float, tip: int, old: int | None) -> Transaction | None:
        chance, share = self._chance, self._chance.random()
        if share < _SHARE_ROUND_USD:
            usd = chance.choices(list(_ROUND_USD), list(_ROUND_USD.values()))[0]
            value = int(usd * (1 + chance.gauss(0, _RATE_ERROR)) / self._price.usd_at(when) * SAT_PER_BTC)
        elif share < _SHARE_ROUND_USD + _SHARE_ROUND_BTC:
            value = round(chance.choices(list(_ROUND_BTC), list(_ROUND_BTC.values()))[0] * SAT_PER_BTC)
        else:
            value = self.amount_sat(when)
        inputs = chance.choices((1, 2, 3, 6), (75, 15, 7, 3))[0]
        further = [self.amount_sat(when, 1.2) for _ in range(inputs - 1)]
        return self._spend("pay", [value], [0, *further], old=old, lock_height=tip)

    def _least_sat(self, when: float) -> int:
        return max(2 * _DUST_SAT, self.amount_sat(when, 1.2))

    def _spend(  # noqa: PLR0913 - what to pay, and with what
        self,
        kind: str,
        values: list[int],
        least: list[int],
        *,
        old: int | None = None,
        note: bytes = b"",
        lock_height: int = 0,
    ) -> Transaction | None:
        """Pay `values`, and the rest to oneself, with one coin for each of `least`; the first also pays the values."""
        rate = self.feerate_sat_vb()
        outputs = [Output(value, -1) for value in values] + ([Output(0, note)] if note else [])
        fee = int(rate * vsize_vb(len(least), [*outputs, Output(0, -1)])) + 1
        coins = []
        for number, least_sat in enumerate(least):
            need = max(least_sat, sum(values) + fee + 2 * _DUST_SAT) if number == 0 else max(least_sat, int(rate * 90))
            coin = self._purse.take(need, not_above=old)
            if coin is not None:
                coins.append(coin)
            elif number == 0:
                return None
        return self.finish(kind, coins, outputs, rate, lock_height)

    def finish(  # noqa: PLR0913, PLR0917 - all that is left open of a transaction
        self,
        kind: str,
        coins: list[Coin],
        outputs: list[Output],
        rate: float,
        lock_height: int = 0,
        change_script: int = -1,
    ) -> Transaction | None:
        """Return the transaction that spends `coins`, with change; None, and the coins are free, if they are too few.

        Args:
            kind: For the counts.
            coins: Taken from the purse.
            outputs: A script of -1 stands for any of ours.
            rate: Of the fee, in sat/vB.
            lock_height: It is valid only above it.
            change_script: Where the change goes; -1 stands for any of ours.
        """
        fee = int(rate * vsize_vb(len(coins), [*outputs, Output(0, -1)])) + 1
        change = sum(coin.value_sat for coin in coins) - sum(output.value_sat for output in outputs) - fee
        if change < _DUST_SAT:
            self._purse.put_back(coins)
            return None
        taken = {coin.script for coin in coins}
        addressed = []
        for output in [*outputs, Output(change, change_script)]:
            number = self.script(taken) if output.script == -1 else output.script
            taken |= {number} if isinstance(number, int) else set()
            addressed.append(Output(output.value_sat, number))
        if self._chance.random() < 1 / 2:
            addressed.reverse()
        self.made[kind] += 1
        return build(self._scripts, kind, coins, addressed, fee, lock_height=lock_height)
