"""Everything that a database says about its tables, comparable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, text

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import ReflectedIndex

Structure = dict[str, dict[str, Any]]


def structure_of(connection: Connection) -> Structure:
    """Return for each table of ours its columns, keys, constraints and indexes."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": sorted(
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table)
            ),
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
            "uniques": sorted(map(str, inspector.get_unique_constraints(table))),
            "checks": sorted((check["name"], check["sqltext"]) for check in inspector.get_check_constraints(table)),
            "indexes": sorted(map(_index, inspector.get_indexes(table))),
            "never reuses ids": _never_reuses_ids(connection, table),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def _index(index: ReflectedIndex) -> str:
    # Conditions are objects, which are not equal however alike they are.
    options = {name: str(option) for name, option in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


def _never_reuses_ids(connection: Connection, table: str) -> bool | None:
    """Return whether the table is AUTOINCREMENT; None where sequences make that sure."""
    if connection.dialect.name != "sqlite":
        return None
    made = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :table"), {"table": table}).scalar_one()
    return "AUTOINCREMENT" in made
