"""A transaction taken apart: what it spends, what it pays, and its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.blocks.block import COINBASE_OUTPOINT
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.blocks.transaction import (
    LOCK_TIME_BYTES,
    OUTPOINT_BYTES,
    SEQUENCE_BYTES,
    VALUE_BYTES,
    read_size,
    read_transaction,
)
from app.domain.whales.prevout import Outpoint, Prevout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.blocks.transaction import Transaction

_TXID_BYTES = 32
_VERSION_BYTES = 4
WITNESS_SCALE = 4
# BIP 125: any input below this says that the transaction may be replaced.
_FINAL_SEQUENCE = 0xFFFFFFFE


class Parts(NamedTuple):
    """What the whale rule looks at.

    Attributes:
        txid: In display order.
        spent: Outpoints of 36 bytes each, as they stand in the transaction.
        outputs: Value and script of each.
        vsize_vb: Its virtual size.
        is_rbf: Whether it signals by BIP 125, itself, that it may be replaced.
    """

    txid: str
    spent: Sequence[bytes]
    outputs: Sequence[Prevout]
    vsize_vb: int
    is_rbf: bool

    @property
    def value_sat(self) -> int:
        """All that it pays out."""
        return sum(output.value_sat for output in self.outputs)

    @property
    def is_coinbase(self) -> bool:
        """Whether it is the first of a block, and spends nothing."""
        return self.spent[0] == COINBASE_OUTPOINT


def read_parts(raw: bytes) -> Parts:
    """Return the parts of a serialised transaction; raise MalformedBlockError when it is none."""
    try:
        transaction = read_transaction(raw, 0)
    except IndexError:
        raise MalformedBlockError(f"the transaction is cut off after {len(raw)} bytes") from None
    if transaction.end != len(raw):
        raise MalformedBlockError(f"the transaction should have {transaction.end} bytes and has {len(raw)}")
    return parts_of(raw, transaction, 0)


def parts_of(raw: bytes, transaction: Transaction, start: int) -> Parts:
    """Return the parts of a transaction that was read from `raw` at `start`."""
    inputs = list(_inputs(raw, transaction))
    return Parts(
        transaction.txid_le[::-1].hex(),
        [outpoint for outpoint, _ in inputs],
        list(_outputs(raw, transaction)),
        -(-weight_of(transaction, start) // WITNESS_SCALE),
        any(sequence < _FINAL_SEQUENCE for _, sequence in inputs),
    )


def weight_of(transaction: Transaction, start: int) -> int:
    """Return the weight of a transaction that was read at `start`; a quarter of it is its virtual size."""
    stripped_bytes = _VERSION_BYTES + transaction.witness_at - transaction.inputs_at + LOCK_TIME_BYTES
    return (WITNESS_SCALE - 1) * stripped_bytes + transaction.end - start


def outpoint_of(spent: bytes) -> Outpoint:
    """Return an outpoint of 36 bytes as people write it."""
    return Outpoint(spent[_TXID_BYTES - 1 :: -1].hex(), int.from_bytes(spent[_TXID_BYTES:], "little"))


def outpoint_bytes(outpoint: Outpoint) -> bytes:
    """Return an outpoint as it stands in a transaction."""
    return bytes.fromhex(outpoint.txid)[::-1] + outpoint.vout.to_bytes(4, "little")


def _inputs(raw: bytes, transaction: Transaction) -> Iterator[tuple[bytes, int]]:
    count, at = read_size(raw, transaction.inputs_at)
    for _ in range(count):
        outpoint = raw[at : at + OUTPOINT_BYTES]
        length, script_at = read_size(raw, at + OUTPOINT_BYTES)
        at = script_at + length + SEQUENCE_BYTES
        yield outpoint, int.from_bytes(raw[at - SEQUENCE_BYTES : at], "little")


def _outputs(raw: bytes, transaction: Transaction) -> Iterator[Prevout]:
    count, at = read_size(raw, transaction.outputs_at)
    for _ in range(count):
        value_sat = int.from_bytes(raw[at : at + VALUE_BYTES], "little")
        length, script_at = read_size(raw, at + VALUE_BYTES)
        at = script_at + length
        yield Prevout(value_sat, raw[script_at:at])
