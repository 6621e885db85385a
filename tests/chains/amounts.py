"""The amounts of a chain's window, read by the application's own parser."""

from __future__ import annotations

import numpy as np

from app.domain.blocks.block import read_block
from app.domain.price.amounts import WindowAmounts
from app.domain.price.outputs import WindowOutputs
from tests.chains.chain import Chain


def window_amounts(chain: Chain) -> WindowAmounts:
    """Return the amounts in BTC that the window of `chain` says something about the price with, block by block."""
    outputs = WindowOutputs()
    per_block = []
    for block in chain.window_blocks:
        before = len(outputs.amounts_btc())
        outputs.add(read_block(block.raw))
        per_block.append(len(outputs.amounts_btc()) - before)
    return WindowAmounts(outputs.amounts_btc(), np.array(per_block, dtype=np.int64))
