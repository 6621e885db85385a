"""Of a block, how much its whales moved to known addresses and away from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.services.whales.whale_store import BlockFlow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.services.whales.mempool_node import BlockPlace
    from app.services.whales.whale_store import Whale


def flow_of(place: BlockPlace, whales: Sequence[Whale], at: datetime, *, is_connected: bool) -> BlockFlow:
    """Return the sums of what these whales of a block moved, for it joined the chain `at` that time, or left it."""
    sums = dict.fromkeys(("inflow", "outflow", "internal", "unknown"), 0)
    for whale in whales:
        sums[whale.flow_type] += whale.moved_sat
    return BlockFlow(
        block_hash=place.block_hash,
        block_height=place.height,
        block_time=datetime.fromtimestamp(place.time, UTC),
        is_connected=is_connected,
        whale_count=len(whales),
        inflow_sat=sums["inflow"],
        outflow_sat=sums["outflow"],
        internal_sat=sums["internal"],
        unknown_sat=sums["unknown"],
        created_at=at,
    )
