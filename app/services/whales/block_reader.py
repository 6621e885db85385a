"""Blocks as the node gives them to be looked through, and when to go on without one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.domain.blocks.malformed import MalformedBlockError
from app.services.block_source import BadBlockError, BlockPrunedError
from app.services.whales.block_look import BlockLook, look_through

if TYPE_CHECKING:
    from app.services.whales.clocks import Clocks
    from app.services.whales.followed import Followed
    from app.services.whales.mempool_node import MempoolNode

_log = logging.getLogger(__name__)

# What is damaged on the node's disk does not heal, and all others wait behind it.
_PATIENCE_SECONDS = 300.0


class BlockReader:
    """Asks for one block after the other.

    Args:
        node: Has them.
        followed: The whales that wait.
        threshold_sat: From which sum of outputs on something is worth a look.
        clocks: The time.
    """

    def __init__(self, node: MempoolNode, followed: Followed, threshold_sat: int, clocks: Clocks) -> None:
        self._node = node
        self._followed = followed
        self._threshold_sat = threshold_sat
        self._clocks = clocks
        self._bad_hash = ""
        self._bad_since_seconds = 0.0

    def look(self, block_hash: str) -> BlockLook | None:
        """Return what is in a block; None for one that will never be had.

        Raises:
            NodeError: The node does not answer.
            BlockUnknownError: It has no such block.
            BadBlockError: It cannot give a sound one, and has not been asked for long enough.
        """
        try:
            return self._read(block_hash)
        except BlockPrunedError:
            _log.warning("a block was deleted before it was looked through", extra={"block": block_hash})
        except BadBlockError as error:
            if self._may_still_come(block_hash):
                raise
            _log.warning("a block is passed over", extra={"block": block_hash, "reason": str(error)})
        return None

    def _read(self, block_hash: str) -> BlockLook:
        raw = self._node.raw_block(block_hash)
        try:
            return look_through(raw, self._threshold_sat, self._followed.outpoints)
        except MalformedBlockError as error:
            raise BadBlockError(f"bitcoind gave a block {block_hash} that is none: {error}") from error

    def _may_still_come(self, block_hash: str) -> bool:
        now_seconds = self._clocks.seconds()
        if block_hash != self._bad_hash:
            self._bad_hash, self._bad_since_seconds = block_hash, now_seconds
        return now_seconds - self._bad_since_seconds < _PATIENCE_SECONDS
