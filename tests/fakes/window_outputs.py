"""The rule of which outputs of a window count, in the words of the published method: slow, obvious, and the model."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from app.domain.blocks.block import Block
from app.domain.blocks.transaction import Transaction
from app.domain.price.outputs import ABOVE_SAT, BELOW_SAT, payment_values_sat


class WindowOutputs:
    """Gathers the amounts of everyday payments, block after block in chain order."""

    def __init__(self) -> None:
        self._txids_le: set[bytes] = set()
        self._values_sat = array("q")

    def add(self, block: Block) -> None:
        """Take in the next block of the window."""
        for transaction in block.transactions:
            self._txids_le.add(transaction.txid_le)
            values_sat = payment_values_sat(block.raw, transaction)
            if values_sat and not self._spends_from_window(transaction):
                self._values_sat.extend(value for value in values_sat if ABOVE_SAT < value < BELOW_SAT)

    def amounts_btc(self) -> NDArray[np.float64]:
        """Return the amounts in BTC, in chain order."""
        return np.array(self._values_sat, dtype=np.int64) / 1e8

    def _spends_from_window(self, transaction: Transaction) -> bool:
        return any(outpoint[:32] in self._txids_le for outpoint in transaction.outpoints)
