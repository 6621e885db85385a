"""A window of blocks, read from a node and proven block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.blocks.block import read_block
from app.domain.blocks.malformed import MalformedBlockError
from app.domain.price.outputs import WindowOutputs
from app.services.block_source import BlockSource, OnchainPriceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.blocks.block import Block
    from app.domain.price.windows import Window


class BadBlockError(OnchainPriceError):
    """The node gave something else than the block that was asked for."""

    code = "bad_block"


class ReorganisedError(Exception):
    """The blocks read are not, or no longer, one chain."""


class WindowReader:
    """Reads a window block by block, and keeps of each only what the estimate needs.

    Attributes:
        outputs: What the blocks read so far say about the price.
        last_hash: Hash of the newest of them, in display order; empty before the first.
        served_by: Names of the sources that served them, in order.
    """

    def __init__(self, source: BlockSource, window: Window) -> None:
        self._source = source
        self._window = window
        self.outputs = WindowOutputs()
        self.last_hash = ""
        self.served_by: dict[str, None] = {}

    def read(self, progress: Callable[[int, int], None]) -> None:
        """Read the whole window; tell `progress` after each block how many are read, and of how many.

        Raises:
            ReorganisedError: The blocks are not, or no longer, one chain.
            BadBlockError: The node gave something else than a block that was asked for.
            OnchainPriceError: Whatever else the source raises.
        """
        total = self._window.last - self._window.first + 1
        for done, height in enumerate(range(self._window.first, self._window.last + 1), start=1):
            block = self._block(height)
            if self.last_hash and block.header.previous_hash != self.last_hash:
                raise ReorganisedError
            self.last_hash = block.header.hash
            self.outputs.add(block)
            progress(done, total)
        if self._source.block_hash(self._window.last) != self.last_hash:
            raise ReorganisedError

    def _block(self, height: int) -> Block:
        asked = self._source.block_hash(height)
        raw = self._source.raw_block(asked)
        self.served_by[self._source.name] = None
        try:
            block = read_block(raw)
        except MalformedBlockError as error:
            raise BadBlockError(
                f"what {self._source.name} gave for block {height} is no sound block: {error}"
            ) from error
        if block.header.hash != asked:
            raise BadBlockError(f"{self._source.name} was asked for block {asked} and gave {block.header.hash}")
        return block
