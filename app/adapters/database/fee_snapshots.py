"""The state of the mempool over time, one row for ten minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from app.adapters.database.tables import FeeSnapshotRow
from app.services.whales.whale_store import FeeSnapshot

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SLOT_SECONDS = 600
_FIELDS = tuple(FeeSnapshot.__dataclass_fields__)


def keep_fees(connection: Connection, fees: FeeSnapshot) -> None:
    """Keep `fees` in place of whatever the same ten minutes have, so that the table stays small."""
    seconds = int(fees.taken_at.timestamp())
    start = datetime.fromtimestamp(seconds - seconds % _SLOT_SECONDS, UTC)
    of_slot = FeeSnapshotRow.taken_at >= start, FeeSnapshotRow.taken_at < start + timedelta(seconds=_SLOT_SECONDS)
    connection.execute(delete(FeeSnapshotRow).where(*of_slot))
    connection.execute(insert(FeeSnapshotRow).values({name: getattr(fees, name) for name in _FIELDS}))
