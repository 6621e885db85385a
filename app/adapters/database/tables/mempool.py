"""What waited in the mempool at a moment, and what whales moved in a block."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base, hash_text, not_negative


class FeeSnapshotRow(Base):
    """Feerates at one moment; `histogram` and `projected_blocks` are what they were computed from."""

    __tablename__ = "fee_snapshots"
    __table_args__ = (
        UniqueConstraint("taken_at"),
        not_negative("tip_height"),
        not_negative("transaction_count"),
        not_negative("mempool_vsize_vb"),
        not_negative("next_block_feerate_sat_vb"),
        not_negative("economy_feerate_sat_vb"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    taken_at: Mapped[datetime]
    source: Mapped[str]
    tip_height: Mapped[int]
    transaction_count: Mapped[int]
    mempool_vsize_vb: Mapped[int]
    next_block_feerate_sat_vb: Mapped[float | None]
    economy_feerate_sat_vb: Mapped[float | None]
    histogram: Mapped[list[dict[str, Any]]]
    projected_blocks: Mapped[list[dict[str, Any]]]


class BlockFlowRow(Base):
    """What whales moved in one block, by flow; a disconnected block stays, marked as such."""

    __tablename__ = "block_flows"
    __table_args__ = (
        Index(None, "block_time"),
        Index(None, "block_height"),
        hash_text("block_hash"),
        not_negative("block_height"),
        not_negative("whale_count"),
        not_negative("inflow_sat"),
        not_negative("outflow_sat"),
        not_negative("internal_sat"),
        not_negative("unknown_sat"),
    )

    block_hash: Mapped[str] = mapped_column(primary_key=True)
    block_height: Mapped[int]
    block_time: Mapped[datetime]
    is_connected: Mapped[bool]
    whale_count: Mapped[int]
    inflow_sat: Mapped[int]
    outflow_sat: Mapped[int]
    internal_sat: Mapped[int]
    unknown_sat: Mapped[int]
    created_at: Mapped[datetime]
