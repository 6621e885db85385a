"""SQLite changes a table by copying and dropping it; what refers to it must survive that, and be looked at."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, func, insert, inspect, select

from app.adapters.database import migration
from app.adapters.database.engine import open_database
from app.adapters.database.schema import EXPECTED_REVISION
from app.adapters.database.tables import ApiTokenRow, UserRow
from app.services.storage import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.fixture
def referring(tmp_path: Path) -> Iterator[Database]:
    """A database with a user, and a token that refers to that user."""
    database = open_database(f"sqlite:///{tmp_path / 'utxoracle.db'}", create=True)
    migration.upgrade(database)
    with database.writing() as connection:
        user = {"id": 1, "username": "admin", "password_hash": "-", "role": "admin", "is_active": True}
        connection.execute(insert(UserRow).values(**user, created_at=NOW, password_changed_at=NOW, session_epoch=1))
        token = {"user_id": 1, "name": "-", "token_hash": "ab" * 32, "role": "viewer", "scopes": []}
        connection.execute(insert(ApiTokenRow).values(**token, created_at=NOW))
    yield database
    database.close()


@pytest.fixture
def next_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that adds a revision with that body to a copy of the migrations, and has them used."""

    def add(body: str) -> None:
        checkout = migration.ALEMBIC_INI.parent
        shutil.copy(checkout / "alembic.ini", tmp_path)
        shutil.copytree(checkout / "migrations", tmp_path / "migrations")
        (tmp_path / "migrations" / "versions" / "29990101_next.py").write_text(
            "import sqlalchemy as sa\n"
            "from alembic import op\n"
            'revision = "29990101_next"\n'
            f'down_revision = "{EXPECTED_REVISION}"\n'
            f"def upgrade():\n    {body}\n",
            encoding="utf-8",
        )
        monkeypatch.setattr(migration, "ALEMBIC_INI", tmp_path / "alembic.ini")

    return add


def test_changing_a_table_keeps_the_rows_that_refer_to_it(
    referring: Database, next_revision: Callable[[str], None]
) -> None:
    next_revision(
        'with op.batch_alter_table("users", recreate="always") as t: t.add_column(sa.Column("email", sa.Text))'
    )
    migration.upgrade(referring)
    assert _tokens(referring) == 1
    with referring.reading() as connection:
        assert "email" in {column["name"] for column in inspect(connection).get_columns("users")}
        assert inspect(connection).get_foreign_keys("api_tokens")[0]["referred_table"] == "users"


def test_a_migration_that_would_orphan_rows_is_taken_back(
    referring: Database, next_revision: Callable[[str], None]
) -> None:
    next_revision('op.execute("DELETE FROM users")')
    with pytest.raises(SchemaMismatchError, match="would leave 1 rows without what they refer to"):
        migration.upgrade(referring)
    assert referring.schema().is_at_head
    with referring.reading() as connection:
        assert connection.execute(select(func.count()).select_from(UserRow)).scalar_one() == 1


def test_references_hold_again_afterwards(referring: Database) -> None:
    with referring.writing() as connection:
        connection.execute(delete(UserRow))
    assert _tokens(referring) == 0


def _tokens(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(ApiTokenRow)).scalar_one()
