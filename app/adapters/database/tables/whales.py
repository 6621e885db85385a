"""Transactions that move a lot, from first sight to their end."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base, hash_text, not_negative, one_of, share


class WhaleRow(Base):
    """One transaction; `timestamp` is when it was first seen, `detected_at` when we knew it for a whale.

    `btc_value` is `moved_sat` in BTC, for clients of the earlier system. `left_at` says since when it is out of the
    mempool without our knowing why; `outpoints` what it spends, as `txid:vout`.
    """

    __tablename__ = "whale_transactions"
    __table_args__ = (
        # Lists are newest first, with the txid as the second half of their cursor.
        Index(None, "timestamp", "txid"),
        Index(None, "status", "timestamp"),
        Index(None, "prediction_id"),
        Index(None, "block_height"),
        Index(None, "block_hash"),
        # What was missed is counted by its time, among very many others.
        Index(
            "ix_whale_transactions_missed",
            "confirmed_at",
            sqlite_where=text("status = 'missed'"),
            postgresql_where=text("status = 'missed'"),
        ),
        hash_text("txid"),
        hash_text("replaced_by"),
        one_of("urgency_level", "critical", "high", "medium", "low"),
        share("urgency_score"),
        CheckConstraint("(urgency_level IS NULL) = (urgency_score IS NULL)", name="urgency_level_of_score"),
        one_of("flow_type", "inflow", "outflow", "internal", "unknown"),
        one_of("kind", "transfer", "consolidation", "batch", "coinjoin-like"),
        one_of("status", "pending", "confirmed", "replaced", "conflicted", "dropped", "expired", "missed"),
        CheckConstraint("moved_sat >= 0 AND moved_sat <= value_sat", name="moved_sat_of_value_sat"),
        CheckConstraint("vsize_vb > 0", name="vsize_vb_positive"),
        not_negative("btc_value"),
        not_negative("fee_rate"),
        not_negative("fee_sat"),
        not_negative("ahead_vb"),
        not_negative("usd_value"),
        not_negative("block_height"),
        not_negative("predicted_block"),
        not_negative("tip_height"),
        hash_text("block_hash"),
    )

    txid: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime]
    btc_value: Mapped[float]
    urgency_level: Mapped[str | None]
    urgency_score: Mapped[float | None]
    is_rbf: Mapped[bool]
    fee_rate: Mapped[float | None]
    detected_at: Mapped[datetime]
    prediction_id: Mapped[str | None]
    value_sat: Mapped[int]
    moved_sat: Mapped[int]
    vsize_vb: Mapped[int]
    fee_sat: Mapped[int | None]
    flow_type: Mapped[str]
    exchange_labels: Mapped[list[str]]
    kind: Mapped[str]
    status: Mapped[str]
    replaced_by: Mapped[str | None]
    predicted_block: Mapped[int | None]
    tip_height: Mapped[int | None]
    ahead_vb: Mapped[int | None]
    block_height: Mapped[int | None]
    confirmed_at: Mapped[datetime | None]
    source: Mapped[str]
    usd_value: Mapped[float | None]
    inputs_resolved: Mapped[bool] = mapped_column(server_default=false())
    left_at: Mapped[datetime | None]
    block_hash: Mapped[str | None]
    outpoints: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
