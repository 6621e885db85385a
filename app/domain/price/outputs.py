"""Which outputs of a window speak about the price."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from app.domain.blocks.block import COINBASE_OUTPOINT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from app.domain.blocks.block import Block
    from app.domain.blocks.transaction import Transaction

MAX_INPUTS = 5
OUTPUTS = 2
MAX_WITNESS_BYTES = 500
ABOVE_SAT, BELOW_SAT = 1_000, 10_000_000_000_000

_SAT_PER_BTC = 1e8
_OP_RETURN = b"\x6a"


class WindowOutputs:
    """Gathers the amounts of everyday payments, block after block in chain order."""

    def __init__(self) -> None:
        self._txids_le: set[bytes] = set()
        self._values_sat = array("q")

    def add(self, block: Block) -> None:
        """Take in the next block of the window."""
        for transaction in block.transactions:
            self._txids_le.add(transaction.txid_le)
            if is_payment(transaction) and not self._spends_from_window(transaction):
                self._values_sat.extend(value for value, _ in transaction.outputs if ABOVE_SAT < value < BELOW_SAT)

    def amounts_btc(self) -> NDArray[np.float64]:
        """Return the amounts in BTC, in chain order."""
        return np.array(self._values_sat, dtype=np.int64) / _SAT_PER_BTC

    def _spends_from_window(self, transaction: Transaction) -> bool:
        return any(outpoint[:32] in self._txids_le for outpoint in transaction.outpoints)


def is_payment(transaction: Transaction) -> bool:
    """Tell whether a transaction has the shape of one person paying another: few inputs, a payment and its change.

    Coinbases, carriers of data and large witnesses (inscriptions) are none.
    """
    return (
        len(transaction.outputs) == OUTPUTS
        and len(transaction.outpoints) <= MAX_INPUTS
        and COINBASE_OUTPOINT not in transaction.outpoints
        and not any(script.startswith(_OP_RETURN) for _, script in transaction.outputs)
        and all(size <= MAX_WITNESS_BYTES for size in transaction.witness_bytes)
    )
