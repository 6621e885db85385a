"""What is kept of a block for every price that it will take part in: a twentieth of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.domain.blocks.header import read_header
from app.domain.blocks.outline import outline_of
from app.domain.price.outputs import read_payments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.blocks.block import Block
    from app.domain.blocks.outline import Outline
    from app.domain.price.outputs import Payments

NO_PARENT = -1

# Txids are cut to 64 bits: that two of a day look alike has a chance of one in fifty million.
_WORDS_OF_A_TXID = 4


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
    return extract_outlined(block.raw, outline_of(block), height)


def extract_outlined(raw: bytes, outline: Outline, height: int) -> BlockExtract:
    """Return the extract of the block at `height`, of which others have found that it is sound, and its outline."""
    header = read_header(raw)
    txids = np.frombuffer(outline.txids_le, "<u8")[::_WORDS_OF_A_TXID].copy()
    found = read_payments(raw, outline)
    found = found.without(_are_own(found, txids))
    return BlockExtract(
        height=height,
        hash=header.hash,
        previous_hash=header.previous_hash,
        time=header.time,
        txids=txids,
        values_sat=found.values_sat,
        n_spent=found.n_spent,
        spent=found.spent,
        parents=np.full(len(found.index), NO_PARENT, dtype=np.int32),
        searched_from=height,
    )


def _are_own(payments: Payments, txids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of the outputs spent are of the block itself, whose `txids` these are, made by then."""
    order = np.argsort(txids)
    made_by = order[np.minimum(np.searchsorted(txids[order], payments.spent), len(txids) - 1)]
    are_own: NDArray[np.bool_] = txids[made_by] == payments.spent
    return are_own & (made_by <= np.repeat(payments.index, payments.n_spent))
