"""A source of blocks that answers in time, or has failed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.adapters.time_limit import Result, TimeLimitError, within
from app.services.block_source import NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.services.block_source import BlockSource, NodeStatus


class TimedBlocks:
    """Answers as `source` does; raises NodeUnreachableError when an answer takes longer than `seconds`.

    Bounds on single waits do not end an answer that trickles in, and it would take the time of all other sources.
    """

    def __init__(self, source: BlockSource, seconds: float) -> None:
        self._source = source
        self._seconds = seconds

    @property
    def name(self) -> str:
        """That of the source."""
        return self._source.name

    def status(self) -> NodeStatus:
        """Return what the node says about itself now."""
        return self._in_time(self._source.status)

    def block_hash(self, height: int) -> str:
        """Return the hash of the block at `height`."""
        return self._in_time(partial(self._source.block_hash, height))

    def headers(self, first_height: int, count: int) -> Sequence[bytes]:
        """Return `count` headers from `first_height` on; fewer at the tip."""
        return self._in_time(partial(self._source.headers, first_height, count))

    def raw_block(self, block_hash: str) -> bytes:
        """Return the serialised block."""
        return self._in_time(partial(self._source.raw_block, block_hash))

    def _in_time(self, ask: Callable[[], Result]) -> Result:
        try:
            return within(self._seconds, ask)
        except TimeLimitError as error:
            raise NodeUnreachableError(f"{self.name} does not answer in time ({error})") from error
