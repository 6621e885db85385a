"""How lively the chain is."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass

COINS_PER_PAYMENT = 260
# A block of the history holds at most 4,000,000 weight units, and after a long wait 2.5 times the usual payments.
_MOST_PAST_PAYMENTS = 400


@dataclass(frozen=True)
class Pace:
    """What happens how often at speed 1.

    Attributes:
        payments: Transactions in a block, on average.
        block_seconds: Seconds between blocks, on average.
        longest_wait: No block takes longer, in multiples of `block_seconds`.
        share_whales: Of all transactions, those that are whales.
        whale_btc: The least and the most that one of them moves, change aside.
    """

    payments: int = 100
    block_seconds: float = 30.0
    longest_wait: float = 5.0
    share_whales: float = 0.002
    whale_btc: tuple[float, float] = (100, 400)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ) -> Pace:
        """Read LIFE_PAYMENTS, LIFE_BLOCK_SECONDS, LIFE_LONGEST_WAIT, LIFE_SHARE_WHALES and LIFE_WHALE_BTC (`100-400`).

        Raises:
            ValueError: One of them is no number.
        """
        least, _, most = environ.get("LIFE_WHALE_BTC", "100-400").partition("-")
        return cls(
            payments=int(environ.get("LIFE_PAYMENTS", cls.payments)),
            block_seconds=float(environ.get("LIFE_BLOCK_SECONDS", cls.block_seconds)),
            longest_wait=float(environ.get("LIFE_LONGEST_WAIT", cls.longest_wait)),
            share_whales=float(environ.get("LIFE_SHARE_WHALES", cls.share_whales)),
            whale_btc=(float(least), float(most or least)),
        )

    @property
    def past_payments(self) -> int:
        """How many transactions a block of the history holds, on average."""
        return min(self.payments, _MOST_PAST_PAYMENTS)

    @property
    def coins(self) -> int:
        """How many coins there are, about: the history makes them, and people consolidate when there are more."""
        return self.past_payments * COINS_PER_PAYMENT

    def wait_seconds(self, seed: int, height: int) -> float:
        """Return the seconds before the block at `height`: exponential, as in mining, and the same for each seed."""
        wait = -math.log(1 - random.Random(f"wait/{seed}/{height}").random())
        return self.block_seconds * min(wait, self.longest_wait)
