"""Blocks of a mempool backend, which has them from a bitcoind."""

from __future__ import annotations

import requests

from app.adapters.esplora_blocks import EsploraBlocks
from app.services.block_source import BlockPrunedError, NodeError, NodeNotReadyError, NodeUnreachableError


class MempoolBlocks(EsploraBlocks):
    """The chain of a mempool backend, or of the front end before it.

    Without electrs behind it the backend asks its bitcoind for each block, and answers 500 whatever goes wrong there.
    When it still gives the header that bitcoind is up, and has deleted the block: an answer, and no failure. Else a
    pruned node with its mempool would never know of any block that it is gone.
    """

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block, unproven; raise BlockPrunedError when only its header is left."""
        try:
            return super().raw_block(block_hash)
        except (NodeUnreachableError, NodeNotReadyError):
            raise
        except NodeError as error:
            header = self._http.answer(f"{self._prefix()}/block/{block_hash}/header")
            if header.status != requests.codes.ok:
                raise
            raise BlockPrunedError(f"{self._http.service} has only the header of a block of the window") from error
