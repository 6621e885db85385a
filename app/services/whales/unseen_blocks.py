"""Whales in blocks that were never looked through, since the node had deleted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.whales.prevout import Outpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.services.whales.mempool_node import MempoolNode
    from app.services.whales.whale_store import Whale

# Of a whale: the payment and its change, in most cases. Of one too many a request would grow long.
_OUTPUTS = 2


def mined_unseen(node: MempoolNode, whales: Sequence[Whale]) -> set[str]:
    """Return the txids of those of `whales` that are in the chain, wherever; may raise NodeError.

    One whose first outputs have all been spent again is not recognised.
    """
    outpoints = [Outpoint(whale.txid, vout) for whale in whales for vout in range(_OUTPUTS)]
    coins = node.coins(outpoints) if outpoints else []
    return {outpoint.txid for outpoint, coin in zip(outpoints, coins, strict=True) if coin is not None}
