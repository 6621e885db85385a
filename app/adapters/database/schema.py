"""What the schema is, and what this release needs; without Alembic, which no service should have to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from app.adapters.database.tables import Base
from app.services.storage import SchemaStatus

if TYPE_CHECKING:
    from sqlalchemy import Connection

# The newest of migrations/versions.
EXPECTED_REVISION = "20261128_whales_urgency"


def schema_status(connection: Connection) -> SchemaStatus:
    """Return the revision of the database of `connection`, and what is missing from its tables."""
    found = {
        table: {column["name"] for column in columns}
        for (_, table), columns in inspect(connection).get_multi_columns().items()
    }
    return SchemaStatus(current=_revision(connection, found), expected=EXPECTED_REVISION, missing=_missing(found))


def _revision(connection: Connection, found: dict[str, set[str]]) -> str | None:
    if "alembic_version" not in found:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _missing(found: dict[str, set[str]]) -> tuple[str, ...]:
    missing = []
    for table in Base.metadata.sorted_tables:
        if table.name not in found:
            missing.append(table.name)
        else:
            missing += [
                f"{table.name}.{column.name}" for column in table.columns if column.name not in found[table.name]
            ]
    return tuple(sorted(missing))
