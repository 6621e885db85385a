"""What the detector last saw waiting, from the table `fee_snapshots`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.adapters.database.tables import FeeSnapshotRow
from app.domain.mempool.sight import MempoolSight

if TYPE_CHECKING:
    from datetime import datetime

    from app.adapters.database.engine import Database

_NEWEST = (
    select(FeeSnapshotRow.taken_at, FeeSnapshotRow.transaction_count, FeeSnapshotRow.mempool_vsize_vb)
    .order_by(FeeSnapshotRow.taken_at.desc())
    .limit(1)
)


class DatabaseMempoolRecord:
    """Answers `app.services.detector_sight.MempoolRecord`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> tuple[datetime, MempoolSight] | None:
        """Return what was last seen, and when; None before the first time."""
        with self._database.reading() as connection:
            row = connection.execute(_NEWEST).first()
        return None if row is None else (row.taken_at, MempoolSight(row.transaction_count, row.mempool_vsize_vb))
