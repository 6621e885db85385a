"""Rows of whales and scores before and after whales could be followed over a restart and scores had a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, MetaData, exc, inspect, null, select, update

from tests.migrations.data.data_20261124_first_tables import ROWS

if TYPE_CHECKING:
    from sqlalchemy import Table

WHALES, SCORES = "whale_transactions", "correlation_tracking"
NEW: dict[str, dict[str, Any]] = {
    WHALES: {"inputs_resolved": True, "block_hash": "00" * 32, "outpoints": [f"{'ee' * 32}:0"]},
    SCORES: {
        "accuracy_sample": 12,
        "brier_sample": 12,
        "coverage_sample": 11,
        "lead_sample": 11,
        "exact_share": 0.5,
        "within_one_share": 0.75,
        "exact_sample": 11,
        "transform_share": 0.8,
        "transform_sample": 11,
        "baseline_accuracy": 0.7,
        "baseline_brier": 0.3,
        "baseline_sample": 12,
        "baseline_exact_share": 0.4,
        "baseline_within_one_share": 0.6,
        "baseline_exact_sample": 11,
    },
}
UNKNOWN: dict[str, dict[str, Any]] = {
    WHALES: {"inputs_resolved": False, "left_at": None, "block_hash": None, "outpoints": []},
    SCORES: dict.fromkeys(NEW[SCORES]),
}
REFUSED = (
    (WHALES, {"inputs_resolved": null()}, "inputs_resolved"),
    (WHALES, {"outpoints": null()}, "outpoints"),
    (WHALES, {"block_hash": "00"}, "block_hash_length"),
    (SCORES, {"accuracy_sample": -1}, "accuracy_sample_not_negative"),
    (SCORES, {"exact_share": 1.1}, "exact_share_share"),
    (SCORES, {"transform_share": -0.1}, "transform_share_share"),
    (SCORES, {"baseline_brier": 1.1}, "baseline_brier_share"),
    (SCORES, {"baseline_exact_sample": -1}, "baseline_exact_sample_not_negative"),
)


def before_upgrade(connection: Connection) -> None:
    """Write rows as the release before does."""
    for table in (WHALES, SCORES):
        connection.execute(_table(connection, table).insert().values(ROWS[table]))


def after_upgrade(connection: Connection) -> None:
    """See that they say what is not known of them, that there is room for it, and that the old release can go on."""
    for name in (WHALES, SCORES):
        table = _table(connection, name)
        assert _row(connection, table, UNKNOWN[name]) == UNKNOWN[name]
        connection.execute(update(table).values(NEW[name]))
        assert _row(connection, table, NEW[name]) == NEW[name]
    for name, change, constraint in REFUSED:
        table = _table(connection, name)
        with pytest.raises(exc.IntegrityError, match=constraint), connection.begin_nested():
            connection.execute(update(table).values(change))
    old_release = _table(connection, WHALES).insert().values(ROWS[WHALES] | {"txid": "cd" * 32})
    connection.execute(old_release)


def after_downgrade(connection: Connection) -> None:
    """See that the columns are gone, and nothing else."""
    for name in (WHALES, SCORES):
        assert not {column["name"] for column in inspect(connection).get_columns(name)} & set(UNKNOWN[name])
        _still_complete(connection, name)


def after_return(connection: Connection) -> None:
    """See that the rows are there still, and know no more than at first."""
    for name in (WHALES, SCORES):
        table = _still_complete(connection, name)
        for row in connection.execute(select(table)).mappings():
            assert {column: row[column] for column in UNKNOWN[name]} == UNKNOWN[name]


def _still_complete(connection: Connection, name: str) -> Table:
    """Every old row is as it was, and the checks of the first revision still hold."""
    table = _table(connection, name)
    rows = connection.execute(select(table)).mappings().all()
    assert len(rows) == (2 if name == WHALES else 1)
    kept = {"urgency_score": 0.75} if name == WHALES else {"confirmed": 10}
    assert all(row[column] == value for row in rows for column, value in kept.items())
    refused = {"kind": "gift"} if name == WHALES else {"period": "week"}
    with pytest.raises(exc.IntegrityError, match="_known"), connection.begin_nested():
        connection.execute(update(table).values(refused))
    return table


def _row(connection: Connection, table: Table, columns: dict[str, Any]) -> dict[str, Any]:
    return dict(connection.execute(select(*(table.c[name] for name in columns))).mappings().one())


def _table(connection: Connection, name: str) -> Table:
    metadata = MetaData()
    metadata.reflect(connection, only=[name])
    return metadata.tables[name]
