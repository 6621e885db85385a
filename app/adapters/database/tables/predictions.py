"""What was predicted of whales, what came of it, and the score over time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base, hash_text, not_negative, one_of, share


class PredictionOutcomeRow(Base):
    """The prediction published with a first alert, and the end of the chain of replacements it was about.

    `inputs` is what it was computed from; `baseline_block` what a naive prediction said at the same moment. `txid` is
    the first of the chain, `final_txid` the last; neither refers to its whale, which is kept for as long on its own.
    """

    __tablename__ = "prediction_outcomes"
    __table_args__ = (
        Index(None, "outcome", "predicted_at"),
        Index(None, "predicted_at"),
        Index(None, "txid"),
        Index(None, "final_txid"),
        Index(None, "resolved_at"),
        hash_text("txid"),
        hash_text("final_txid"),
        one_of("outcome", "pending", "confirmed", "conflicted", "dropped", "expired"),
        share("next_block_probability"),
        share("urgency_score"),
        CheckConstraint(
            "earliest_block <= predicted_block AND predicted_block <= latest_block", name="predicted_block_in_interval"
        ),
        CheckConstraint("(outcome = 'pending') = (resolved_at IS NULL)", name="resolved_unless_pending"),
        CheckConstraint("(on_time IS NULL) = (outcome = 'pending')", name="on_time_when_resolved"),
        not_negative("feerate_sat_vb"),
        not_negative("ahead_vb"),
    )

    prediction_id: Mapped[str] = mapped_column(primary_key=True)
    txid: Mapped[str]
    final_txid: Mapped[str]
    predicted_at: Mapped[datetime]
    tip_height: Mapped[int]
    predicted_block: Mapped[int]
    earliest_block: Mapped[int]
    latest_block: Mapped[int]
    next_block_probability: Mapped[float]
    urgency_score: Mapped[float]
    feerate_sat_vb: Mapped[float]
    ahead_vb: Mapped[int]
    inputs: Mapped[dict[str, Any]]
    baseline_block: Mapped[int | None]
    outcome: Mapped[str]
    outcome_block: Mapped[int | None]
    resolved_at: Mapped[datetime | None]
    on_time: Mapped[bool | None]


class CorrelationRow(Base):
    """The score of what was resolved in one hour or day; figures are null where there were too few to tell.

    `…_sample` is of how many predictions a figure speaks, `urgency_sample` of how many whales first seen in that time.
    `transform_share` is the share of the randomised transforms of the predicted probabilities that lie within 0.1 and
    0.9. `baseline_…` is the same of the naive prediction.
    """

    __tablename__ = "correlation_tracking"
    __table_args__ = (
        UniqueConstraint("window_start", "period"),
        one_of("period", "hour", "day"),
        share("prediction_accuracy"),
        share("avg_urgency"),
        not_negative("urgency_sample"),
        share("brier"),
        share("coverage"),
        not_negative("whale_count"),
        not_negative("confirmed"),
        not_negative("replaced"),
        not_negative("dropped"),
        not_negative("conflicted"),
        not_negative("expired"),
        not_negative("missed"),
        not_negative("accuracy_sample"),
        not_negative("brier_sample"),
        not_negative("coverage_sample"),
        not_negative("lead_sample"),
        share("exact_share"),
        share("within_one_share"),
        not_negative("exact_sample"),
        share("transform_share"),
        not_negative("transform_sample"),
        share("baseline_accuracy"),
        share("baseline_brier"),
        not_negative("baseline_sample"),
        share("baseline_exact_share"),
        share("baseline_within_one_share"),
        not_negative("baseline_exact_sample"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime]
    prediction_accuracy: Mapped[float | None]
    whale_count: Mapped[int]
    avg_urgency: Mapped[float | None]
    created_at: Mapped[datetime]
    period: Mapped[str]
    window_start: Mapped[datetime]
    confirmed: Mapped[int]
    replaced: Mapped[int]
    dropped: Mapped[int]
    conflicted: Mapped[int]
    expired: Mapped[int]
    missed: Mapped[int]
    brier: Mapped[float | None]
    coverage: Mapped[float | None]
    lead_median_seconds: Mapped[float | None]
    urgency_sample: Mapped[int | None]
    accuracy_sample: Mapped[int | None]
    brier_sample: Mapped[int | None]
    coverage_sample: Mapped[int | None]
    lead_sample: Mapped[int | None]
    exact_share: Mapped[float | None]
    within_one_share: Mapped[float | None]
    exact_sample: Mapped[int | None]
    transform_share: Mapped[float | None]
    transform_sample: Mapped[int | None]
    baseline_accuracy: Mapped[float | None]
    baseline_brier: Mapped[float | None]
    baseline_sample: Mapped[int | None]
    baseline_exact_share: Mapped[float | None]
    baseline_within_one_share: Mapped[float | None]
    baseline_exact_sample: Mapped[int | None]
