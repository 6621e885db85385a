from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.adapters.database.engine import open_database
from app.adapters.database.migration import ALEMBIC_INI, differences, upgrade
from app.adapters.database.schema import EXPECTED_REVISION
from app.adapters.database.tables import Base
from tests.migrations.structure import structure_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.adapters.database.engine import Database
    from tests.throwaway_postgresql import ThrowawayPostgresql


@pytest.fixture
def declared_database_url(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> str:
    """A second database of the same kind."""
    if database.url.get_backend_name() == "sqlite":
        return f"sqlite:///{tmp_path / 'declared.db'}"
    server: ThrowawayPostgresql = request.getfixturevalue("postgresql")
    return server.new_database()


def test_the_migrations_make_exactly_the_declared_tables(database: Database, declared_database_url: str) -> None:
    declared = open_database(declared_database_url, create=True)
    with declared.writing() as connection:
        Base.metadata.create_all(connection)
    with declared.reading() as of_tables, database.reading() as of_migrations:
        assert structure_of(of_migrations) == structure_of(of_tables)
        assert len(structure_of(of_tables)) == len(Base.metadata.tables) == 15
    declared.close()


def test_alembic_finds_nothing_to_change(database: Database) -> None:
    assert differences(database) == []


def test_a_changed_column_is_a_difference(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE labels ADD COLUMN colour TEXT"))
    assert len(differences(database)) == 1
    assert "colour" in differences(database)[0]


def test_the_release_knows_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(Config(ALEMBIC_INI)).get_heads() == [EXPECTED_REVISION]


def test_revisions_sort_by_age_so_that_a_release_knows_a_later_one() -> None:
    oldest_last = [script.revision for script in ScriptDirectory.from_config(Config(ALEMBIC_INI)).walk_revisions()]
    assert oldest_last == sorted(oldest_last, reverse=True)


def test_migrating_works_from_any_directory(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert upgrade(empty_database) == (None, EXPECTED_REVISION)
