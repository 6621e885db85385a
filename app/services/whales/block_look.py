"""A block, looked through for whales and for what followed ones spend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.blocks.block import read_block
from app.domain.whales.parts import WITNESS_SCALE, Parts, parts_of, weight_of
from app.domain.whales.worth_a_look import is_worth_a_look

if TYPE_CHECKING:
    from collections.abc import Container


class BlockLook(NamedTuple):
    """What is in a block.

    Attributes:
        txids: Of all its transactions but the coinbase, 32 bytes each in display order.
        worth_a_look: Those that may be whales, or spend what a followed whale spends.
        vsize_vb: Of all of them.
    """

    txids: list[bytes]
    worth_a_look: list[Parts]
    vsize_vb: int


# Of a block that nobody can look through.
UNSEEN = BlockLook([], [], 0)


def look_through(raw: bytes, threshold_sat: int, followed: Container[bytes]) -> BlockLook:
    """Return what is in a serialised block; raise MalformedBlockError.

    Args:
        raw: The block.
        threshold_sat: As for a single transaction.
        followed: Likewise.
    """
    block = read_block(raw)
    txids, worth, weight, start = list[bytes](), list[Parts](), 0, block.transactions[0].end
    for transaction in block.transactions[1:]:
        txids.append(transaction.txid_le[::-1])
        weight += weight_of(transaction, start)
        if is_worth_a_look(raw[start : transaction.end], threshold_sat, followed):
            worth.append(parts_of(raw, transaction, start))
        start = transaction.end
    return BlockLook(txids, worth, weight // WITNESS_SCALE)
