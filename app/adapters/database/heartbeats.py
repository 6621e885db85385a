"""The last words of the services, kept in the table `service_heartbeats`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.adapters.database.many_rows import upsert
from app.adapters.database.tables import HeartbeatRow
from app.services.heartbeats import Heartbeat

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

_FIELDS = tuple(Heartbeat.__dataclass_fields__)


class DatabaseHeartbeats:
    """Answers `app.services.heartbeats.Heartbeats`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, heartbeat: Heartbeat) -> None:
        """Put `heartbeat` in place of the one before of its service and host."""
        row = {name: getattr(heartbeat, name) for name in _FIELDS}
        with self._database.writing() as connection:
            upsert(connection, HeartbeatRow, ("service", "host"), [row])

    def last(self, service: str) -> Heartbeat | None:
        """Return the newest of `service`, of whichever host; None when it has never been at work."""
        newest = (
            select(*(getattr(HeartbeatRow, name) for name in _FIELDS))
            .where(HeartbeatRow.service == service)
            .order_by(HeartbeatRow.beat_at.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(newest).first()
        return None if row is None else Heartbeat(*row)
