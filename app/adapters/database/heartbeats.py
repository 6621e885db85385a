"""Heartbeats, kept in the table `service_heartbeats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from app.adapters.database.tables import HeartbeatRow
from app.services.heartbeats import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.adapters.database.engine import Database

_FIELDS = tuple(Heartbeat.__dataclass_fields__)


class DatabaseHeartbeats:
    """Answers `app.services.heartbeats.Heartbeats`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, heartbeat: Heartbeat) -> None:
        """Keep `heartbeat` in place of the last one of that service on that host."""
        values = {name: getattr(heartbeat, name) for name in _FIELDS}
        with self._database.writing() as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            connection.execute(
                insert(HeartbeatRow)
                .values(values)
                .on_conflict_do_update(index_elements=[HeartbeatRow.service, HeartbeatRow.host], set_=values)
            )

    def of(self, service: str) -> Sequence[Heartbeat]:
        """Return the last heartbeat of `service` on each host, newest first."""
        statement = (
            select(*(getattr(HeartbeatRow, name) for name in _FIELDS))
            .where(HeartbeatRow.service == service)
            .order_by(HeartbeatRow.beat_at.desc())
        )
        with self._database.reading() as connection:
            return [Heartbeat(**dict(zip(_FIELDS, row, strict=True))) for row in connection.execute(statement)]
