"""The events that tell of whales, as clients receive them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.services.whales.whale_store import FeeSnapshot, Whale, WhalePrediction

Event = tuple[str, dict[str, Any]]
# Of a whale about which nothing was predicted.
NO_FORECAST: dict[str, Any] = {"earliest_block": None, "latest_block": None, "next_block_probability": None}

Reason = Literal["reorganisation", "returned", "final"]


def whale_alert(whale: Whale, forecast: dict[str, Any], replaces: Sequence[str]) -> Event:
    """Return the alert of a whale at first sight.

    Args:
        whale: The whale.
        forecast: `earliest_block`, `latest_block` and `next_block_probability` of its prediction; null without one.
        replaces: txids that it takes the place of.
    """
    return "whale_alert", {
        "txid": whale.txid,
        "prediction_id": whale.prediction_id,
        "status": "pending",
        "timestamp": whale.timestamp.isoformat(),
        "detected_at": whale.detected_at.isoformat(),
        "btc_value": whale.btc_value,
        "value_sat": whale.value_sat,
        "moved_sat": whale.moved_sat,
        "inputs_resolved": whale.inputs_resolved,
        "vsize_vb": whale.vsize_vb,
        "fee_sat": whale.fee_sat,
        "fee_rate": whale.fee_rate,
        "is_rbf": whale.is_rbf,
        "kind": whale.kind,
        "flow_type": whale.flow_type,
        "exchange_labels": whale.exchange_labels,
        "urgency_score": whale.urgency_score,
        "urgency_level": whale.urgency_level,
        "predicted_block": whale.predicted_block,
        **forecast,
        "tip_height": whale.tip_height,
        "ahead_vb": whale.ahead_vb,
        "usd_value": whale.usd_value,
        "source": whale.source,
        "replaces": list(replaces),
    }


def status_update(  # noqa: PLR0913 - what happened, every part named
    whale: Whale,
    *,
    previous: str,
    at: datetime,
    prediction: WhalePrediction | None = None,
    is_final: bool = False,
    reason: Reason | None = None,
) -> Event:
    """Return what tells that the status of a whale is not `previous` any longer, or is final."""
    return "status_update", {
        "txid": whale.txid,
        "prediction_id": whale.prediction_id,
        "status": whale.status,
        "previous_status": previous,
        "at": at.isoformat(),
        "btc_value": whale.btc_value,
        "flow_type": whale.flow_type,
        "urgency_score": whale.urgency_score,
        "replaced_by": whale.replaced_by,
        "block_height": whale.block_height,
        "block_hash": whale.block_hash,
        "predicted_block": whale.predicted_block,
        "on_time": None if prediction is None else prediction.on_time,
        "is_final": is_final,
        "reason": reason,
    }


def reorganisation(at: datetime, height: int, disconnected: Sequence[str], reverted: Sequence[str]) -> Event:
    """Return what tells that blocks above `height` are not of the chain any longer."""
    return "reorg", {
        "at": at.isoformat(),
        "height": height,
        "disconnected": list(disconnected),
        "reverted": list(reverted),
    }


def fee_update(fees: FeeSnapshot) -> Event:
    """Return what tells the state of the mempool."""
    return "fee_update", {
        "taken_at": fees.taken_at.isoformat(),
        "tip_height": fees.tip_height,
        "transaction_count": fees.transaction_count,
        "mempool_vsize_vb": fees.mempool_vsize_vb,
        "next_block_feerate_sat_vb": fees.next_block_feerate_sat_vb,
        "economy_feerate_sat_vb": fees.economy_feerate_sat_vb,
        "projected_blocks": fees.projected_blocks,
    }
