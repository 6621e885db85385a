"""What the detector has to know of the node before it can begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.mempool.outlook import Outlook
from app.services.block_source import OnchainPriceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.services.whales.mempool_node import BlockPlace, MempoolNode

# As many as tell how often blocks come.
_BLOCKS = 25


class WrongNetworkError(Exception):
    """The node is on another network than the settings say."""


def first_contact(node: MempoolNode, network: str, multiplier: int, live: Callable[[], None]) -> Outlook:
    """Return an outlook that knows how often blocks come, and nothing that waits; raise NodeError without an answer.

    Args:
        node: The node.
        network: On which it has to be.
        multiplier: As of Outlook.
        live: Gives a sign of life; called after each question, since a slow node takes long for all of them.

    Raises:
        WrongNetworkError: It is on another network.
    """
    said = node.status()
    if said.network != network:
        raise WrongNetworkError(f"the node is on {said.network}, BITCOIN_NETWORK says {network}; correct one of them")
    live()
    tip = node.best_block()
    outlook = Outlook(is_proof_of_work=network == "main", since=tip.time, multiplier=multiplier)
    for block_time in reversed(_times(node, tip, live)):
        outlook.block_time(block_time)
    return outlook


def _times(node: MempoolNode, tip: BlockPlace, live: Callable[[], None]) -> list[int]:
    """Return when the last blocks came, newest first: as many as the node tells."""
    times, at = [tip.time], tip
    while len(times) < _BLOCKS and at.height > 0:
        live()
        try:
            at = node.place_of(at.previous_hash)
        except OnchainPriceError:
            # How often blocks come is learnt from the next ones as well.
            break
        times.append(at.time)
    return times
