"""When each service was last at work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.database.base import Base, one_of


class HeartbeatRow(Base):
    """The last word of one service on one host."""

    __tablename__ = "service_heartbeats"
    __table_args__ = (one_of("state", "ok", "degraded", "failed"),)

    service: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
    beat_at: Mapped[datetime]
    state: Mapped[str]
    detail: Mapped[dict[str, Any]]
