"""Known addresses, with who says so."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base


class LabelRow(Base):
    """What one source says about one address; `asserted_at` is when it said so, if it told."""

    __tablename__ = "labels"
    # By address first, which is how the detector asks.
    __table_args__ = (UniqueConstraint("address", "source"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    source: Mapped[str]
    source_url: Mapped[str | None]
    asserted_at: Mapped[datetime | None]
    imported_at: Mapped[datetime]
