"""The way down from a block to those that were looked through, found piece by piece."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from app.services.whales.mempool_node import BlockPlace, MempoolNode

# About two weeks: blocks that came while nobody looked, and are looked through one by one.
MOST_MISSED = 2_016
# Each is a question to the node, and the stream is not read meanwhile.
_AT_ONCE = 200


class Ascent:
    """What is below a block; what has been found stays found, whatever happens above.

    Args:
        top: The block.

    Attributes:
        places: From the lowest one that is known of up to the block.
    """

    def __init__(self, top: BlockPlace) -> None:
        self.places = deque([top])

    @property
    def top(self) -> BlockPlace:
        """The block that the way leads to."""
        return self.places[-1]

    @property
    def lowest(self) -> BlockPlace:
        """Where it stands now."""
        return self.places[0]

    @property
    def is_too_long(self) -> bool:
        """Whether more blocks are missing than are ever looked through."""
        return len(self.places) > MOST_MISSED

    def find(self, node: MempoolNode, ours: Container[str], oldest_height: int) -> bool:
        """Ask for some more of the way; return whether it has come to its end: to ours, below all of them, or too long.

        Args:
            node: Is asked; NodeError and BlockUnknownError leave what was found before.
            ours: Hashes of the blocks that were looked through.
            oldest_height: Of those.
        """
        for _ in range(_AT_ONCE):
            if self.is_too_long or self.lowest.previous_hash in ours or self.lowest.height < oldest_height:
                return True
            self.places.appendleft(node.place_of(self.lowest.previous_hash))
        return False
