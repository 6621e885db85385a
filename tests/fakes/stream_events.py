"""Entries of the event log about whales, as the detector appends them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.domain.mempool.projected_blocks import ProjectedBlock
from app.services.whales.telling import NO_FORECAST, Event, fee_update, reorganisation, status_update, whale_alert
from app.services.whales.whale_store import FeeSnapshot, Whale, WhalePrediction

SEEN_AT = datetime(2026, 11, 24, 10, 10, 0, 123456, tzinfo=UTC)
FORECAST = {"earliest_block": 900_001, "latest_block": 900_003, "next_block_probability": 0.71}


def whale(number: int, **other: Any) -> Whale:  # noqa: ANN401 - as replace() takes them
    """Return a whale about which everything is known; no two numbers have the same txid."""
    known = Whale(
        txid=f"{number:064x}",
        timestamp=SEEN_AT,
        detected_at=SEEN_AT,
        prediction_id=f"{number:032x}",
        value_sat=61_234_567_890,
        moved_sat=51_234_567_890,
        inputs_resolved=True,
        vsize_vb=226,
        fee_sat=4_520,
        fee_rate=20.0,
        is_rbf=True,
        kind="transfer",
        flow_type="inflow",
        exchange_labels=["An exchange"],
        urgency_score=0.84,
        urgency_level="high",
        status="pending",
        replaced_by=None,
        left_at=None,
        predicted_block=900_001,
        tip_height=900_000,
        ahead_vb=412_345,
        block_height=None,
        block_hash=None,
        confirmed_at=None,
        source="stream",
        usd_value=51_234_567.89,
        outpoints=[f"{'ab' * 32}:0"],
    )
    return replace(known, **other)


def alert(number: int) -> Event:
    """Return the alert of a whale about which everything is known, in about 1 KB."""
    return whale_alert(whale(number), FORECAST, replaces=["cd" * 32])


def every_kind() -> list[Event]:
    """Return events of every type, each with everything known and with as little as there can be."""
    unknown = whale(
        2,
        prediction_id=None,
        inputs_resolved=False,
        fee_sat=None,
        fee_rate=None,
        exchange_labels=[],
        urgency_score=None,
        urgency_level=None,
        predicted_block=None,
        tip_height=None,
        ahead_vb=None,
        usd_value=None,
        source="polling",
    )
    mined = whale(1, status="confirmed", block_height=900_001, block_hash="ef" * 32)
    full = FeeSnapshot(
        taken_at=SEEN_AT,
        source="stream",
        tip_height=900_000,
        transaction_count=90_000,
        mempool_vsize_vb=45_000_000,
        next_block_feerate_sat_vb=12.5,
        economy_feerate_sat_vb=0.3,
        histogram=[],
        projected_blocks=[ProjectedBlock(997_000, 12.5, 17.25, 301.0)._asdict()],
    )
    empty = replace(full, next_block_feerate_sat_vb=None, economy_feerate_sat_vb=None, projected_blocks=[])
    return [
        alert(1),
        whale_alert(unknown, NO_FORECAST, replaces=[]),
        status_update(mined, previous="pending", at=SEEN_AT, prediction=_prediction()),
        status_update(unknown, previous="dropped", at=SEEN_AT, reason="returned"),
        fee_update(full),
        fee_update(empty),
        reorganisation(SEEN_AT, 899_999, ["ef" * 32], ["ab" * 32]),
        reorganisation(SEEN_AT, 899_999, ["ef" * 32], []),
    ]


def _prediction() -> WhalePrediction:
    """Return the prediction of whale 1, which came true."""
    return WhalePrediction(
        prediction_id=f"{1:032x}",
        txid=f"{1:064x}",
        final_txid=f"{1:064x}",
        predicted_at=SEEN_AT,
        tip_height=900_000,
        predicted_block=900_001,
        earliest_block=900_001,
        latest_block=900_003,
        next_block_probability=0.71,
        urgency_score=0.84,
        feerate_sat_vb=20.0,
        ahead_vb=412_345,
        inputs={},
        baseline_block=900_001,
        outcome="confirmed",
        outcome_block=900_001,
        resolved_at=SEEN_AT,
        on_time=True,
    )
