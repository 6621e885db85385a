"""Blocks as the node gives them to be looked through, and when to go on without one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.domain.blocks.malformed import MalformedBlockError
from app.services.block_source import BadBlockError, BlockPrunedError
from app.services.whales.block_look import BlockLook, look_through

if TYPE_CHECKING:
    from app.services.whales.followed import Followed
    from app.services.whales.mempool_node import MempoolNode

_log = logging.getLogger(__name__)

# Twice a second for five minutes: what is damaged on the node's disk does not heal, and all others wait behind it.
_MOST_TRIES = 600


class BlockReader:
    """Asks for one block after the other.

    Args:
        node: Has them.
        followed: The whales that wait.
        threshold_sat: From which sum of outputs on something is worth a look.
    """

    def __init__(self, node: MempoolNode, followed: Followed, threshold_sat: int) -> None:
        self._node = node
        self._followed = followed
        self._threshold_sat = threshold_sat
        self._bad_hash = ""
        self._tries = 0

    def look(self, block_hash: str) -> BlockLook | None:
        """Return what is in a block; None for one that will never be had.

        Raises:
            NodeError: The node does not answer.
            BlockUnknownError: It has no such block.
            BadBlockError: It cannot give a sound one, and has not been asked often enough.
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
        if block_hash != self._bad_hash:
            self._bad_hash, self._tries = block_hash, 0
        self._tries += 1
        return self._tries < _MOST_TRIES
