from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from app.adapters.database.migration import upgrade
from app.adapters.database.schema import EXPECTED_REVISION
from app.adapters.database.tables import Base

if TYPE_CHECKING:
    from app.adapters.database.engine import Database


def test_a_database_at_head_has_no_problems(database: Database) -> None:
    status = database.schema()
    assert (status.current, status.missing, status.problems) == (EXPECTED_REVISION, (), ())
    assert status.is_at_head
    assert status.is_usable


def test_an_empty_database_asks_for_its_first_upgrade(empty_database: Database) -> None:
    status = empty_database.schema()
    assert status.current is None
    assert not status.is_usable
    assert status.problems == ("The database has no tables of ours yet; run `utxoracle db upgrade`.",)


@pytest.mark.parametrize("table", sorted(Base.metadata.tables))
def test_a_dropped_table_is_named(database: Database, table: str) -> None:
    with database.writing() as connection:
        suffix = " CASCADE" if connection.dialect.name == "postgresql" else ""
        connection.execute(text(f"DROP TABLE {table}{suffix}"))
    status = database.schema()
    assert status.missing == (table,)
    assert not status.is_at_head
    assert not status.is_usable
    assert status.problems == (f"{table} is missing from the database; restore it from a backup.",)


def test_a_dropped_column_is_named(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("ALTER TABLE labels DROP COLUMN category"))
    assert database.schema().missing == ("labels.category",)


def test_an_older_schema_asks_for_an_upgrade(database: Database) -> None:
    _set_revision(database, "20200101_before")
    status = database.schema()
    assert not status.is_usable
    assert "run `utxoracle db upgrade`" in status.problems[0]


def test_a_later_release_s_schema_is_left_alone_and_usable_after_a_rollback(database: Database) -> None:
    _set_revision(database, "29990101_later")
    assert upgrade(database) == ("29990101_later", "29990101_later")
    status = database.schema()
    assert status.is_newer
    assert status.is_usable
    assert not status.is_at_head
    assert status.problems == ()


def _set_revision(database: Database, revision: str) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
