"""Make the first tables."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "20261124_first_tables"
down_revision = None
branch_labels = None
depends_on = None

INTEGER_64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

# Those that are referred to come after those that refer, so that they can be dropped in this order.
TABLES = (
    "service_heartbeats",
    "revoked_tokens",
    "api_tokens",
    "users",
    "webhook_deliveries",
    "webhook_endpoints",
    "event_log_identity",
    "events",
    "labels",
    "block_flows",
    "fee_snapshots",
    "correlation_tracking",
    "prediction_outcomes",
    "whale_transactions",
    "price_comparisons",
)


def upgrade() -> None:
    """Make every table, and give the event log its identity."""
    _create_prices()
    _create_whales()
    _create_mempool()
    _create_events()
    _create_webhooks()
    _create_accounts()
    _create_heartbeats()
    _identify_log()


def downgrade() -> None:
    """Drop every table with what it holds."""
    for table in TABLES:
        op.drop_table(table)


def _create_prices() -> None:
    """Make the tables of what the estimate and the exchange said."""
    op.create_table(
        "price_comparisons",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("timestamp", TIME, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("utxoracle_price", sa.Double(), nullable=True),
        sa.Column("exchange_price", sa.Double(), nullable=True),
        sa.Column("difference", sa.Double(), nullable=True),
        sa.Column("difference_percent", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("block_height", INTEGER_64, nullable=True),
        sa.Column("block_hash", sa.Text(), nullable=True),
        sa.Column("block_count", INTEGER_64, nullable=True),
        sa.Column("output_count", INTEGER_64, nullable=True),
        sa.Column("block_source", sa.Text(), nullable=True),
        sa.Column("exchange_time", TIME, nullable=True),
        sa.Column("is_valid", sa.Boolean(), nullable=False),
        sa.Column("invalid_reason", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_comparisons")),
        sa.UniqueConstraint("timestamp", "source", name=op.f("uq_price_comparisons_timestamp_source")),
        sa.CheckConstraint("block_count >= 0", name=op.f("ck_price_comparisons_block_count_not_negative")),
        sa.CheckConstraint("block_height >= 0", name=op.f("ck_price_comparisons_block_height_not_negative")),
        sa.CheckConstraint("confidence >= 0 AND confidence <= 1", name=op.f("ck_price_comparisons_confidence_share")),
        sa.CheckConstraint(
            "(difference IS NULL) = (utxoracle_price IS NULL OR exchange_price IS NULL)",
            name=op.f("ck_price_comparisons_difference_of_both"),
        ),
        sa.CheckConstraint(
            "(difference IS NULL) = (difference_percent IS NULL)",
            name=op.f("ck_price_comparisons_difference_percent_too"),
        ),
        sa.CheckConstraint(
            "exchange_price > 0 AND exchange_price < 1000000000000000",
            name=op.f("ck_price_comparisons_exchange_price_positive"),
        ),
        sa.CheckConstraint(
            "is_valid = (invalid_reason IS NULL)", name=op.f("ck_price_comparisons_invalid_with_reason")
        ),
        sa.CheckConstraint("output_count >= 0", name=op.f("ck_price_comparisons_output_count_not_negative")),
        sa.CheckConstraint("source IN ('live', 'backfill', 'import')", name=op.f("ck_price_comparisons_source_known")),
        sa.CheckConstraint(
            "utxoracle_price > 0 AND utxoracle_price < 1000000000000000",
            name=op.f("ck_price_comparisons_utxoracle_price_positive"),
        ),
        sa.CheckConstraint(
            "NOT is_valid OR utxoracle_price IS NOT NULL", name=op.f("ck_price_comparisons_valid_with_price")
        ),
    )


def _create_whales() -> None:
    """Make the tables of whales, their predictions and the score."""
    op.create_table(
        "whale_transactions",
        sa.Column("txid", sa.Text(), nullable=False),
        sa.Column("timestamp", TIME, nullable=False),
        sa.Column("btc_value", sa.Double(), nullable=False),
        sa.Column("urgency_level", sa.Text(), nullable=True),
        sa.Column("urgency_score", sa.Double(), nullable=True),
        sa.Column("is_rbf", sa.Boolean(), nullable=False),
        sa.Column("fee_rate", sa.Double(), nullable=True),
        sa.Column("detected_at", TIME, nullable=False),
        sa.Column("prediction_id", sa.Text(), nullable=True),
        sa.Column("value_sat", INTEGER_64, nullable=False),
        sa.Column("moved_sat", INTEGER_64, nullable=False),
        sa.Column("vsize_vb", INTEGER_64, nullable=False),
        sa.Column("fee_sat", INTEGER_64, nullable=True),
        sa.Column("flow_type", sa.Text(), nullable=False),
        sa.Column("exchange_labels", sa.JSON(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.Column("predicted_block", INTEGER_64, nullable=True),
        sa.Column("tip_height", INTEGER_64, nullable=True),
        sa.Column("ahead_vb", INTEGER_64, nullable=True),
        sa.Column("block_height", INTEGER_64, nullable=True),
        sa.Column("confirmed_at", TIME, nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("usd_value", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("txid", name=op.f("pk_whale_transactions")),
        sa.CheckConstraint("ahead_vb >= 0", name=op.f("ck_whale_transactions_ahead_vb_not_negative")),
        sa.CheckConstraint("block_height >= 0", name=op.f("ck_whale_transactions_block_height_not_negative")),
        sa.CheckConstraint("btc_value >= 0", name=op.f("ck_whale_transactions_btc_value_not_negative")),
        sa.CheckConstraint("fee_rate >= 0", name=op.f("ck_whale_transactions_fee_rate_not_negative")),
        sa.CheckConstraint("fee_sat >= 0", name=op.f("ck_whale_transactions_fee_sat_not_negative")),
        sa.CheckConstraint(
            "flow_type IN ('inflow', 'outflow', 'internal', 'unknown')",
            name=op.f("ck_whale_transactions_flow_type_known"),
        ),
        sa.CheckConstraint(
            "kind IN ('transfer', 'consolidation', 'batch', 'coinjoin-like')",
            name=op.f("ck_whale_transactions_kind_known"),
        ),
        sa.CheckConstraint(
            "moved_sat >= 0 AND moved_sat <= value_sat", name=op.f("ck_whale_transactions_moved_sat_of_value_sat")
        ),
        sa.CheckConstraint("predicted_block >= 0", name=op.f("ck_whale_transactions_predicted_block_not_negative")),
        sa.CheckConstraint("length(replaced_by) = 64", name=op.f("ck_whale_transactions_replaced_by_length")),
        sa.CheckConstraint(
            "status IN ('pending', 'confirmed', 'replaced', 'conflicted', 'dropped', 'expired', 'missed')",
            name=op.f("ck_whale_transactions_status_known"),
        ),
        sa.CheckConstraint("tip_height >= 0", name=op.f("ck_whale_transactions_tip_height_not_negative")),
        sa.CheckConstraint("length(txid) = 64", name=op.f("ck_whale_transactions_txid_length")),
        sa.CheckConstraint(
            "urgency_level IN ('critical', 'high', 'medium', 'low')",
            name=op.f("ck_whale_transactions_urgency_level_known"),
        ),
        sa.CheckConstraint(
            "(urgency_level IS NULL) = (urgency_score IS NULL)",
            name=op.f("ck_whale_transactions_urgency_level_of_score"),
        ),
        sa.CheckConstraint(
            "urgency_score >= 0 AND urgency_score <= 1", name=op.f("ck_whale_transactions_urgency_score_share")
        ),
        sa.CheckConstraint("usd_value >= 0", name=op.f("ck_whale_transactions_usd_value_not_negative")),
        sa.CheckConstraint("vsize_vb > 0", name=op.f("ck_whale_transactions_vsize_vb_positive")),
    )
    op.create_index(op.f("ix_whale_transactions_block_height"), "whale_transactions", ["block_height"])
    op.create_index(op.f("ix_whale_transactions_prediction_id"), "whale_transactions", ["prediction_id"])
    op.create_index(op.f("ix_whale_transactions_status_timestamp"), "whale_transactions", ["status", "timestamp"])
    op.create_index(op.f("ix_whale_transactions_timestamp_txid"), "whale_transactions", ["timestamp", "txid"])
    op.create_table(
        "prediction_outcomes",
        sa.Column("prediction_id", sa.Text(), nullable=False),
        sa.Column("txid", sa.Text(), nullable=False),
        sa.Column("final_txid", sa.Text(), nullable=False),
        sa.Column("predicted_at", TIME, nullable=False),
        sa.Column("tip_height", INTEGER_64, nullable=False),
        sa.Column("predicted_block", INTEGER_64, nullable=False),
        sa.Column("earliest_block", INTEGER_64, nullable=False),
        sa.Column("latest_block", INTEGER_64, nullable=False),
        sa.Column("next_block_probability", sa.Double(), nullable=False),
        sa.Column("urgency_score", sa.Double(), nullable=False),
        sa.Column("feerate_sat_vb", sa.Double(), nullable=False),
        sa.Column("ahead_vb", INTEGER_64, nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("baseline_block", INTEGER_64, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("outcome_block", INTEGER_64, nullable=True),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.Column("on_time", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_prediction_outcomes")),
        sa.CheckConstraint("ahead_vb >= 0", name=op.f("ck_prediction_outcomes_ahead_vb_not_negative")),
        sa.CheckConstraint("feerate_sat_vb >= 0", name=op.f("ck_prediction_outcomes_feerate_sat_vb_not_negative")),
        sa.CheckConstraint("length(final_txid) = 64", name=op.f("ck_prediction_outcomes_final_txid_length")),
        sa.CheckConstraint(
            "next_block_probability >= 0 AND next_block_probability <= 1",
            name=op.f("ck_prediction_outcomes_next_block_probability_share"),
        ),
        sa.CheckConstraint(
            "(on_time IS NULL) = (outcome = 'pending')", name=op.f("ck_prediction_outcomes_on_time_when_resolved")
        ),
        sa.CheckConstraint(
            "outcome IN ('pending', 'confirmed', 'conflicted', 'dropped', 'expired')",
            name=op.f("ck_prediction_outcomes_outcome_known"),
        ),
        sa.CheckConstraint(
            "earliest_block <= predicted_block AND predicted_block <= latest_block",
            name=op.f("ck_prediction_outcomes_predicted_block_in_interval"),
        ),
        sa.CheckConstraint(
            "(outcome = 'pending') = (resolved_at IS NULL)", name=op.f("ck_prediction_outcomes_resolved_unless_pending")
        ),
        sa.CheckConstraint("length(txid) = 64", name=op.f("ck_prediction_outcomes_txid_length")),
        sa.CheckConstraint(
            "urgency_score >= 0 AND urgency_score <= 1", name=op.f("ck_prediction_outcomes_urgency_score_share")
        ),
    )
    op.create_index(
        op.f("ix_prediction_outcomes_outcome_predicted_at"), "prediction_outcomes", ["outcome", "predicted_at"]
    )
    op.create_index(op.f("ix_prediction_outcomes_predicted_at"), "prediction_outcomes", ["predicted_at"])
    op.create_index(op.f("ix_prediction_outcomes_txid"), "prediction_outcomes", ["txid"])
    op.create_table(
        "correlation_tracking",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("timestamp", TIME, nullable=False),
        sa.Column("prediction_accuracy", sa.Double(), nullable=True),
        sa.Column("whale_count", INTEGER_64, nullable=False),
        sa.Column("avg_urgency", sa.Double(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("window_start", TIME, nullable=False),
        sa.Column("confirmed", INTEGER_64, nullable=False),
        sa.Column("replaced", INTEGER_64, nullable=False),
        sa.Column("dropped", INTEGER_64, nullable=False),
        sa.Column("conflicted", INTEGER_64, nullable=False),
        sa.Column("expired", INTEGER_64, nullable=False),
        sa.Column("missed", INTEGER_64, nullable=False),
        sa.Column("brier", sa.Double(), nullable=True),
        sa.Column("coverage", sa.Double(), nullable=True),
        sa.Column("lead_median_seconds", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correlation_tracking")),
        sa.UniqueConstraint("window_start", "period", name=op.f("uq_correlation_tracking_window_start_period")),
        sa.CheckConstraint(
            "avg_urgency >= 0 AND avg_urgency <= 1", name=op.f("ck_correlation_tracking_avg_urgency_share")
        ),
        sa.CheckConstraint("brier >= 0 AND brier <= 1", name=op.f("ck_correlation_tracking_brier_share")),
        sa.CheckConstraint("confirmed >= 0", name=op.f("ck_correlation_tracking_confirmed_not_negative")),
        sa.CheckConstraint("conflicted >= 0", name=op.f("ck_correlation_tracking_conflicted_not_negative")),
        sa.CheckConstraint("coverage >= 0 AND coverage <= 1", name=op.f("ck_correlation_tracking_coverage_share")),
        sa.CheckConstraint("dropped >= 0", name=op.f("ck_correlation_tracking_dropped_not_negative")),
        sa.CheckConstraint("expired >= 0", name=op.f("ck_correlation_tracking_expired_not_negative")),
        sa.CheckConstraint("missed >= 0", name=op.f("ck_correlation_tracking_missed_not_negative")),
        sa.CheckConstraint("period IN ('hour', 'day')", name=op.f("ck_correlation_tracking_period_known")),
        sa.CheckConstraint(
            "prediction_accuracy >= 0 AND prediction_accuracy <= 1",
            name=op.f("ck_correlation_tracking_prediction_accuracy_share"),
        ),
        sa.CheckConstraint("replaced >= 0", name=op.f("ck_correlation_tracking_replaced_not_negative")),
        sa.CheckConstraint("whale_count >= 0", name=op.f("ck_correlation_tracking_whale_count_not_negative")),
    )


def _create_mempool() -> None:
    """Make the tables of what the mempool and the blocks held, and whose addresses are known."""
    op.create_table(
        "fee_snapshots",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("taken_at", TIME, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("tip_height", INTEGER_64, nullable=False),
        sa.Column("transaction_count", INTEGER_64, nullable=False),
        sa.Column("mempool_vsize_vb", INTEGER_64, nullable=False),
        sa.Column("next_block_feerate_sat_vb", sa.Double(), nullable=True),
        sa.Column("economy_feerate_sat_vb", sa.Double(), nullable=True),
        sa.Column("histogram", sa.JSON(), nullable=False),
        sa.Column("projected_blocks", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fee_snapshots")),
        sa.UniqueConstraint("taken_at", name=op.f("uq_fee_snapshots_taken_at")),
        sa.CheckConstraint(
            "economy_feerate_sat_vb >= 0", name=op.f("ck_fee_snapshots_economy_feerate_sat_vb_not_negative")
        ),
        sa.CheckConstraint("mempool_vsize_vb >= 0", name=op.f("ck_fee_snapshots_mempool_vsize_vb_not_negative")),
        sa.CheckConstraint(
            "next_block_feerate_sat_vb >= 0", name=op.f("ck_fee_snapshots_next_block_feerate_sat_vb_not_negative")
        ),
        sa.CheckConstraint("tip_height >= 0", name=op.f("ck_fee_snapshots_tip_height_not_negative")),
        sa.CheckConstraint("transaction_count >= 0", name=op.f("ck_fee_snapshots_transaction_count_not_negative")),
    )
    op.create_table(
        "block_flows",
        sa.Column("block_hash", sa.Text(), nullable=False),
        sa.Column("block_height", INTEGER_64, nullable=False),
        sa.Column("block_time", TIME, nullable=False),
        sa.Column("is_connected", sa.Boolean(), nullable=False),
        sa.Column("whale_count", INTEGER_64, nullable=False),
        sa.Column("inflow_sat", INTEGER_64, nullable=False),
        sa.Column("outflow_sat", INTEGER_64, nullable=False),
        sa.Column("internal_sat", INTEGER_64, nullable=False),
        sa.Column("unknown_sat", INTEGER_64, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("block_hash", name=op.f("pk_block_flows")),
        sa.CheckConstraint("length(block_hash) = 64", name=op.f("ck_block_flows_block_hash_length")),
        sa.CheckConstraint("block_height >= 0", name=op.f("ck_block_flows_block_height_not_negative")),
        sa.CheckConstraint("inflow_sat >= 0", name=op.f("ck_block_flows_inflow_sat_not_negative")),
        sa.CheckConstraint("internal_sat >= 0", name=op.f("ck_block_flows_internal_sat_not_negative")),
        sa.CheckConstraint("outflow_sat >= 0", name=op.f("ck_block_flows_outflow_sat_not_negative")),
        sa.CheckConstraint("unknown_sat >= 0", name=op.f("ck_block_flows_unknown_sat_not_negative")),
        sa.CheckConstraint("whale_count >= 0", name=op.f("ck_block_flows_whale_count_not_negative")),
    )
    op.create_index(op.f("ix_block_flows_block_height"), "block_flows", ["block_height"])
    op.create_index(op.f("ix_block_flows_block_time"), "block_flows", ["block_time"])
    op.create_table(
        "labels",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("asserted_at", TIME, nullable=True),
        sa.Column("imported_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sa.UniqueConstraint("address", "source", name=op.f("uq_labels_address_source")),
    )


def _create_events() -> None:
    """Make the tables of the log and its identity."""
    op.create_table(
        "events",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_created_at"), "events", ["created_at"])
    op.create_table(
        "event_log_identity",
        sa.Column("id", INTEGER_64, autoincrement=False, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_log_identity")),
        sa.CheckConstraint("id = 1", name=op.f("ck_event_log_identity_only_row")),
    )


def _create_webhooks() -> None:
    """Make the tables of who is told, and what became of it."""
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_secret_until", TIME, nullable=True),
        sa.Column("event_types", sa.JSON(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("last_event_id", INTEGER_64, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        sa.UniqueConstraint("url", name=op.f("uq_webhook_endpoints_url")),
        sa.CheckConstraint("last_event_id >= 0", name=op.f("ck_webhook_endpoints_last_event_id_not_negative")),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_secret_until IS NULL)",
            name=op.f("ck_webhook_endpoints_previous_secret_until_when"),
        ),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("endpoint_id", INTEGER_64, nullable=False),
        sa.Column("event_id", INTEGER_64, nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", INTEGER_64, nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=True),
        sa.Column("last_attempt_at", TIME, nullable=True),
        sa.Column("last_status_code", INTEGER_64, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("delivered_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("endpoint_id", "event_id", name=op.f("uq_webhook_deliveries_endpoint_id_event_id")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_webhook_deliveries_attempts_not_negative")),
        sa.CheckConstraint(
            "(status = 'delivered') = (delivered_at IS NOT NULL)", name=op.f("ck_webhook_deliveries_delivered_when")
        ),
        sa.CheckConstraint(
            "(status = 'pending') = (next_attempt_at IS NOT NULL)",
            name=op.f("ck_webhook_deliveries_next_attempt_when_pending"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed', 'exhausted')", name=op.f("ck_webhook_deliveries_status_known")
        ),
    )
    op.create_index(op.f("ix_webhook_deliveries_created_at"), "webhook_deliveries", ["created_at"])
    op.create_index(op.f("ix_webhook_deliveries_endpoint_id_id"), "webhook_deliveries", ["endpoint_id", "id"])
    op.create_index(
        op.f("ix_webhook_deliveries_status_next_attempt_at"), "webhook_deliveries", ["status", "next_attempt_at"]
    )


def _create_accounts() -> None:
    """Make the tables of who may sign in, and with what no longer."""
    op.create_table(
        "users",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("password_changed_at", TIME, nullable=False),
        sa.Column("session_epoch", INTEGER_64, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_users_role_known")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", INTEGER_64, nullable=False),
        sa.Column("user_id", INTEGER_64, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name=op.f("ck_api_tokens_role_known")),
        sa.CheckConstraint("length(token_hash) = 64", name=op.f("ck_api_tokens_token_hash_length")),
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"])
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("revoked_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_revoked_tokens")),
    )
    op.create_index(op.f("ix_revoked_tokens_expires_at"), "revoked_tokens", ["expires_at"])


def _create_heartbeats() -> None:
    """Make the tables of when each service was last at work."""
    op.create_table(
        "service_heartbeats",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("beat_at", TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("service", "host", name=op.f("pk_service_heartbeats")),
        sa.CheckConstraint("state IN ('ok', 'degraded', 'failed')", name=op.f("ck_service_heartbeats_state_known")),
    )


def _identify_log() -> None:
    """Give the log the identity by which clients notice another one in its place."""
    identity = sa.table(
        "event_log_identity", sa.column("id", INTEGER_64), sa.column("identity", sa.Text), sa.column("created_at", TIME)
    )
    op.execute(identity.insert().values(id=1, identity=uuid4().hex, created_at=datetime.now(UTC)))
