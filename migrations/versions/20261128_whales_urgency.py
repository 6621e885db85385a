"""Say of how many whales the mean urgency of a score speaks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

# Begins with its date, so that a release can tell a later revision that it does not know.
revision = "20261128_whales_urgency"
down_revision = "20261128_whales_followed"
branch_labels = None
depends_on = None

TABLE, COLUMN = "correlation_tracking", "urgency_sample"
NOT_NEGATIVE = f"ck_{TABLE}_{COLUMN}_not_negative"


def upgrade() -> None:
    """Add the column; of scores that are there it is not known."""
    check = sa.CheckConstraint(f"{COLUMN} >= 0", name=op.f(NOT_NEGATIVE))
    op.add_column(TABLE, sa.Column(COLUMN, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), check))


def downgrade() -> None:
    """Take it away."""
    op.drop_column(TABLE, COLUMN)
