"""What tests of several folders share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.adapters.database.engine import Database, open_database
from app.adapters.database.migration import upgrade
from tests.throwaway_postgresql import ThrowawayPostgresql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[ThrowawayPostgresql]:
    """A server of the distribution's PostgreSQL, started when the first test asks for it."""
    server = ThrowawayPostgresql.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'utxoracle.db'}"
    server: ThrowawayPostgresql = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def empty_database(empty_database_url: str) -> Iterator[Database]:
    """A database without tables."""
    database = open_database(empty_database_url, create=True)
    yield database
    database.close()


@pytest.fixture
def database(empty_database: Database) -> Database:
    """A database at head, without rows."""
    upgrade(empty_database)
    return empty_database


@pytest.fixture
def database_url(database: Database) -> str:
    """The URL of a database at head, for other processes."""
    return database.url.render_as_string(hide_password=False)
