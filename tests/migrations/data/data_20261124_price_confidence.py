"""Rows of prices before and after they could say how far they are to be trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, MetaData, exc, inspect, select, update

from tests.migrations.data.data_20261124_first_tables import ROWS

if TYPE_CHECKING:
    from sqlalchemy import Table

TABLE = "price_comparisons"
NEW: dict[str, Any] = {
    "band_low": 87_000.5,
    "band_high": 89_000.5,
    "window_price": 88_100.0,
    "published_price": 44_000.0,
    "lock_margin": 12.5,
    "signal": 31.0,
    "point_count": 12_000,
    "spread_percent": 0.9,
    "change_percent": -0.4,
    "exchange_sources": {"mempool": 88_100.25},
    "exchange_outliers": {},
    "exchange_ratios": {"EUR": 0.9},
    "provenance": "old.csv",
}
REFUSED = (
    ({"band_low": 0.0}, "band_low_positive"),
    ({"band_high": float("inf")}, "band_high_positive"),
    ({"band_high": None}, "band_low_to_high"),
    ({"band_low": 90_000.0}, "band_low_to_high"),
    ({"window_price": -1.0}, "window_price_positive"),
    ({"published_price": 0.0}, "published_price_positive"),
    ({"point_count": -1}, "point_count_not_negative"),
    ({"spread_percent": -0.1}, "spread_percent_not_negative"),
)


def before_upgrade(connection: Connection) -> None:
    table = _table(connection)
    moment = datetime(2026, 11, 24, 8, tzinfo=UTC)
    connection.execute(table.insert(), [ROWS[TABLE] | {"timestamp": moment.replace(hour=hour)} for hour in range(3)])


def after_upgrade(connection: Connection) -> None:
    table = _table(connection)
    rows = connection.execute(select(table).order_by(table.c.id)).mappings().all()
    assert len(rows) == 3
    assert all(row["utxoracle_price"] == 88_000.5 for row in rows)
    assert all(row[name] is None for row in rows for name in NEW)
    first = table.c.id == rows[0]["id"]
    connection.execute(update(table).where(first).values(NEW))
    for change, constraint in REFUSED:
        with pytest.raises(exc.IntegrityError, match=constraint), connection.begin_nested():
            connection.execute(update(table).where(first).values(change))
    kept = connection.execute(select(table).where(first)).mappings().one()
    assert {name: kept[name] for name in NEW} == NEW


def after_downgrade(connection: Connection) -> None:
    names = {column["name"] for column in inspect(connection).get_columns(TABLE)}
    assert not names & set(NEW)
    _still_complete(connection)


def after_return(connection: Connection) -> None:
    table = _still_complete(connection)
    assert all(row[name] is None for row in connection.execute(select(table)).mappings() for name in NEW)


def _still_complete(connection: Connection) -> Table:
    """Every old row is as it was, and the checks of the first revision still hold."""
    table = _table(connection)
    rows = connection.execute(select(table)).mappings().all()
    assert [row["utxoracle_price"] for row in rows] == [88_000.5] * 3
    with pytest.raises(exc.IntegrityError, match="confidence_share"), connection.begin_nested():
        connection.execute(update(table).values(confidence=2.0))
    return table


def _table(connection: Connection) -> Table:
    metadata = MetaData()
    metadata.reflect(connection, only=[TABLE])
    return metadata.tables[TABLE]
