"""A window of blocks: what was kept of them from earlier runs, and the rest read from a node, proven block by block."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from app.domain.blocks.header import HEADER_BYTES, read_header
from app.domain.price.amounts import window_amounts
from app.domain.price.parents import with_parents
from app.services.block_proof import done_ahead, in_this_process
from app.services.block_source import BadBlockError
from app.services.extract_cache import NoExtracts

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.blocks.header import Header
    from app.domain.price.amounts import WindowAmounts
    from app.domain.price.extract import BlockExtract
    from app.domain.price.windows import Window
    from app.services.block_proof import BlockProver, Provers
    from app.services.block_source import FallbackBlockSource, Served
    from app.services.extract_cache import ExtractCache

__all__ = ["BadBlockError", "ReorganisedError", "WindowReader"]

# bitcoind gives no more by REST.
_STRETCH_HEADERS = 2_000

# A search for parents goes over all txids so far, so one for each block would take too long. What it found is kept: a
# run that is killed loses no more blocks than these.
_SEARCHED_AT_ONCE = 16

# Provers take as long to start as four blocks to prove.
_WORTH_PROVERS = 8


class ReorganisedError(Exception):
    """The blocks read are not, or no longer, one chain."""


class WindowReader:
    """Reads a window, and keeps of each block only what the estimate needs.

    Args:
        source: Where headers and blocks come from.
        window: Its heights.
        kept: What earlier runs kept of blocks, and where this one keeps its own.
        provers: What proves blocks when there are many.

    Attributes:
        last_hash: Hash of its newest block, in display order; empty before it is known.
        served_by: Names of the sources that served headers or blocks now, in order; not those of blocks kept earlier.
    """

    def __init__(
        self,
        source: FallbackBlockSource,
        window: Window,
        kept: ExtractCache | None = None,
        provers: Provers = in_this_process,
    ) -> None:
        self._source = source
        self._window = window
        self._kept = NoExtracts() if kept is None else kept
        self._provers = provers
        self._chain: list[BlockExtract] = []
        self._unsearched: list[int] = []
        self.last_hash = ""
        self.served_by: dict[str, None] = {}

    def read(self, progress: Callable[[int, int], None]) -> None:
        """Read the whole window; tell `progress` after each block how many are read, and of how many.

        Raises:
            ReorganisedError: The blocks are not, or no longer, one chain.
            BadBlockError: Something else was given than a block that was asked for.
            OnchainPriceError: Whatever else the source raises.
        """
        hashes = self._hashes()
        self.last_hash = hashes[-1]
        kept = [self._kept.get(height, each) for height, each in enumerate(hashes, start=self._window.first)]
        missing = [(self._window.first + at, hashes[at]) for at, each in enumerate(kept) if each is None]
        with self._provers() if len(missing) >= _WORTH_PROVERS else in_this_process() as prover:
            read = done_ahead((partial(self._read, prover, *each) for each in missing), prover.at_once)
            for done, extract in enumerate(kept, start=1):
                self._add(extract or self._noted(next(read)), is_new=extract is None)
                progress(done, len(hashes))
        self._search_parents()
        if self._source.block_hash(self._window.last) != self.last_hash:
            raise ReorganisedError

    def amounts(self) -> WindowAmounts:
        """Return what the window, once it was read, says about the price."""
        return window_amounts(self._chain)

    def _hashes(self) -> list[str]:
        """Return the hashes of the window's blocks; that they are one chain is proven, the blocks are yet to come."""
        headers: list[Header] = []
        while (height := self._window.first + len(headers)) <= self._window.last:
            headers += self._headers(height, min(_STRETCH_HEADERS, self._window.last - height + 1))
        if any(each.previous_hash != below.hash for below, each in pairwise(headers)):
            raise ReorganisedError
        return [each.hash for each in headers]

    def _headers(self, first_height: int, count: int) -> list[Header]:
        stretch = self._source.headers(first_height, count)
        self.served_by[self._source.name] = None
        if not 0 < len(stretch) <= count or any(len(raw) != HEADER_BYTES for raw in stretch):
            name = self._source.name
            raise BadBlockError(f"{name} was asked for {count} headers from block {first_height} on and gave others")
        return [read_header(raw) for raw in stretch]

    def _read(self, prover: BlockProver, height: int, block_hash: str) -> Served[BlockExtract]:
        return self._source.proven_block(block_hash, lambda raw: prover.prove(raw, height))

    def _noted(self, served: Served[BlockExtract]) -> BlockExtract:
        self.served_by[served.served_by] = None
        return served.content

    def _add(self, extract: BlockExtract, *, is_new: bool) -> None:
        if is_new or extract.searched_from > self._window.first:
            self._unsearched.append(len(self._chain))
        self._chain.append(extract)
        if len(self._unsearched) == _SEARCHED_AT_ONCE:
            self._search_parents()

    def _search_parents(self) -> None:
        if not self._unsearched:
            return
        for position, extract in zip(self._unsearched, with_parents(self._chain, self._unsearched), strict=True):
            self._chain[position] = extract
            self._kept.put(extract)
        self._unsearched.clear()
