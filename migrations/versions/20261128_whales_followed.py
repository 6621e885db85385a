"""Follow whales over a restart, and say of how many predictions each figure of the score speaks, beside a baseline."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

# Begins with its date, so that a release can tell a later revision that it does not know.
revision = "20261128_whales_followed"
down_revision = "20261124_price_confidence"
branch_labels = None
depends_on = None

WHALES, PREDICTIONS, SCORES, EVENTS = "whale_transactions", "prediction_outcomes", "correlation_tracking", "events"
INTEGER_64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEXES = (
    ("ix_whale_transactions_block_hash", WHALES, ["block_hash"], None),
    ("ix_whale_transactions_missed", WHALES, ["confirmed_at"], "status = 'missed'"),
    ("ix_prediction_outcomes_final_txid", PREDICTIONS, ["final_txid"], None),
    ("ix_prediction_outcomes_resolved_at", PREDICTIONS, ["resolved_at"], None),
    ("ix_events_accuracy", EVENTS, ["id"], "type = 'accuracy'"),
)


def upgrade() -> None:
    """Add columns and indexes; whales that are there count as ones whose inputs nobody knew."""
    for table, column in _columns():
        op.add_column(table, column)
    for name, table, columns, condition in INDEXES:
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Take them away; what only they hold is lost."""
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    for table, column in _columns():
        op.drop_column(table, column.name)


def _columns() -> list[tuple[str, sa.Column[object]]]:
    return [
        (WHALES, sa.Column("inputs_resolved", sa.Boolean(), nullable=False, server_default=sa.false())),
        (WHALES, sa.Column("left_at", sa.DateTime(timezone=True))),
        (WHALES, sa.Column("block_hash", sa.Text(), _check(WHALES, "block_hash_length", "length(block_hash) = 64"))),
        (WHALES, sa.Column("outpoints", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))),
        *((SCORES, column) for column in _figures()),
    ]


def _figures() -> list[sa.Column[object]]:
    return [
        _count("accuracy_sample"),
        _count("brier_sample"),
        _count("coverage_sample"),
        _count("lead_sample"),
        _share("exact_share"),
        _share("within_one_share"),
        _count("exact_sample"),
        _share("transform_share"),
        _count("transform_sample"),
        _share("baseline_accuracy"),
        _share("baseline_brier"),
        _count("baseline_sample"),
        _share("baseline_exact_share"),
        _share("baseline_within_one_share"),
        _count("baseline_exact_sample"),
    ]


def _count(name: str) -> sa.Column[object]:
    return sa.Column(name, INTEGER_64, _check(SCORES, f"{name}_not_negative", f"{name} >= 0"))


def _share(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Double(), _check(SCORES, f"{name}_share", f"{name} >= 0 AND {name} <= 1"))


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))
