"""What the detector has to know of the node before it can begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.domain.mempool.outlook import Outlook

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from app.services.block_source import NodeStatus
    from app.services.whales.mempool_node import BlockPlace, MempoolNode

# As many as tell how often blocks come.
_BLOCKS = 25
_AUTO, _OFF = "auto", "off"


class WrongNetworkError(Exception):
    """The node is on another network than the settings say."""


class FirstContact(NamedTuple):
    """What the node said.

    Attributes:
        outlook: How often blocks come there; nothing waits yet.
        addresses: Where it publishes what we listen to; empty when it does not, or nobody wants to know.
    """

    outlook: Outlook
    addresses: Collection[str]


def first_contact(
    node: MempoolNode, status: Callable[[], NodeStatus], network: str, wanted: dict[str, str], multiplier: int
) -> FirstContact:
    """Return what the node says; raise NodeError when it says nothing.

    Args:
        node: The node.
        status: What it says about itself.
        network: On which it has to be.
        wanted: For each topic an address, `auto` or `off`.
        multiplier: As of Outlook.

    Raises:
        WrongNetworkError: It is on another network.
    """
    said = status()
    if said.network != network:
        raise WrongNetworkError(
            f"the node is on {said.network}, BITCOIN_NETWORK says {network}; correct one of them"
        )
    tip = node.best_block()
    outlook = Outlook(is_proof_of_work=network == "main", since=tip.time, multiplier=multiplier)
    for block_time in reversed(_times(node, tip)):
        outlook.block_time(block_time)
    return FirstContact(outlook, stream_addresses(node, wanted))


def stream_addresses(node: MempoolNode, wanted: dict[str, str]) -> Collection[str]:
    """Return where to listen; all of it or nothing, since one topic without the other tells too little."""
    if _OFF in wanted.values():
        return []
    told = node.stream_addresses() if _AUTO in wanted.values() else {}
    found = {topic: told.get(topic) if address == _AUTO else address for topic, address in wanted.items()}
    return [] if None in found.values() else [address for address in found.values() if address is not None]


def _times(node: MempoolNode, tip: BlockPlace) -> list[int]:
    times, at = [tip.time], tip
    while len(times) < _BLOCKS and at.height > 0:
        at = node.place_of(at.previous_hash)
        times.append(at.time)
    return times
