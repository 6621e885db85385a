"""The next blocks, as a miner who goes by feerate would make them now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.domain.mempool.histogram import FeeBand

_MOST_BLOCKS = 8
# Within an hour, as blocks usually come.
_ECONOMY_BLOCKS = 6


class ProjectedBlock(NamedTuple):
    """What a block would hold; the median is by virtual size."""

    vsize_vb: int
    lowest_feerate_sat_vb: float
    median_feerate_sat_vb: float
    highest_feerate_sat_vb: float


def projected_blocks(bands: Iterable[FeeBand], capacity_vb: int) -> list[ProjectedBlock]:
    """Return up to eight blocks, the next one first; an eighth one holds all the rest, however much that is.

    A band may lie in two blocks: where exactly one of its transactions ends, the histogram does not know.

    Args:
        bands: What waits, the highest feerate first.
        capacity_vb: What a block holds; above 0.
    """
    blocks: list[ProjectedBlock] = []
    parts: list[tuple[float, int]] = []
    room_vb = capacity_vb
    for band in bands:
        left_vb = band.vsize_vb
        while left_vb > room_vb and len(blocks) < _MOST_BLOCKS - 1:
            parts.append((band.feerate_sat_vb, room_vb))
            blocks.append(_block(parts))
            left_vb -= room_vb
            parts, room_vb = [], capacity_vb
        parts.append((band.feerate_sat_vb, left_vb))
        room_vb -= left_vb
    return [*blocks, _block(parts)] if parts else blocks


def next_block_feerate_sat_vb(blocks: Sequence[ProjectedBlock]) -> float | None:
    """Return the lowest feerate of the next block; None when nothing waits."""
    return blocks[0].lowest_feerate_sat_vb if blocks else None


def economy_feerate_sat_vb(blocks: Sequence[ProjectedBlock]) -> float | None:
    """Return the lowest feerate of the sixth block, or of the last one before it; None when nothing waits."""
    return blocks[:_ECONOMY_BLOCKS][-1].lowest_feerate_sat_vb if blocks else None


def _block(parts: Sequence[tuple[float, int]]) -> ProjectedBlock:
    """Return the block of these parts, the highest feerate first."""
    # Where the room ended just with a band, the next one begins with nothing.
    held = [part for part in parts if part[1]] or list(parts)
    vsize_vb = sum(part_vb for _, part_vb in held)
    return ProjectedBlock(vsize_vb, held[-1][0], _median(held, vsize_vb), held[0][0])


def _median(parts: Sequence[tuple[float, int]], vsize_vb: int) -> float:
    passed_vb = 0
    for feerate, part_vb in parts:
        passed_vb += part_vb
        if 2 * passed_vb >= vsize_vb:
            return feerate
    return parts[-1][0]
