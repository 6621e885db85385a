"""The port to what was kept of blocks that were read before, and what is there without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.domain.price.extract import BlockExtract


class ExtractCache(Protocol):
    """Extracts by block. Only time is lost without them: nothing here raises, whatever the disk does."""

    def get(self, height: int, block_hash: str) -> BlockExtract | None:
        """Return the extract of the block at `height` with that hash, in display order; None when it is not kept."""

    def put(self, extract: BlockExtract) -> None:
        """Keep `extract`, in place of an earlier one of the same block; perhaps something older goes for it."""


class NoExtracts:
    """Keeps nothing."""

    def get(self, _height: int, _block_hash: str) -> BlockExtract | None:
        """Return None."""
        return None

    def put(self, _extract: BlockExtract) -> None:
        """Forget it."""
