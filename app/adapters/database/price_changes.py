"""Whether the prices changed, told from the event log: every change of a row appends an event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from app.adapters.database.tables import EventLogIdentityRow, EventRow, PriceRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

PRICE_EVENT = "price_update"
# Of many rows at once; clients of the stream are not told.
IMPORT_EVENT = "prices_imported"


class PriceChanges:
    """Remembers how far it has looked, so that asking again looks at new events only."""

    def __init__(self) -> None:
        self._seen = _Seen(None)

    def version(self, connection: Connection) -> str:
        """Return what is another after every change, as `connection` sees the table."""
        seen = _looked(connection, self._seen)
        if seen.log != self._seen.log:
            # Of another log, as after a restore, all has to be seen.
            seen = _looked(connection, _Seen(seen.log))
        self._seen = seen
        return f"{seen.log}.{seen.price_event_id}.{seen.row_id}"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of the event log `log` up to `event_id`; so that no event is looked at twice."""

    log: str | None
    event_id: int = 0
    price_event_id: int = 0
    row_id: int = 0


_NEWS = select(
    select(EventLogIdentityRow.identity).scalar_subquery(),
    func.max(EventRow.id),
    func.max(EventRow.id).filter(EventRow.type.in_((PRICE_EVENT, IMPORT_EVENT))),
    select(func.max(PriceRow.id)).scalar_subquery(),
).where(EventRow.id > bindparam("event_id"))


def _looked(connection: Connection, before: _Seen) -> _Seen:
    log, event_id, price_event_id, row_id = connection.execute(_NEWS, {"event_id": before.event_id}).one()
    return replace(
        before,
        log=log,
        event_id=event_id or before.event_id,
        price_event_id=price_event_id or before.price_event_id,
        row_id=row_id or 0,
    )
