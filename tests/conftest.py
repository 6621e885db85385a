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


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at head, to be copied: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("migrated") / "utxoracle.db"
    with open_database(f"sqlite:///{file}", create=True) as database:
        upgrade(database)
    return file


@pytest.fixture(scope="session")
def migrated_template(postgresql: ThrowawayPostgresql) -> str:
    """The name of a PostgreSQL database at head, to be copied likewise."""
    with open_database(postgresql.new_database()) as database:
        upgrade(database)
        name = database.url.database
    assert name is not None
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """What the databases of a test are made with: once with SQLite and once with PostgreSQL."""
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if database_kind == "sqlite":
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
def database(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database at head, without rows."""
    if database_kind == "sqlite":
        file = tmp_path / "utxoracle.db"
        file.write_bytes(request.getfixturevalue("migrated_file").read_bytes())
        url = f"sqlite:///{file}"
    else:
        server: ThrowawayPostgresql = request.getfixturevalue("postgresql")
        url = server.new_database(request.getfixturevalue("migrated_template"))
    with open_database(url) as opened:
        yield opened


@pytest.fixture
def database_url(database: Database) -> str:
    """The URL of a database at head, for other processes."""
    return database.url.render_as_string(hide_password=False)
