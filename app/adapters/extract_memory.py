"""Extracts of the blocks of a window that moves on, in memory: a backfill needs each for some hours of the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.extract_cache import NoExtracts

if TYPE_CHECKING:
    from app.domain.price.extract import BlockExtract
    from app.services.extract_cache import ExtractCache


class MemoryExtracts:
    """Answers `app.services.extract_cache.ExtractCache` with the extracts of the `max_blocks` highest blocks.

    What it has not got it looks for in `behind`, where it puts nothing: the files are for the newest blocks, and those
    of a backfill would be thrown out at once.
    """

    def __init__(self, max_blocks: int, behind: ExtractCache | None = None) -> None:
        self._max_blocks = max_blocks
        self._behind = behind or NoExtracts()
        self._kept: dict[int, BlockExtract] = {}

    def get(self, height: int, block_hash: str) -> BlockExtract | None:
        """Return the extract of the block at `height` with that hash; None when it is not kept."""
        extract = self._kept.get(height)
        if extract is not None and extract.hash == block_hash:
            return extract
        found = self._behind.get(height, block_hash)
        if found is not None:
            self.put(found)
        return found

    def put(self, extract: BlockExtract) -> None:
        """Keep `extract`; the lowest block goes for it when there are too many."""
        self._kept[extract.height] = extract
        if len(self._kept) > self._max_blocks:
            del self._kept[min(self._kept)]
