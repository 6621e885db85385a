"""Rows of every table as the first revision made them, and what its ways up and down do to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, MetaData, exc, func, insert, inspect, select

if TYPE_CHECKING:
    from sqlalchemy import Table

TIME = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
TXID, OTHER_TXID, BLOCK_HASH = "ab" * 32, "cd" * 32, "00" * 32

ROWS: dict[str, dict[str, Any]] = {
    "price_comparisons": {
        "timestamp": TIME,
        "source": "live",
        "utxoracle_price": 88_000.5,
        "exchange_price": 88_100.25,
        "difference": -99.75,
        "difference_percent": -0.11,
        "confidence": 0.8,
        "block_height": 925_000,
        "block_hash": BLOCK_HASH,
        "is_valid": True,
        "invalid_reason": None,
        "created_at": TIME,
    },
    "whale_transactions": {
        "txid": TXID,
        "timestamp": TIME,
        "btc_value": 21_000_000.0,
        "urgency_level": "high",
        "urgency_score": 0.75,
        "is_rbf": True,
        "fee_rate": 0.25,
        "detected_at": TIME,
        "prediction_id": "p1",
        "value_sat": 2_100_000_000_000_000,
        "moved_sat": 2_100_000_000_000_000,
        "vsize_vb": 141,
        "fee_sat": 36,
        "flow_type": "inflow",
        "exchange_labels": ["an exchange"],
        "kind": "transfer",
        "status": "pending",
        "source": "zmq",
    },
    "prediction_outcomes": {
        "prediction_id": "p1",
        "txid": TXID,
        "final_txid": OTHER_TXID,
        "predicted_at": TIME,
        "tip_height": 925_000,
        "predicted_block": 925_002,
        "earliest_block": 925_001,
        "latest_block": 925_004,
        "next_block_probability": 0.3,
        "urgency_score": 0.75,
        "feerate_sat_vb": 0.25,
        "ahead_vb": 1_200_000,
        "inputs": {"bands": [[1.0, 1000]]},
        "outcome": "pending",
    },
    "correlation_tracking": {
        "timestamp": TIME,
        "whale_count": 12,
        "created_at": TIME,
        "period": "hour",
        "window_start": TIME,
        "confirmed": 10,
        "replaced": 1,
        "dropped": 1,
        "conflicted": 0,
        "expired": 0,
        "missed": 0,
    },
    "fee_snapshots": {
        "taken_at": TIME,
        "source": "node",
        "tip_height": 925_000,
        "transaction_count": 3,
        "mempool_vsize_vb": 700,
        "histogram": [{"feerate_sat_vb": 0.5, "vsize_vb": 700}],
        "projected_blocks": [],
    },
    "block_flows": {
        "block_hash": BLOCK_HASH,
        "block_height": 925_000,
        "block_time": TIME,
        "is_connected": True,
        "whale_count": 1,
        "inflow_sat": 10_000_000_000,
        "outflow_sat": 0,
        "internal_sat": 0,
        "unknown_sat": 0,
        "created_at": TIME,
    },
    "labels": {
        "address": "bcrt1qexample",
        "name": "an exchange",
        "category": "exchange",
        "source": "the operator",
        "imported_at": TIME,
    },
    "events": {"type": "price_update", "created_at": TIME, "payload": {"utxoracle_price": 88_000.5}},
    "webhook_endpoints": {
        "id": 7,
        "url": "https://hooks.example/in",
        "description": "",
        "secret": "whsec_AAAA",
        "event_types": ["whale.detected"],
        "is_enabled": True,
        "last_event_id": 0,
        "created_at": TIME,
        "updated_at": TIME,
    },
    "webhook_deliveries": {
        "endpoint_id": 7,
        "event_id": 1,
        "message_id": "msg_1",
        "event_type": "whale.detected",
        "body": "{}",
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": TIME,
        "created_at": TIME,
    },
    "users": {
        "id": 5,
        "username": "admin",
        "password_hash": "scrypt:…",
        "role": "admin",
        "is_active": True,
        "created_at": TIME,
        "password_changed_at": TIME,
        "session_epoch": 1,
    },
    "api_tokens": {
        "user_id": 5,
        "name": "a machine",
        "token_hash": "ef" * 32,
        "role": "viewer",
        "scopes": ["prices"],
        "created_at": TIME,
    },
    "revoked_tokens": {"token_id": "jti-1", "revoked_at": TIME, "expires_at": TIME},
    "service_heartbeats": {"service": "integration", "host": "node", "beat_at": TIME, "state": "ok", "detail": {}},
}

# One change to a row at a time that the table must refuse, and by which constraint (the names are the same on both
# databases; those of keys SQLite does not tell).
UNIQUE, FOREIGN = "unique constraint", "foreign key constraint"
REFUSED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("price_comparisons", {"confidence": 1.01}, "confidence_share"),
    ("price_comparisons", {"confidence": -0.01}, "confidence_share"),
    ("price_comparisons", {"utxoracle_price": 0.0}, "utxoracle_price_positive"),
    ("price_comparisons", {"exchange_price": -1.0}, "exchange_price_positive"),
    ("price_comparisons", {"exchange_price": float("inf")}, "exchange_price_positive"),
    ("price_comparisons", {"source": "elsewhere"}, "source_known"),
    ("price_comparisons", {"difference": None, "difference_percent": None}, "difference_of_both"),
    ("price_comparisons", {"difference_percent": None}, "difference_percent_too"),
    ("price_comparisons", {"is_valid": False}, "invalid_with_reason"),
    ("price_comparisons", {"invalid_reason": "too few points"}, "invalid_with_reason"),
    (
        "price_comparisons",
        {"utxoracle_price": None, "difference": None, "difference_percent": None},
        "valid_with_price",
    ),
    ("price_comparisons", {"confidence": 0.1}, UNIQUE),
    ("whale_transactions", {"status": "lost"}, "status_known"),
    ("whale_transactions", {"kind": "gift"}, "kind_known"),
    ("whale_transactions", {"flow_type": "sideways"}, "flow_type_known"),
    ("whale_transactions", {"urgency_level": None}, "urgency_level_of_score"),
    ("whale_transactions", {"urgency_level": "huge"}, "urgency_level_known"),
    ("whale_transactions", {"urgency_score": 1.5}, "urgency_score_share"),
    ("whale_transactions", {"moved_sat": 2_100_000_000_000_001}, "moved_sat_of_value_sat"),
    ("whale_transactions", {"vsize_vb": 0}, "vsize_vb_positive"),
    ("whale_transactions", {"txid": "ab"}, "txid_length"),
    ("whale_transactions", {"is_rbf": False}, UNIQUE),
    ("prediction_outcomes", {"latest_block": 925_001}, "predicted_block_in_interval"),
    ("prediction_outcomes", {"resolved_at": TIME}, "resolved_unless_pending"),
    ("prediction_outcomes", {"on_time": True}, "on_time_when_resolved"),
    ("correlation_tracking", {"period": "week"}, "period_known"),
    ("correlation_tracking", {"prediction_accuracy": 1.2}, "prediction_accuracy_share"),
    ("correlation_tracking", {}, UNIQUE),
    ("fee_snapshots", {}, UNIQUE),
    ("labels", {}, UNIQUE),
    ("webhook_endpoints", {"id": 8}, UNIQUE),
    ("webhook_endpoints", {"id": 8, "previous_secret": "whsec_BBBB"}, "previous_secret_until_when"),
    ("webhook_deliveries", {"endpoint_id": 8}, FOREIGN),
    ("webhook_deliveries", {"next_attempt_at": None}, "next_attempt_when_pending"),
    ("webhook_deliveries", {"status": "delivered", "next_attempt_at": None}, "delivered_when"),
    ("webhook_deliveries", {}, UNIQUE),
    ("users", {"id": 6}, UNIQUE),
    ("users", {"id": 6, "role": "king"}, "role_known"),
    ("api_tokens", {"user_id": 6, "token_hash": "aa" * 32}, FOREIGN),
    ("api_tokens", {}, UNIQUE),
    ("revoked_tokens", {}, UNIQUE),
    ("service_heartbeats", {"state": "asleep"}, "state_known"),
    ("event_log_identity", {"id": 2, "identity": "another", "created_at": TIME}, "only_row"),
    ("event_log_identity", {"id": 1, "identity": "another", "created_at": TIME}, UNIQUE),
)


def before_upgrade(connection: Connection) -> None:
    """Check that there is nothing yet."""
    assert _tables(connection) == {}


def after_upgrade(connection: Connection) -> None:
    """Fill every table and read it back; see that each refuses what it should."""
    tables = _tables(connection)
    assert set(tables) == {*ROWS, "event_log_identity"}
    for name in ("webhook_endpoints", "users", *ROWS):
        if not connection.execute(select(func.count()).select_from(tables[name])).scalar_one():
            connection.execute(insert(tables[name]).values(ROWS[name]))
    for name, row in ROWS.items():
        columns = [tables[name].c[column] for column in row]
        assert connection.execute(select(*columns)).one() == tuple(_stored(connection, value) for value in row.values())
    assert len(connection.execute(select(tables["event_log_identity"].c.identity)).scalar_one()) == 32
    for name, change, constraint in REFUSED:
        with pytest.raises(exc.IntegrityError) as refusal, connection.begin_nested():
            connection.execute(insert(tables[name]).values({**ROWS.get(name, {}), **change}))
        assert constraint in str(refusal.value.orig).lower()


def after_downgrade(connection: Connection) -> None:
    """Check that the way down took everything along, since below there is no place for it."""
    assert _tables(connection) == {}


def after_return(connection: Connection) -> None:
    """Check that the tables are back, empty and as usable as at first."""
    tables = _tables(connection)
    for name in ROWS:
        assert connection.execute(select(func.count()).select_from(tables[name])).scalar_one() == 0
    after_upgrade(connection)


def _tables(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(
        connection, only=[name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    )
    return dict(metadata.tables)


def _stored(connection: Connection, value: object) -> object:
    """Return `value` as the bare table hands it out: SQLite keeps times without their zone."""
    if isinstance(value, datetime) and connection.dialect.name == "sqlite":
        return value.replace(tzinfo=None)
    return value
