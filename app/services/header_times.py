"""Header times by height, read from a node in stretches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.blocks.header import read_header
from app.services.block_source import BlockUnknownError

if TYPE_CHECKING:
    from app.services.block_source import BlockSource

# A search looks at eleven neighbours or at a whole day.
_STRETCH_HEADERS = 48


class HeaderTimes:
    """Callable: the header time of a height in seconds; None where the node does not know the block."""

    def __init__(self, source: BlockSource, tip_height: int) -> None:
        self._source = source
        self._tip_height = tip_height
        self._times: dict[int, int | None] = {}

    def __call__(self, height: int) -> int | None:
        """Return the time at which the miner stamped the block at `height`."""
        if height not in self._times:
            self._read_from(height)
        return self._times[height]

    def _read_from(self, height: int) -> None:
        count = min(_STRETCH_HEADERS, self._tip_height - height + 1)
        try:
            headers = self._source.headers(height, count)
        except BlockUnknownError:
            self._times[height] = None
            return
        for each, raw in enumerate(headers, start=height):
            self._times[each] = read_header(raw).time
