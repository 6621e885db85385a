"""What is kept of a block for every price that it will take part in: a twentieth of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.price.outputs import payment_values_sat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from app.domain.blocks.block import Block

NO_PARENT = -1

# Txids are cut to 64 bits: that two of a day look alike has a chance of one in fifty million.
SHORT_TXID_BYTES = 8


@dataclass(frozen=True, slots=True, eq=False)
class BlockExtract:
    """What a block says, whatever the window; only of payments that spend nothing of the block itself.

    Attributes:
        height: Height of the block.
        hash: Its hash, in display order.
        previous_hash: That of its parent.
        time: Seconds since 1970 UTC that the miner stamped.
        txids: Shortened txids of all its transactions.
        values_sat: Values of the two outputs of each payment, in block order; shape (payments, 2).
        n_spent: How many outputs each payment spends, at least one; they sum up to the length of `spent`.
        spent: Shortened txids of the transactions that made those outputs.
        parents: For each payment the height of the youngest block that made an output it spends, as far as blocks
            were searched; NO_PARENT when they hold none.
        searched_from: Height of the first block that was searched, up to this one; this one's own when none was.
    """

    height: int
    hash: str
    previous_hash: str
    time: int
    txids: NDArray[np.uint64]
    values_sat: NDArray[np.uint64]
    n_spent: NDArray[np.uint8]
    spent: NDArray[np.uint64]
    parents: NDArray[np.int32]
    searched_from: int


def extract_block(block: Block, height: int) -> BlockExtract:
    """Return the extract of the block at `height`; no other block has been searched for parents yet."""
    seen_le: set[bytes] = set()
    values_sat: list[tuple[int, int]] = []
    spent_le: list[bytes] = []
    n_spent = bytearray()
    for transaction in block.transactions:
        seen_le.add(transaction.txid_le)
        values = payment_values_sat(block.raw, transaction)
        if values is None:
            continue
        made_by_le = [outpoint[:32] for outpoint in transaction.outpoints]
        if seen_le.isdisjoint(made_by_le):
            values_sat.append(values)
            spent_le += made_by_le
            n_spent.append(len(made_by_le))
    return BlockExtract(
        height=height,
        hash=block.header.hash,
        previous_hash=block.header.previous_hash,
        time=block.header.time,
        txids=_shortened(transaction.txid_le for transaction in block.transactions),
        values_sat=np.array(values_sat, dtype=np.uint64).reshape(-1, 2),
        n_spent=np.frombuffer(bytes(n_spent), dtype=np.uint8),
        spent=_shortened(spent_le),
        parents=np.full(len(values_sat), NO_PARENT, dtype=np.int32),
        searched_from=height,
    )


def _shortened(txids_le: Iterable[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join([txid_le[:SHORT_TXID_BYTES] for txid_le in txids_le]), dtype="<u8")
