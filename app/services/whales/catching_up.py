"""Whether the node is in initial block download: its blocks are history then, and none of them is looked through."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.services.whales.clocks import Clocks
    from app.services.whales.mempool_node import MempoolNode

# It takes hours until it is over. A node that was started anew may be in it from one moment to the next.
_WHILE_ON_SECONDS = 10.0


class CatchingUp:
    """Asks the node each time; while it is on, only now and then.

    Args:
        node: The node.
        clocks: The time.

    Attributes:
        is_on: As it was when it was asked last.
    """

    def __init__(self, node: MempoolNode, clocks: Clocks) -> None:
        self.is_on = False
        self._node = node
        self._clocks = clocks
        self._tip_height = 0
        self._asked_at_seconds = -math.inf

    def look(self) -> bool:
        """Return whether it is on, or was some seconds ago; raise NodeError."""
        now_seconds = self._clocks.seconds()
        if not self.is_on or now_seconds - self._asked_at_seconds >= _WHILE_ON_SECONDS:
            status = self._node.status()
            self.is_on, self._tip_height = status.initial_block_download, status.tip_height
            self._asked_at_seconds = now_seconds
        return self.is_on

    @property
    def problem(self) -> str | None:
        """What there is to say of it, in words for operators."""
        if not self.is_on:
            return None
        return f"bitcoind is in initial block download at height {self._tip_height}; no block is looked through"
