"""What the table of prices tells about its gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from app.adapters.database.tables import PriceRow
from app.services.gaps import KnownRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.adapters.database.engine import Database


class DatabaseKnownRows:
    """Answers `app.services.gaps.KnownRows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def between(self, start: datetime, end: datetime) -> Sequence[KnownRow]:
        """Return what is known of the rows with start <= timestamp < end."""
        statement = select(PriceRow.timestamp, PriceRow.source, PriceRow.block_height, PriceRow.is_valid).where(
            PriceRow.timestamp >= start, PriceRow.timestamp < end
        )
        with self._database.reading() as connection:
            return [KnownRow._make(row) for row in connection.execute(statement)]

    def first_live(self) -> datetime | None:
        """Return the slot of the first live row; None when there is none."""
        # Not the least of them: that would be sought through the whole index.
        statement = select(PriceRow.timestamp).where(PriceRow.source == "live").order_by(PriceRow.timestamp).limit(1)
        with self._database.reading() as connection:
            return connection.execute(statement).scalar()
