"""Whales of every shape that an observer tells apart."""

from __future__ import annotations

import random
from itertools import pairwise

from tests.node.programs.life.purse import Purse
from tests.node.programs.life.scripts import COUNT, FIRST_EXCHANGE
from tests.node.programs.life.spending import Spending
from tests.node.programs.life.transaction import Coin, Output, Transaction

SHAPES = ("transfer", "inflow", "outflow", "internal", "consolidation", "batch", "coinjoin")
# Fees of 100 sat/vB for forty inputs, and change.
_MARGIN_SAT = 1_000_000
_MOST_COINS = 40
_CONSOLIDATED_COINS = 12
_BATCH_OUTPUTS = 25
_EQUAL_OUTPUTS = 6


class Shapes:
    """Makes whales.

    Args:
        purse: Their coins.
        spending: Completes them.
        chance: All that is random comes from here.
    """

    def __init__(self, purse: Purse, spending: Spending, chance: random.Random) -> None:
        self._purse = purse
        self._spending = spending
        self._chance = chance
        makers = (
            *(self._transfer, self._inflow, self._outflow, self._internal),
            *(self._consolidation, self._batch, self._coinjoin),
        )
        self._makers = dict(zip(SHAPES, makers, strict=True))

    def make(self, shape: str, value_sat: int) -> Transaction | None:
        """Return a transaction that moves `value_sat` and more, or None when the coins for it are missing."""
        return self._makers[shape](value_sat)

    def make_any(self, value_sat: int) -> Transaction | None:
        """Return one of any shape that there are coins for, or None."""
        for shape in self._chance.sample(SHAPES, len(SHAPES)):
            made = self.make(shape, value_sat)
            if made is not None:
                return made
        return None

    def _transfer(self, value_sat: int) -> Transaction | None:
        return self._finish("whale", self._fitting(value_sat), [Output(value_sat, -1)])

    def _inflow(self, value_sat: int) -> Transaction | None:
        return self._finish("whale-inflow", self._fitting(value_sat), [Output(value_sat, self._exchange())])

    def _outflow(self, value_sat: int) -> Transaction | None:
        """Pay out: the change stays where the coins were, so it does not count as moved."""
        coins = self._purse.take_of_exchange(value_sat + _MARGIN_SAT, 1, _MOST_COINS)
        return self._finish("whale-outflow", coins, [Output(value_sat, -1)], keep=True)

    def _internal(self, value_sat: int) -> Transaction | None:
        coins = self._purse.take_of_exchange(value_sat + _MARGIN_SAT, 1, _MOST_COINS)
        elsewhere = self._exchange({coin.script for coin in coins})
        return self._finish("whale-internal", coins, [Output(value_sat, elsewhere)], keep=True)

    def _consolidation(self, value_sat: int) -> Transaction | None:
        """Merge: coins on one script of an exchange, or else any."""
        coins = self._purse.take_of_exchange(value_sat + _MARGIN_SAT, _CONSOLIDATED_COINS, _MOST_COINS)
        if not coins:
            coins = self._fitting(value_sat)
            small = [self._purse.take_any() for _ in range(_CONSOLIDATED_COINS)]
            coins += [coin for coin in small if coin is not None]
        return self._finish("whale-consolidation", coins, [])

    def _batch(self, value_sat: int) -> Transaction | None:
        cuts = sorted(self._chance.randint(1, 99) for _ in range(_BATCH_OUTPUTS - 1))
        parts = [(after - before + 1) / (100 + _BATCH_OUTPUTS) for before, after in pairwise([0, *cuts, 100])]
        values = [int(value_sat * part) + 1 for part in parts]
        return self._finish("whale-batch", self._fitting(sum(values)), [Output(value, -1) for value in values])

    def _coinjoin(self, value_sat: int) -> Transaction | None:
        """Mix: as many equal outputs as there are coins, and each one's change but one of which pays the fee."""
        equal_sat = value_sat // _EQUAL_OUTPUTS + 1
        coins = [coin for _ in range(_EQUAL_OUTPUTS) for coin in self._purse.take_fitting(equal_sat + _MARGIN_SAT, 1)]
        if len(coins) < _EQUAL_OUTPUTS or min(coin.value_sat for coin in coins) < equal_sat + _MARGIN_SAT:
            self._purse.put_back(coins)
            return None
        changes = [Output(coin.value_sat - equal_sat, -1) for coin in coins[1:]]
        return self._finish("whale-coinjoin", coins, [Output(equal_sat, -1)] * _EQUAL_OUTPUTS + changes)

    def _fitting(self, value_sat: int) -> list[Coin]:
        return self._purse.take_fitting(value_sat + _MARGIN_SAT, _MOST_COINS)

    def _exchange(self, besides: set[int] | frozenset[int] = frozenset()) -> int:
        return self._chance.choice([number for number in range(FIRST_EXCHANGE, COUNT) if number not in besides])

    def _finish(self, kind: str, coins: list[Coin], outputs: list[Output], *, keep: bool = False) -> Transaction | None:
        change_script = coins[0].script if keep and coins else -1
        rate = self._spending.feerate_sat_vb()
        return self._spending.finish(kind, coins, outputs, rate, change_script=change_script)
