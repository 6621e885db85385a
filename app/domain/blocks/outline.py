"""What one has to know about a sound block to read on in its bytes: little, so that one process can tell another."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from app.domain.blocks.block import Block

TXID_BYTES = 32

# Of a position: 32 bits. No block is longer.
PLACE_FORMAT = "I"
PLACE_BYTES = 4
# Where the inputs of a transaction begin, its outputs and its witness, and where it ends.
PLACES = 4


class Outline(NamedTuple):
    """The transactions of a block, in its order.

    Attributes:
        txids_le: The txid of each.
        places: `inputs_at` of each, then `outputs_at` of each, `witness_at` and `end`, as Transaction has them.
    """

    txids_le: bytes
    places: bytes


def outline_of(block: Block) -> Outline:
    """Return the outline of a block that was read."""
    txids_le, _, *places = zip(*block.transactions, strict=True)
    return Outline(b"".join(txids_le), b"".join([array(PLACE_FORMAT, each) for each in places]))
