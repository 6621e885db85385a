"""Say how far a price can be trusted, and where its exchange rate comes from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

# Begins with its date, so that a release can tell a later revision that it does not know.
revision = "20261124_price_confidence"
down_revision = "20261124_first_tables"
branch_labels = None
depends_on = None

TABLE = "price_comparisons"
INDEX = "ix_events_price_divergence"
ABSURD = "1000000000000000"


def upgrade() -> None:
    """Add the columns, and find divergences fast; rows that are there have nothing in the columns."""
    for column in _columns():
        op.add_column(TABLE, column)
    condition = sa.text("type = 'price_divergence'")
    op.create_index(INDEX, "events", ["id"], sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    """Take them away; what only they hold is lost."""
    op.drop_index(INDEX, "events")
    # The last first: a check may speak of the columns before its own.
    for column in reversed(_columns()):
        op.drop_column(TABLE, column.name)


def _columns() -> list[sa.Column[object]]:
    return [
        _price("band_low"),
        sa.Column(
            "band_high",
            sa.Double(),
            _positive("band_high"),
            _check(
                "band_low_to_high",
                "(band_low IS NULL) = (band_high IS NULL) AND (band_low IS NULL OR band_low <= band_high)",
            ),
        ),
        _price("window_price"),
        _price("published_price"),
        sa.Column("lock_margin", sa.Double()),
        sa.Column("signal", sa.Double()),
        sa.Column("point_count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), _not_negative("point_count")),
        sa.Column("spread_percent", sa.Double(), _not_negative("spread_percent")),
        sa.Column("change_percent", sa.Double()),
        sa.Column("exchange_sources", sa.JSON()),
        sa.Column("exchange_outliers", sa.JSON()),
        sa.Column("exchange_ratios", sa.JSON()),
        sa.Column("provenance", sa.Text()),
    ]


def _price(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Double(), _positive(name))


def _positive(column: str) -> sa.CheckConstraint:
    return _check(f"{column}_positive", f"{column} > 0 AND {column} < {ABSURD}")


def _not_negative(column: str) -> sa.CheckConstraint:
    return _check(f"{column}_not_negative", f"{column} >= 0")


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{TABLE}_{name}"))
