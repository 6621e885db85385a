"""What a chain is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Config:
    """Everything that decides about the bytes of a chain.

    Attributes:
        seed: Of the random stream.
        price: Geometric mean of the true price over the window, in USD per BTC.
        day: UTC day of the window, YYYY-MM-DD.
        mode: "date" has `post` blocks after the window; "recent" has one, the tip, with transactions in it.
        blocks: How many the window has.
        txs: Transactions in a block, on average.
        vol: Standard deviation of the logarithm of the price over the window.
        usd_share: Share of payments with change that are a round sum of USD.
        btc_share: Share of them that are a round sum of BTC.
        same_day: Chance that an input spends an output that was made earlier in the chain.
        pre: Blocks before the window.
        warm: How many of those, the last, have transactions besides their coinbase.
        post: Blocks after the window; 1 in "recent" mode, whatever is given.
        start_height: Height of the window's first block.
        midnight_quirk: Header times go back across midnight, which is legal.
        edge_cases: Two blocks of the window hold the transactions of `edges`.
    """

    seed: int = 1
    price: float = 60_000.0
    day: str = "2024-06-15"
    mode: Literal["date", "recent"] = "date"
    blocks: int = 144
    txs: int = 3200
    vol: float = 0.02
    usd_share: float = 0.28
    btc_share: float = 0.07
    same_day: float = 0.62
    pre: int = 60
    warm: int = 2
    post: int = 14
    start_height: int = 848_000
    midnight_quirk: bool = False
    edge_cases: bool = True

    @property
    def total(self) -> int:
        """Blocks of the whole chain."""
        return self.pre + self.blocks + self.post

    @property
    def inside(self) -> range:
        """Positions of the window's blocks in the chain, which starts at 0."""
        return range(self.pre, self.pre + self.blocks)
