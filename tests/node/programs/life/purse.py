"""The coins that are free to spend."""

from __future__ import annotations

import random
from bisect import insort_left
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, groupby

from tests.node.programs.life.scripts import is_exchange
from tests.node.programs.life.transaction import Coin

# Coins of 2^33 satoshi (86 BTC) and more are kept for whales.
_WHALE_BITS = 34
_BITS = 52
# How many times larger than needed a coin is, in bits: people do not pay with the coin that fits best.
_SPARE_BITS = (0, 0, 0, 0, 1, 1, 2)


class Purse:
    """Coins by size, each size from the oldest to the newest; those of exchanges lie apart."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._by_bits: list[deque[Coin]] = [deque() for _ in range(_BITS)]
        self._of_exchanges: list[Coin] = []

    def __len__(self) -> int:
        return sum(map(len, self._by_bits)) + len(self._of_exchanges)

    def __iter__(self) -> Iterator[Coin]:
        return chain(chain.from_iterable(self._by_bits), self._of_exchanges)

    def add(self, coins: Iterable[Coin]) -> None:
        """Take in coins that are newer than those already here."""
        for coin in coins:
            self._place_of(coin).append(coin)

    def clear(self) -> None:
        """Hold nothing."""
        for coins in self._by_bits:
            coins.clear()
        self._of_exchanges.clear()

    def put_back(self, coins: Iterable[Coin]) -> None:
        """Take back coins that were not spent after all."""
        for coin in coins:
            # A young coin at the old end would make its whole size look too young.
            insort_left(self._place_of(coin), coin, key=lambda one: one.height)

    def take(self, least_sat: int, *, not_above: int | None = None) -> Coin | None:
        """Return a coin worth at least `least_sat`, or None.

        Args:
            least_sat: What it has to pay.
            not_above: Height above which a coin is too young; when all are, or without it, the newest is taken, so
                that the others go on ageing.
        """
        sizes = list(self._sizes_for(least_sat))
        if not_above is not None:
            for coins in sizes:
                if coins and coins[0].height <= not_above:
                    return coins.popleft()
        return next((coins.pop() for coins in sizes if coins), None)

    def take_any(self) -> Coin | None:
        """Return the newest coin of a size, the likelier the more there are of it, or None; whales' are left alone."""
        counts = [len(coins) for coins in self._by_bits[:_WHALE_BITS]]
        return self._chance.choices(self._by_bits[:_WHALE_BITS], counts)[0].pop() if any(counts) else None

    def take_largest(self, total_sat: int, most: int) -> list[Coin]:
        """Return at most `most` coins, the largest first, until they are worth `total_sat`."""
        taken: list[Coin] = []
        for coins in reversed(self._by_bits):
            while coins and len(taken) < most and sum(coin.value_sat for coin in taken) < total_sat:
                taken.append(coins.popleft())
        return taken

    def take_fitting(self, total_sat: int, most: int) -> list[Coin]:
        """Return the oldest coin of the least size that is surely worth `total_sat`, or else as `take_largest` does."""
        for coins in self._by_bits[total_sat.bit_length() + 1 :]:
            if coins:
                return [coins.popleft()]
        return self.take_largest(total_sat, most)

    def take_of_exchange(self, total_sat: int, least_coins: int, most: int) -> list[Coin]:
        """Return coins on one script of an exchange that are worth `total_sat`, the oldest first; else none."""
        by_script = sorted(self._of_exchanges, key=lambda coin: coin.script)
        for _, coins in groupby(by_script, key=lambda coin: coin.script):
            taken: list[Coin] = []
            for coin in coins:
                if len(taken) < least_coins or sum(each.value_sat for each in taken) < total_sat:
                    taken.append(coin)
            if least_coins <= len(taken) <= most and sum(each.value_sat for each in taken) >= total_sat:
                for coin in taken:
                    self._of_exchanges.remove(coin)
                return taken
        return []

    def take_made_at(self, height: int, least_sat: int) -> list[Coin]:
        """Return, and no longer hold, the newest coins of at least `least_sat` if they were made at `height`."""
        taken: list[Coin] = []
        for coins in self._by_bits[least_sat.bit_length() :]:
            while coins and coins[-1].height == height:
                taken.append(coins.pop())
        return taken

    def _place_of(self, coin: Coin) -> deque[Coin] | list[Coin]:
        return self._of_exchanges if is_exchange(coin.script) else self._by_bits[coin.value_sat.bit_length()]

    def _sizes_for(self, least_sat: int) -> Iterator[deque[Coin]]:
        enough = least_sat.bit_length() + 1
        start = min(enough + self._chance.choice(_SPARE_BITS), _WHALE_BITS)
        for bits in (*range(start, _WHALE_BITS), *range(enough, start)):
            yield self._by_bits[bits]
