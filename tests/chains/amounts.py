"""The amounts of a chain's window, read as the application reads them."""

from __future__ import annotations

from app.domain.price import amounts
from app.domain.price.amounts import WindowAmounts
from tests.chains.chain import Chain
from tests.fakes.extracts import window_extracts


def window_amounts(chain: Chain) -> WindowAmounts:
    """Return the amounts in BTC that the window of `chain` says something about the price with, block by block."""
    return amounts.window_amounts(window_extracts([block.raw for block in chain.window_blocks], chain.window[0]))
