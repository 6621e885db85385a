"""Imported rows of the table of prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from app.adapters.database.events import append
from app.adapters.database.price_changes import IMPORT_EVENT
from app.adapters.database.tables import PriceRow
from app.domain.price.comparison import PriceComparison
from app.services.price_import import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from app.adapters.database.engine import Database

# What makes two rows the same; where they come from may differ.
_COMPARED = ("utxoracle_price", "exchange_price", "confidence", "block_height", "is_valid", "invalid_reason")


class DatabaseImportedPrices:
    """Answers `app.services.price_import.ImportedPrices`; `ring` is called after each commit and must not raise."""

    def __init__(self, database: Database, ring: Callable[[], None]) -> None:
        self._database = database
        self._ring = ring

    def compared(self, rows: Sequence[PriceComparison]) -> Counts:
        """Return how `rows` compare with those that are there."""
        with self._database.reading() as connection:
            new, differing = _sorted_out(connection, rows)
        return Counts(len(new), len(rows) - len(new) - len(differing), len(differing))

    def write(self, rows: Sequence[PriceComparison], origin: str, now: datetime, *, replace: bool) -> Counts:
        """Write what is new, and what differs if `replace`, with one event; return what was found.

        An event for each row would push everything else out of what clients of the stream are sent again.
        """
        with self._database.writing() as connection:
            new, differing = _sorted_out(connection, rows)
            written = [*new, *(differing if replace else ())]
            if written:
                _write(connection, written, now)
                append(connection, IMPORT_EVENT, _payload(written, origin), now)
        if written:
            self._ring()
        return Counts(len(new), len(rows) - len(new) - len(differing), len(differing))


def _sorted_out(
    connection: Connection, rows: Sequence[PriceComparison]
) -> tuple[list[PriceComparison], list[PriceComparison]]:
    """Return those of `rows` whose slot has no imported row, and those whose has another."""
    statement = select(PriceRow.timestamp, *(getattr(PriceRow, name) for name in _COMPARED)).where(
        PriceRow.source == "import", PriceRow.timestamp.in_([row.timestamp for row in rows])
    )
    there = {timestamp: tuple(figures) for timestamp, *figures in connection.execute(statement)}
    new = [row for row in rows if row.timestamp not in there]
    differing = [row for row in rows if there.get(row.timestamp, _figures(row)) != _figures(row)]
    return new, differing


def _write(connection: Connection, rows: Sequence[PriceComparison], now: datetime) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = [_values(row, now) for row in rows]
    statement = insert(PriceRow)
    statement = statement.on_conflict_do_update(
        index_elements=[PriceRow.timestamp, PriceRow.source],
        set_={name: statement.excluded[name] for name in values[0]},
    )
    connection.execute(statement, values)


def _values(row: PriceComparison, now: datetime) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in PriceComparison.__dataclass_fields__}
    return values | {
        "difference": row.difference,
        "difference_percent": row.difference_percent,
        "created_at": now,
    }


def _figures(row: PriceComparison) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _COMPARED)


def _payload(rows: Sequence[PriceComparison], origin: str) -> dict[str, Any]:
    slots = [row.timestamp for row in rows]
    return {"origin": origin, "rows": len(rows), "from": min(slots).isoformat(), "to": max(slots).isoformat()}
