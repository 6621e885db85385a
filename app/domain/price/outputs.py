"""Which transactions of a block speak about the price, and which of their amounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.blocks.block import COINBASE_OUTPOINT
from app.domain.blocks.transaction import read_output

if TYPE_CHECKING:
    from app.domain.blocks.transaction import Transaction

MAX_INPUTS = 5
OUTPUTS = 2
MAX_WITNESS_BYTES = 500
ABOVE_SAT, BELOW_SAT = 1_000, 10_000_000_000_000

_OP_RETURN = b"\x6a"


def payment_values_sat(raw: bytes, transaction: Transaction) -> tuple[int, int] | None:
    """Return the values of both outputs of one person paying another: few inputs, a payment and its change.

    None for all else: coinbases, carriers of data and large witnesses (inscriptions) are no payments.

    Args:
        raw: The block that the transaction was read from.
        transaction: The transaction.
    """
    if len(transaction.output_starts) != OUTPUTS or len(transaction.outpoints) > MAX_INPUTS:
        return None
    if COINBASE_OUTPOINT in transaction.outpoints:
        return None
    if transaction.witness_bytes and max(transaction.witness_bytes) > MAX_WITNESS_BYTES:
        return None
    one_start, other_start = transaction.output_starts
    one_sat, one_script, _ = read_output(raw, one_start)
    other_sat, other_script, _ = read_output(raw, other_start)
    if one_script.startswith(_OP_RETURN) or other_script.startswith(_OP_RETURN):
        return None
    return one_sat, other_sat
