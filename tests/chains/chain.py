"""A chain, and what is true about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from tests.chains.config import Config


class Block(NamedTuple):
    """A block: its header time in seconds since 1970 UTC, its hash in display order, its bytes."""

    height: int
    time: int
    hash: str
    raw: bytes
    n_transactions: int


# Of an edge transaction: height, label, whether the published method uses it, txid in display order.
Fate = tuple[int, str, bool, str]


class Truth(TypedDict):
    """What the generator put into the window: prices in USD per BTC, counts, and the fate of each edge transaction."""

    price_center: float
    price_median: float
    price_mean: float
    price_min: float
    price_max: float
    round_usd_payments: int
    window_bytes: int
    window_txs: int
    edges: list[Fate]


@dataclass(frozen=True)
class Chain:
    """Blocks, each upon the one before.

    Attributes:
        config: What it was made from.
        blocks: In the order of their heights, without a gap.
        window: First and last height of the blocks under test.
        price_path_usd: The true price at each of `blocks`, in USD per BTC.
        truth: The same and more about the window.
    """

    config: Config
    blocks: list[Block]
    window: tuple[int, int]
    price_path_usd: NDArray[np.float64]
    truth: Truth

    @property
    def tip(self) -> int:
        """Height of the last block."""
        return self.blocks[-1].height

    @property
    def window_blocks(self) -> list[Block]:
        """The blocks under test."""
        inside = self.config.inside
        return self.blocks[inside.start : inside.stop]

    def digest(self) -> str:
        """Return the SHA-256 of all blocks, one after the other."""
        digest = hashlib.sha256()
        for block in self.blocks:
            digest.update(block.raw)
        return digest.hexdigest()
