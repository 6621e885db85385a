"""The event log, kept in the table `events`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, text

from app.adapters.database.tables import EventLogIdentityRow, EventRow
from app.services.event_log import Event
from app.services.storage import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from app.adapters.database.engine import Database

# Any number that nothing else in the database locks.
_APPEND_LOCK = 0x7574786F

_LOST_IDENTITY = "event_log_identity has lost its row; restore the database from a backup"

_ENTRY = (EventRow.id, EventRow.type, EventRow.created_at, EventRow.payload)
# One row without an entry when there are none.
_NEWS = (
    select(EventLogIdentityRow.identity, *_ENTRY)
    .join_from(EventLogIdentityRow, EventRow, EventRow.id > bindparam("event_id"), isouter=True)
    .order_by(EventRow.id)
    .limit(bindparam("limit"))
)
_APPENDED = insert(EventRow)


def append(connection: Connection, event_type: str, payload: dict[str, Any], now: datetime) -> int:
    """Append an event to the log in the transaction of `connection`, and return its id.

    On PostgreSQL others cannot append until that transaction ends, so that ids are in commit order: write the rows
    first, then append, then end it.
    """
    hold_log(connection)
    statement = insert(EventRow).values(type=event_type, payload=payload, created_at=now).returning(EventRow.id)
    return connection.execute(statement).scalar_one()


def append_all(connection: Connection, events: Sequence[tuple[str, dict[str, Any]]], now: datetime) -> None:
    """Append events, each a type and a payload, in their order; as `append`, but many at the price of a few."""
    if not events:
        return
    hold_log(connection)
    rows = [{"type": event_type, "payload": payload, "created_at": now} for event_type, payload in events]
    connection.execute(_APPENDED, rows)


def hold_log(connection: Connection) -> None:
    """Let nobody else append until the transaction of `connection` ends; what is in the log then stays the last.

    On SQLite a writing transaction is the only one anyhow.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _APPEND_LOCK})


class DatabaseEventLog:
    """Answers `app.services.event_log.EventLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def identity(self) -> str:
        """Return the log's identity; a restored log has a new one, and clients must resynchronise."""
        with self._database.reading() as connection:
            identity = connection.execute(select(EventLogIdentityRow.identity)).scalar()
        if identity is None:
            raise SchemaMismatchError(_LOST_IDENTITY)
        return identity

    def last_id(self) -> int:
        """Return the id of the newest entry, 0 in an empty log."""
        with self._database.reading() as connection:
            return connection.execute(select(func.max(EventRow.id))).scalar() or 0

    def after(self, event_id: int, limit: int) -> Sequence[Event]:
        """Return up to `limit` entries with ids above `event_id`, oldest first."""
        statement = select(*_ENTRY).where(EventRow.id > event_id).order_by(EventRow.id).limit(limit)
        with self._database.reading() as connection:
            return [Event(*row) for row in connection.execute(statement)]

    def last_before(self, moment: datetime) -> int:
        """Return the id of the newest entry that was made before `moment`, 0 if there is none."""
        # By the index on the time: to ask for the highest id would look at all that are older.
        newest_first = select(EventRow.id).order_by(EventRow.created_at.desc(), EventRow.id.desc()).limit(1)
        with self._database.reading() as connection:
            return connection.execute(newest_first.where(EventRow.created_at < moment)).scalar() or 0

    def news(self, event_id: int, limit: int) -> tuple[str, Sequence[Event]]:
        """Return `identity` and what `after` returns, as they were at one moment, for the price of one."""
        with self._database.reading() as connection:
            rows = connection.execute(_NEWS, {"event_id": event_id, "limit": limit}).all()
        if not rows:
            raise SchemaMismatchError(_LOST_IDENTITY)
        return rows[0].identity, [Event(*row[1:]) for row in rows if row.id is not None]
