"""The rule of which outputs of a window count, in the words of the published method: slow, obvious, and the model."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from app.domain.blocks.block import Block
from app.domain.blocks.transaction import Transaction
from tests.fakes.parts import outpoints, outputs, witness


class WindowOutputs:
    """Gathers the amounts of everyday payments, block after block in chain order."""

    def __init__(self) -> None:
        self._txids_le: set[bytes] = set()
        self._values_sat = array("q")

    def add(self, block: Block) -> None:
        """Take in the next block of the window."""
        for transaction in block.transactions:
            self._txids_le.add(transaction.txid_le)
            if self._counts(block.raw, transaction):
                values_sat = [value_sat for value_sat, _ in outputs(block.raw, transaction)]
                self._values_sat.extend(value_sat for value_sat in values_sat if 1e-5 < value_sat / 1e8 < 1e5)

    def amounts_btc(self) -> NDArray[np.float64]:
        """Return the amounts in BTC, in chain order."""
        return np.array(self._values_sat, dtype=np.int64) / 1e8

    def _counts(self, raw: bytes, transaction: Transaction) -> bool:
        spent, scripts = outpoints(raw, transaction), [script for _, script in outputs(raw, transaction)]
        return (
            len(spent) <= 5
            and len(scripts) == 2
            and bytes(32) + b"\xff" * 4 not in spent
            and not any(script[:1] == b"\x6a" for script in scripts)
            and not any(sum(map(len, items)) > 500 for items in witness(raw, transaction))
            and not any(outpoint[:32] in self._txids_le for outpoint in spent)
        )
