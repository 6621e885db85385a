"""A chain of real serialised blocks that can be taken back, and the coins that it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.whales.prevout import Outpoint, Prevout
from app.services.block_source import BlockUnknownError
from app.services.whales.mempool_node import BlockPlace
from tests.chains.assembly import assemble
from tests.chains.chain import Block
from tests.chains.random_bytes import RandomBytes
from tests.fakes.whale_transactions import Coin, Sent

FIRST_HEIGHT = 100
_FIRST_BLOCKS = 3


@dataclass(frozen=True)
class Mined:
    """A block, and the transactions in it but for the coinbase."""

    block: Block
    previous_hash: str
    transactions: tuple[Sent, ...]


class SimulatedChain:
    """Blocks by hash, the active ones from the oldest on, and coins that were there before."""

    def __init__(self, unix_time: int) -> None:
        self.blocks: dict[str, Mined] = {}
        self.active: list[str] = []
        self._given: dict[Outpoint, Prevout] = {}
        self._some = RandomBytes(np.random.RandomState(1))
        for _ in range(_FIRST_BLOCKS):
            self.connect((), unix_time)

    @property
    def tip(self) -> Mined:
        return self.blocks[self.active[-1]]

    @property
    def unspent(self) -> Mapping[Outpoint, Prevout]:
        """All that a block made, or that was given, and that no block has spent."""
        coins = dict(self._given)
        for block_hash in self.active:
            for transaction in self.blocks[block_hash].transactions:
                for outpoint in transaction.outpoints:
                    del coins[outpoint]
                coins |= {transaction.coin(vout).outpoint: each for vout, each in enumerate(transaction.outputs)}
        return coins

    def mined_raw(self) -> Mapping[str, bytes]:
        """Return the bytes of all that is in active blocks, by txid."""
        mined = (each for block_hash in self.active for each in self.blocks[block_hash].transactions)
        return {each.txid: each.raw for each in mined}

    def give(self, value_sat: int, script: bytes) -> Coin:
        """Make a coin out of nothing; it was there before the first block."""
        outpoint = Outpoint(f"{len(self._given) + 1:064x}", 0)
        self._given[outpoint] = Prevout(value_sat, script)
        return Coin(outpoint, value_sat, script)

    def connect(self, transactions: Sequence[Sent], unix_time: int) -> Mined:
        """Add a block."""
        height = FIRST_HEIGHT + len(self.active)
        previous_hash = self.active[-1] if self.active else "00" * 32
        block = assemble(
            self._some, height, unix_time, bytes.fromhex(previous_hash)[::-1], [each.made for each in transactions]
        )
        self.blocks[block.hash] = Mined(block, previous_hash, tuple(transactions))
        self.active.append(block.hash)
        return self.blocks[block.hash]

    def disconnect(self) -> Mined:
        """Take the newest block back."""
        return self.blocks[self.active.pop()]

    def valid(self, transactions: Sequence[Sent]) -> list[Sent]:
        """Return those that can be in the next block, in their order: a miner leaves the others out."""
        coins = dict(self.unspent)
        chosen: list[Sent] = []
        for transaction in transactions:
            if all(outpoint in coins for outpoint in transaction.outpoints):
                chosen.append(transaction)
                for outpoint in transaction.outpoints:
                    del coins[outpoint]
                coins |= {transaction.coin(vout).outpoint: each for vout, each in enumerate(transaction.outputs)}
        return chosen

    def place_of(self, block_hash: str) -> BlockPlace:
        if block_hash not in self.blocks:
            raise BlockUnknownError(f"no block {block_hash}")
        mined = self.blocks[block_hash]
        deep = self.tip.block.height - mined.block.height + 1 if block_hash in self.active else -1
        return BlockPlace(block_hash, mined.block.height, mined.previous_hash, mined.block.time, deep)


def coinbase_of(mined: Mined) -> bytes:
    """Return the bytes of the first transaction of a block."""
    rest = sum(len(each.raw) for each in mined.transactions)
    # Header, and a count of one byte: the blocks here are small.
    assert len(mined.transactions) < 0xFC
    return mined.block.raw[81 : len(mined.block.raw) - rest]
