"""The append-only log, and its identity."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base


class EventRow(Base):
    """One event; ids are in commit order."""

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "created_at"),
        # Each price asks for the last of them, among millions of others.
        Index(
            "ix_events_price_divergence",
            "id",
            sqlite_where=text("type = 'price_divergence'"),
            postgresql_where=text("type = 'price_divergence'"),
        ),
        # Likewise each score.
        Index(
            "ix_events_accuracy",
            "id",
            sqlite_where=text("type = 'accuracy'"),
            postgresql_where=text("type = 'accuracy'"),
        ),
        # Without it SQLite gives the id of a removed last row out again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    created_at: Mapped[datetime]
    payload: Mapped[dict[str, Any]]


class EventLogIdentityRow(Base):
    """The only row says which log this is; a restored log gets another."""

    __tablename__ = "event_log_identity"
    __table_args__ = (CheckConstraint("id = 1", name="only_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    identity: Mapped[str]
    created_at: Mapped[datetime]
