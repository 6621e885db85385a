"""Blocks of a mempool backend, which has them from a bitcoind."""

from __future__ import annotations

from contextlib import suppress

from app.adapters.esplora_blocks import EsploraBlocks
from app.adapters.esplora_http import ServiceBrokenError
from app.services.block_source import BlockPrunedError


class MempoolBlocks(EsploraBlocks):
    """The chain of a mempool backend, or of the front end before it.

    Without electrs behind it the backend asks its bitcoind for each block, and answers 500 whatever goes wrong there.
    When it still gives the header, and then again not the block, that bitcoind is up and has deleted it: an answer,
    and no failure. Else a pruned node with its mempool would never know of any block that it is gone.
    """

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block, unproven; raise BlockPrunedError when only its header is left."""
        with suppress(ServiceBrokenError):
            return super().raw_block(block_hash)
        self._header(block_hash)
        try:
            return super().raw_block(block_hash)
        except ServiceBrokenError as error:
            raise BlockPrunedError(
                f"{self._http.service} has only the header of a block of the window: its bitcoind is pruned, "
                "raise prune= there"
            ) from error
